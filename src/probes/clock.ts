/**
 * Milliseconds on the process's monotonic clock, the same in every thread (the zero of `performance.now()` differs
 * from thread to thread).
 */
export function monotonicMilliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
