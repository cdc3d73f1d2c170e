/**
 * Calls back on SIGINT and SIGTERM, with how many have come so far; returns how to stop that. While it listens the
 * signals do not end the process.
 */
export function onInterrupt(listener: (count: number, signal: NodeJS.Signals) => void): () => void {
  let count = 0;
  const listen = (signal: NodeJS.Signals) => {
    count += 1;
    listener(count, signal);
  };
  process.on('SIGINT', listen);
  process.on('SIGTERM', listen);
  return () => {
    process.off('SIGINT', listen);
    process.off('SIGTERM', listen);
  };
}
