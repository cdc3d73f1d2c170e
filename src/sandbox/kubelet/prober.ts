import type { Json } from '../store/types.js';
import { type HandlerTarget, runHandler } from './handlers.js';

/** Called when a probe has crossed one of its thresholds, and with the message of each failure before that. */
export interface ProbeListener {
  /** The probe's settled result; called on each change of it, and on each further failure of a settled one. */
  settled(success: boolean, message: string): void;
  failed(message: string): void;
}

/** Runs a probe again and again until stopped, with the delays, timeouts and thresholds of its spec (core/v1 `Probe`). */
export function startProber(probe: Json, target: HandlerTarget, listener: ProbeListener): () => void {
  const stopping = new AbortController();
  const period = (probe.periodSeconds ?? 10) * 1000;
  const timeout = (probe.timeoutSeconds ?? 1) * 1000;
  let inRow = 0;
  let last: boolean | undefined;
  let settled: boolean | undefined;
  let timer: NodeJS.Timeout;

  async function once(): Promise<void> {
    const next = performance.now() + period;
    const attempt = new AbortController();
    const limit = setTimeout(() => attempt.abort(), timeout);
    const abort = () => attempt.abort();
    stopping.signal.addEventListener('abort', abort);
    const failure = await runHandler(probe, target, attempt.signal);
    clearTimeout(limit);
    stopping.signal.removeEventListener('abort', abort);
    if (!stopping.signal.aborted) {
      count(failure);
    }
    if (!stopping.signal.aborted) {
      timer = setTimeout(() => void once(), Math.max(0, next - performance.now()));
    }
  }

  function count(failure: string | undefined): void {
    const success = failure === undefined;
    inRow = success === last ? inRow + 1 : 1;
    last = success;
    if (failure !== undefined) {
      listener.failed(failure);
    }
    const threshold = (success ? probe.successThreshold : probe.failureThreshold) ?? (success ? 1 : 3);
    if (inRow >= threshold && (settled !== success || !success)) {
      settled = success;
      listener.settled(success, failure ?? '');
    }
  }

  timer = setTimeout(() => void once(), (probe.initialDelaySeconds ?? 0) * 1000);
  return () => {
    stopping.abort();
    clearTimeout(timer);
  };
}
