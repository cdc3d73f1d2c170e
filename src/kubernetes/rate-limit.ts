import { systemTiming, type Timing } from './timing.js';

/**
 * A token bucket: `burst` tokens at once, refilled with `perSecond`. Callers wait in the order in which they came.
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #timing: Timing;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, burst: number, timing: Timing = systemTiming) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#timing = timing;
    this.#tokens = burst;
    this.#filledAt = timing.now();
  }

  /** Takes a token that is there; false when there is none. */
  tryTake(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /**
   * Takes a token, if need be one of the future, and returns in how many milliseconds it is due.
   * The debt is what keeps the callers in order.
   */
  reserve(): number {
    this.#refill();
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1000;
  }

  /** Gives back a token that was reserved and not used. */
  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }

  #refill(): void {
    const now = this.#timing.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
  }
}
