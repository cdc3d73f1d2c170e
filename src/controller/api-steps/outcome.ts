import type { Outcome } from '../../domain/injection-observed.js';
import { ApiError } from '../../kubernetes/errors.js';

/** Nothing was done, certainly, and trying again may help. */
export class NotDoneError extends Error {
  override readonly name = 'NotDoneError';
}

/**
 * What came of a write that was answered with an error.
 *
 * @throws NotDoneError when it was refused for now; whatever else leaves open what came of it: no answer, or a server
 *   error that may pass
 */
export function outcomeOf(error: unknown): Exclude<Outcome, { result: 'done' }> {
  if (!(error instanceof ApiError)) throw error;
  if (error.isNotFound) return { result: 'gone' };
  if (error.isConflict || error.status === 429) throw new NotDoneError(error.message, { cause: error });
  if (error.status >= 500) throw error;
  return { result: 'refused', message: error.message };
}

/** What a read brings; undefined when the object is not there. */
export async function present<T>(reading: Promise<T>): Promise<T | undefined> {
  return reading.catch((error: unknown) => {
    if (error instanceof ApiError && error.isNotFound) return undefined;
    throw error;
  });
}
