import type { Timing } from '../kubernetes/timing.js';

/**
 * Lets so many pieces of work run at once. One that takes longer than `patience` goes on without a slot, so that what
 * hangs on one target does not keep the others waiting.
 */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  /** @param patience in milliseconds */
  constructor(
    readonly atOnce: number,
    readonly patience: number,
    readonly timing: Timing,
  ) {}

  /** Works as soon as there is a slot. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taken += 1;
    const free = once(() => this.#free());
    const cancel = this.timing.schedule(this.patience, free);
    try {
      return await work();
    } finally {
      cancel();
      free();
    }
  }

  /** Hands the slot to who waits longest. */
  #free(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken -= 1;
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
