/** How often it looks, in milliseconds. */
const every = 10;
/** A look that comes no later than this is normal. */
const tolerated = 10;

/**
 * Measures how long this thread stood still, because it was busy or got no processor time. What an answer waits for in
 * a thread that stands still is not the latency of the one who answered.
 */
export class StallClock {
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #lookedAt: number;
  #total = 0;

  /** `now` is in milliseconds on a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now;
    this.#lookedAt = now();
    this.#timer = setInterval(() => this.#look(), every);
  }

  /** Milliseconds that the thread has stood still since this clock was made, also those up to this moment. */
  total(): number {
    return this.#total + this.#sinceLook();
  }

  /** Measures no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#total += this.#sinceLook();
    this.#lookedAt = this.#now();
  }

  #sinceLook(): number {
    const late = this.#now() - this.#lookedAt - every;
    return late > tolerated ? late : 0;
  }
}
