/** When the controller was last known to be alive. */
export interface SignOfLife {
  /** The record of its Lease as it was read then; undefined: it has not been read yet. */
  record: string | undefined;
  /** Milliseconds on the caller's monotonic clock. */
  at: number;
}

/**
 * Tells how long the controller has given no sign of life, which is a change of its Lease: who holds it, or when that
 * one renewed it. The times written in the Lease are never compared with a clock here, so that no step of anybody's wall
 * clock matters. No answer from the API server is no sign either. Pure: whoever calls it says what time it is.
 */
export class DeadMan {
  #sign: SignOfLife;

  /**
   * @param grace how many milliseconds of silence are borne
   * @param sign the last sign, also when another process saw it: a restart gives the controller no more time
   */
  constructor(
    readonly grace: number,
    sign: SignOfLife,
  ) {
    this.#sign = sign;
  }

  /** The last sign of life. */
  get sign(): SignOfLife {
    return this.#sign;
  }

  /** Takes what was read of the Lease into account, `''` for one that is not there; returns whether it is a sign of life. */
  heard(record: string, now: number): boolean {
    const { record: before, at } = this.#sign;
    if (record === '' || record === before) return false;
    // Without one to compare with it may be as old as can be.
    const isSign = before !== undefined;
    this.#sign = { record, at: isSign ? now : at };
    return isSign;
  }

  /** Milliseconds until the controller counts as lost; 0 when it does. */
  left(now: number): number {
    return Math.max(0, this.#sign.at + this.grace - now);
  }
}
