import { performance } from 'node:perf_hooks';
import { ApiError } from '../api-error.js';

/** A set of keys waiting to be reconciled; a key is there once however often it was added. */
export interface WorkQueue {
  add(key: string, afterMilliseconds?: number): void;
  stop(): void;
}

const sliceMilliseconds = 10;
const firstRetryMilliseconds = 5;
const lastRetryMilliseconds = 5_000;
const maxResting = 1_000;

/**
 * Runs `reconcile` for each key added, one at a time, in slices that leave the event loop free in between.
 * A number returned is when to look again, in milliseconds; an error thrown is retried with exponential back-off, and one
 * that is not an answer of the API server is also printed as a warning of the process.
 * A key that was expensive rests as long as it took, so that a storm of events about it leaves half of the processor.
 */
export function createWorkQueue(reconcile: (key: string) => number | undefined): WorkQueue {
  const ready = new Set<string>();
  const timers = new Map<string, { due: number; timer: NodeJS.Timeout }>();
  const failures = new Map<string, number>();
  const resting = new Map<string, number>();
  let scheduled: NodeJS.Immediate | undefined;
  let stopped = false;

  function addLater(key: string, milliseconds: number): void {
    if (stopped) {
      return;
    }
    const due = performance.now() + milliseconds;
    const known = timers.get(key);
    if (known !== undefined && known.due <= due) {
      return;
    }
    clearTimeout(known?.timer);
    const fire = () => {
      timers.delete(key);
      add(key);
    };
    timers.set(key, { due, timer: setTimeout(fire, Math.min(milliseconds, 2 ** 31 - 1)) });
  }

  function add(key: string, afterMilliseconds = 0): void {
    if (stopped) {
      return;
    }
    const wait = Math.max(afterMilliseconds, (resting.get(key) ?? 0) - performance.now());
    if (wait > 0) {
      addLater(key, wait);
      return;
    }
    resting.delete(key);
    ready.add(key);
    scheduled ??= setImmediate(runSlice);
  }

  function runSlice(): void {
    scheduled = undefined;
    const end = performance.now() + sliceMilliseconds;
    for (const key of ready) {
      ready.delete(key);
      runOne(key);
      if (stopped || performance.now() > end) {
        break;
      }
    }
    if (ready.size > 0 && !stopped) {
      scheduled = setImmediate(runSlice);
    }
  }

  function runOne(key: string): void {
    const start = performance.now();
    try {
      const again = reconcile(key);
      failures.delete(key);
      if (again !== undefined) {
        addLater(key, again);
      }
    } catch (error) {
      if (!(error instanceof ApiError)) {
        process.emitWarning(error as Error);
      }
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      addLater(key, Math.min(firstRetryMilliseconds * 2 ** count, lastRetryMilliseconds));
    }
    rest(key, performance.now() - start);
  }

  function rest(key: string, tookMilliseconds: number): void {
    const now = performance.now();
    if (tookMilliseconds > 1) {
      resting.set(key, now + tookMilliseconds);
    }
    if (resting.size > maxResting) {
      const rested = [...resting].filter(([, until]) => until < now);
      for (const [known] of rested) {
        resting.delete(known);
      }
    }
  }

  function stop(): void {
    stopped = true;
    clearImmediate(scheduled);
    for (const { timer } of timers.values()) {
      clearTimeout(timer);
    }
    timers.clear();
    ready.clear();
  }

  return { add, stop };
}
