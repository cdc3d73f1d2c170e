import { performance } from 'node:perf_hooks';

/** Monotonic time and timers, injected so that tests can step them. */
export interface Timing {
  /** Monotonic milliseconds from an arbitrary start; never a date. */
  now(): number;
  /** Calls back once after `milliseconds`; the returned function cancels. */
  schedule(milliseconds: number, callback: () => void): () => void;
}

/** `setTimeout` fires at once beyond this many milliseconds (2^31 - 1). */
const longestTimer = 2_147_483_647;

/** The process's own monotonic clock and timers. */
export const systemTiming: Timing = {
  now: () => performance.now(),
  schedule(milliseconds, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(milliseconds, 0), longestTimer));
    return () => clearTimeout(timer);
  },
};

/** Waits, and returns early (without throwing) when the signal aborts. */
export function sleep(milliseconds: number, timing: Timing = systemTiming, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timing.schedule(milliseconds, done);
    signal?.addEventListener('abort', done);
  });
}

/** Bounds of an exponential backoff, in milliseconds. */
export interface BackoffLimits {
  baseMs: number;
  maxMs: number;
}

/**
 * The delay before try number `attempt` (from 0): doubling from `baseMs`, capped at `maxMs`, of which a random
 * quarter is taken off so that clients which failed together do not come back together.
 */
export function backoffDelay({ baseMs, maxMs }: BackoffLimits, attempt: number, random = Math.random): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return full * (1 - random() / 4);
}
