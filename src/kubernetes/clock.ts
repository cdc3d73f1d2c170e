import { systemTiming, type Timing } from './timing.js';

/** How far apart two good quartz clocks may drift, as a fraction: 200 ppm, with a wide margin. */
const drift = 0.0002;

/** Of each second that has passed, how much `now` moves while it waits for the server's clock to catch up. */
const slowRate = 0.5;

/**
 * The API server's time, estimated from the `Date` headers of its answers.
 *
 * A header has a resolution of one second: when a request was sent at `s` and answered at `r` with date `d`, then at
 * some moment in [s, r] the server's clock was in [d, d + 1 s). Each answer thus bounds the offset between the server's
 * clock and our monotonic one; the bounds of many answers are intersected, and the middle is the estimate
 * (Marzullo's interval intersection). The local wall clock plays no part once there was one answer.
 */
export class ServerClock {
  readonly #timing: Timing;
  #low: number;
  #high: number;
  #observedAt: number;
  #synced = false;
  #lastTime = Number.NEGATIVE_INFINITY;
  #lastMoment = 0;

  constructor(timing: Timing = systemTiming) {
    this.#timing = timing;
    this.#observedAt = timing.now();
    this.#low = this.#high = Date.now() - this.#observedAt;
  }

  /** True after the first answer with a `Date`; before it, `now` is the local wall clock. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Half the width of the present bounds in milliseconds: `now` is off by no more. Infinite before the first answer. */
  get uncertaintyMs(): number {
    return this.#synced ? (this.#high - this.#low) / 2 : Number.POSITIVE_INFINITY;
  }

  /**
   * Takes one answer into account.
   * @param date the `Date` header; one that cannot be parsed is ignored
   * @param sentAt monotonic milliseconds just before the request was sent
   * @param receivedAt monotonic milliseconds when the headers of the answer arrived
   */
  observe(date: string | undefined, sentAt: number, receivedAt: number): void {
    const second = date === undefined ? Number.NaN : Date.parse(date);
    if (Number.isNaN(second)) return;
    const low = second - receivedAt;
    const high = second + 1000 - sentAt;
    const widening = Math.max(0, receivedAt - this.#observedAt) * drift;
    const newLow = Math.max(low, this.#low - widening);
    const newHigh = Math.min(high, this.#high + widening);
    // No overlap: the server's clock was set, or another replica answers. Only the newest answer counts then.
    const consistent = this.#synced && newLow <= newHigh;
    this.#low = consistent ? newLow : low;
    this.#high = consistent ? newHigh : high;
    this.#observedAt = receivedAt;
    if (!this.#synced) this.#lastTime = Number.NEGATIVE_INFINITY;
    this.#synced = true;
  }

  /**
   * The server's time in milliseconds since 1970. After the first answer it never goes backwards: when the server's
   * clock turns out to be behind, this one goes at half speed until it is overtaken.
   */
  now(): number {
    const moment = this.#timing.now();
    const estimate = (this.#low + this.#high) / 2 + moment;
    const slowed = this.#lastTime + (moment - this.#lastMoment) * slowRate;
    this.#lastTime = Math.max(estimate, slowed);
    this.#lastMoment = moment;
    return Math.floor(this.#lastTime);
  }

  /** {@link now} as RFC 3339 with seconds, as `metav1.Time` wants it: `2026-01-31T10:00:00Z`. */
  time(): string {
    return `${new Date(this.now()).toISOString().slice(0, 19)}Z`;
  }

  /** {@link now} as `metav1.MicroTime`, which the API server takes with exactly six fractional digits only. */
  microTime(): string {
    return `${new Date(this.now()).toISOString().slice(0, 23)}000Z`;
  }
}
