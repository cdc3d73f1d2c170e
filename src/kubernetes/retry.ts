import { ConnectionError } from './connection.js';
import { ApiError } from './errors.js';
import { backoffDelay } from './timing.js';

const limits = { baseMs: 100, maxMs: 5_000 };
const never = Number.POSITIVE_INFINITY;
/** Verbs that may be sent twice although the first one may have been done. */
const repeatable = new Set(['GET', 'PUT', 'DELETE']);

/** True when the server refused our credentials, which may merely be old. */
export function isUnauthorized(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

/**
 * Milliseconds until a failed request is tried again; infinite when it should not be.
 * @param request with `repeat: false` only what the server certainly did not do is tried again
 * @param attempt how often it was tried again before
 */
export function retryDelay(error: unknown, request: { method: string; repeat?: boolean }, attempt: number): number {
  const delay = backoffDelay(limits, attempt);
  const mayRepeat = request.repeat !== false && repeatable.has(request.method);
  if (error instanceof ConnectionError) {
    const safe = error.seen === 'no' || (error.seen === 'hardly' && request.repeat !== false);
    return safe || mayRepeat ? delay : never;
  }
  if (!(error instanceof ApiError) || error.isDisruptionBudget) return never;
  const refused = error.status === 429 || error.status === 503;
  if (refused && error.retryAfterMs !== undefined) return error.retryAfterMs + delay;
  const lost = error.status === 429 || (error.status >= 502 && error.status <= 504 && mayRepeat);
  return lost ? delay : never;
}
