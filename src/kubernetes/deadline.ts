import { setMaxListeners } from 'node:events';
import type { Timing } from './timing.js';

/**
 * A signal that aborts when time is up, or when an outer signal does. Unlike `AbortSignal.any` and
 * `AbortSignal.timeout` it leaves nothing behind on a long-lived outer signal (nodejs/node#54614) once released.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timing: Timing;
  readonly #at: number;
  readonly #cancelTimer: () => void;
  readonly #abort = (): void => this.#controller.abort();

  constructor(milliseconds: number, timing: Timing, outer?: AbortSignal) {
    this.#timing = timing;
    this.#outer = outer;
    this.#at = timing.now() + milliseconds;
    this.#cancelTimer = timing.schedule(milliseconds, this.#abort);
    // Hundreds of requests under way may well share one signal.
    if (outer) setMaxListeners(0, outer);
    outer?.addEventListener('abort', this.#abort);
    if (outer?.aborted) this.#abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds that are left. */
  get left(): number {
    return this.#at - this.#timing.now();
  }

  /** Time is not limited any more; the outer signal still counts. */
  lift(): void {
    this.#cancelTimer();
  }

  /** Lets go of the timer and the outer signal. */
  release(): void {
    this.#cancelTimer();
    this.#outer?.removeEventListener('abort', this.#abort);
  }
}
