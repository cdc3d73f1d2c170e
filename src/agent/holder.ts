import type { Timing } from '../kubernetes/timing.js';
import { Slots } from './slots.js';

/** How often a fault that is on is looked at and refreshed, and how many are at once. */
export interface HoldTimes {
  /** Milliseconds. */
  every: number;
  atOnce: number;
}

/** What a fault leaves in the kernel ends 30 s after it was refreshed last; a drift is to be noticed within 5 s. */
export const holdTimes: HoldTimes = { every: 4_000, atOnce: 4 };

/** A target that takes longer than this, in milliseconds, does not keep others waiting. */
const PATIENCE = 1_000;

/** Has things done again and again, each at its own time, spread evenly over the interval. */
export class Holder<T> {
  readonly #times: HoldTimes;
  readonly #timing: Timing;
  readonly #look: (held: T) => Promise<void>;
  readonly #slots: Slots;
  readonly #held = new Map<T, () => void>();
  #isStopped = false;

  /** @param look must not throw */
  constructor(times: HoldTimes, timing: Timing, look: (held: T) => Promise<void>) {
    this.#times = times;
    this.#timing = timing;
    this.#look = look;
    this.#slots = new Slots(times.atOnce, PATIENCE, timing);
  }

  /** How many are held. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Begins to look; what begins together is not looked at together.
   * @param isFresh it has just been looked at; otherwise it soon is
   */
  add(held: T, isFresh: boolean): void {
    if (this.#held.has(held) || this.#isStopped) return;
    const share = isFresh ? 0.25 + Math.random() * 0.75 : Math.random() * 0.25;
    this.#schedule(held, this.#times.every * share);
  }

  /** Looks no more. */
  remove(held: T): void {
    this.#held.get(held)?.();
    this.#held.delete(held);
  }

  /** Looks at all once more, and then no more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const all = [...this.#held];
    this.#held.clear();
    for (const [, cancel] of all) cancel();
    await Promise.all(all.map(([held]) => this.#slots.run(() => this.#look(held))));
  }

  #schedule(held: T, milliseconds: number): void {
    const due = this.#timing.now() + milliseconds;
    const cancel = this.#timing.schedule(milliseconds, () => void this.#turn(held, due));
    this.#held.set(held, cancel);
  }

  async #turn(held: T, due: number): Promise<void> {
    await this.#slots.run(() => this.#look(held));
    if (!this.#held.has(held)) return;
    this.#schedule(held, Math.max(0, due + this.#times.every - this.#timing.now()));
  }
}
