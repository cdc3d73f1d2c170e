import type { Outcome } from '../domain/injection.js';
import type { DeletePod } from '../faults/step.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { pods } from '../kubernetes/resource.js';

/** Nothing was done, certainly, and trying again may help. */
export class NotDoneError extends Error {
  override readonly name = 'NotDoneError';
}

/**
 * Performs one step through the API server and says what came of it. Doing it twice is doing it once.
 *
 * @param permit asked right before every try; what it throws ends the step, and nothing was done
 * @throws NotDoneError when it was refused for now; whatever else leaves open what came of it: no answer, or a server
 *   error that may pass
 */
export async function perform(client: Client, step: DeletePod, permit: () => void): Promise<Outcome> {
  try {
    await client.delete(pods, step.namespace, step.name, {
      uid: step.uid,
      repeat: false,
      permit,
      ...(step.gracePeriodSeconds !== undefined && { gracePeriodSeconds: step.gracePeriodSeconds }),
    });
    return { result: 'done' };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.isNotFound) return { result: 'gone' };
    if (error.isConflict) return afterConflict(client, step, error);
    if (error.status === 429) throw new NotDoneError(error.message, { cause: error });
    if (error.status >= 500) throw error;
    return { result: 'refused', message: error.message };
  }
}

/** Another pod has the name now; or it is still the same one, and somebody else's write was in the way. */
async function afterConflict(client: Client, step: DeletePod, conflict: ApiError): Promise<Outcome> {
  const pod = await client.get(pods, step.namespace, step.name).catch((error: unknown) => {
    if (error instanceof ApiError && error.isNotFound) return undefined;
    throw new NotDoneError(conflict.message, { cause: error });
  });
  if (pod?.metadata.uid !== step.uid) return { result: 'gone' };
  throw new NotDoneError(conflict.message, { cause: conflict });
}
