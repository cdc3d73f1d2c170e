/** The signals that end a command which people watch. */
const asking = ['SIGINT', 'SIGTERM'] as const;
/** Those that end one which owns processes: it must also leave nothing behind when its terminal is closed. */
export const ending: readonly NodeJS.Signals[] = [...asking, 'SIGHUP'];

/**
 * Calls back on SIGINT and SIGTERM, or on the signals given, with how many have come so far; returns how to stop that.
 * While it listens the signals do not end the process.
 */
export function onInterrupt(
  listener: (count: number, signal: NodeJS.Signals) => void,
  signals: readonly NodeJS.Signals[] = asking,
): () => void {
  let count = 0;
  const listen = (signal: NodeJS.Signals) => {
    count += 1;
    listener(count, signal);
  };
  for (const signal of signals) process.on(signal, listen);
  return () => {
    for (const signal of signals) process.off(signal, listen);
  };
}

/** The interrupts of one command, also those that came while nobody was there to act on them. */
export interface Interrupts {
  /** Tells the listener the count at each interrupt, and at once when there was one before; returns how to stop that. */
  subscribe(listener: (count: number) => void): () => void;
  readonly count: number;
  /** Lets signals end the process again. */
  stop(): void;
}

/** Listens from now on. */
export function countInterrupts(): Interrupts {
  const listeners = new Set<(count: number) => void>();
  let count = 0;
  const stop = onInterrupt((now) => {
    count = now;
    for (const listener of listeners) listener(now);
  });
  return {
    subscribe(listener) {
      listeners.add(listener);
      if (count > 0) listener(count);
      return () => listeners.delete(listener);
    },
    get count() {
      return count;
    },
    stop,
  };
}

/** Calls back when the signal fires, or at once when it has; returns how to stop that. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) listener();
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
