/** The kubelet's restart back-off: the first restart is at once, then 10 s doubling to 5 min, forgotten after 10 min of running. */
export class Backoff {
  private failures = 0;

  /** @param factor what each delay is multiplied with; below 1 for tests */
  constructor(private readonly factor: number) {}

  /** The milliseconds to wait before the next start. */
  next(): number {
    const seconds = this.failures === 0 ? 0 : Math.min(300, 10 * 2 ** (this.failures - 1));
    this.failures += 1;
    return seconds * 1000 * this.factor;
  }

  /** Notes how long the last run was. */
  ran(milliseconds: number): void {
    if (milliseconds >= 600_000 * this.factor) {
      this.failures = 0;
    }
  }

  /** Waits, or returns early when the signal fires. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      signal.addEventListener('abort', done);
      if (signal.aborted) {
        done();
      }
    });
  }
}
