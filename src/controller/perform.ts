import type { Outcome } from '../domain/injection.js';
import type { Step } from '../faults/step.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { pods } from '../kubernetes/resource.js';

/**
 * Performs one step through the API server and says what came of it. Doing it twice is doing it once.
 *
 * @throws whatever leaves open what came of it: no answer, or a server error that may pass
 */
export async function perform(client: Client, step: Step): Promise<Outcome> {
  try {
    await client.delete(pods, step.namespace, step.name, {
      uid: step.uid,
      repeat: false,
      ...(step.gracePeriodSeconds !== undefined && { gracePeriodSeconds: step.gracePeriodSeconds }),
    });
    return { result: 'done' };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.isNotFound || error.isConflict) return { result: 'gone' };
    if (error.status >= 500 || error.status === 429) throw error;
    return { result: 'refused', message: error.message };
  }
}
