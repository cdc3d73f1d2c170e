/**
 * Lets many callers share a scan, each of which must start after it was asked for: callers that come while one is under
 * way all wait for one more.
 */
export function sharedScan<T>(scan: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  const start = (): Promise<T> => {
    next = undefined;
    const mine: Promise<T> = scan().finally(() => {
      if (running === mine) running = undefined;
    });
    running = mine;
    return mine;
  };
  return () => {
    if (!running) return start();
    next ??= running.then(start, start);
    return next;
  };
}
