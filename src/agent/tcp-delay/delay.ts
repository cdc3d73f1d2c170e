/** How long something is held back: uniformly distributed around the latency, and not at all once it was stopped. */
export class Delay {
  #stopped = false;

  /** @param random uniform in [0, 1) */
  constructor(
    readonly latencyMilliseconds: number,
    readonly jitterMilliseconds: number,
    private readonly random: () => number = Math.random,
  ) {}

  get stopped(): boolean {
    return this.#stopped;
  }

  /** From now on nothing is held back any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Milliseconds, at least 0; drawn anew at every call. */
  draw(): number {
    if (this.#stopped) return 0;
    return Math.max(0, this.latencyMilliseconds + (2 * this.random() - 1) * this.jitterMilliseconds);
  }
}

interface Waiting<Item> {
  item: Item;
  due: number;
}

/**
 * A queue that lets every item through some time after it came, and never before an earlier one: with jitter, what
 * would overtake waits for the one before it, as it does behind a TCP connection's reordering.
 */
export class DelayLine<Item> {
  #waiting: Waiting<Item>[] = [];
  #first = 0;
  #lastDue = Number.NEGATIVE_INFINITY;

  constructor(private readonly delay: Delay) {}

  /** @param now milliseconds of a monotonic clock */
  push(item: Item, now: number): void {
    this.#lastDue = Math.max(this.#lastDue, now + this.delay.draw());
    this.#waiting.push({ item, due: this.#lastDue });
  }

  /** When the first item is due; undefined: there is none. */
  get due(): number | undefined {
    const first = this.#waiting[this.#first];
    if (!first) return undefined;
    return this.delay.stopped ? Number.NEGATIVE_INFINITY : first.due;
  }

  /** When the last item is due; in the past when there is none. */
  get lastDue(): number {
    return this.delay.stopped ? Number.NEGATIVE_INFINITY : this.#lastDue;
  }

  /** Takes out all that is due, in the order it came. */
  take(now: number): Item[] {
    const taken: Item[] = [];
    for (let due = this.due; due !== undefined && due <= now; due = this.due) {
      taken.push((this.#waiting[this.#first] as Waiting<Item>).item);
      this.#first += 1;
    }
    // Cutting off the front at every call would make a long queue quadratic.
    if (this.#first > 1_024 || this.#first === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    return taken;
  }
}
