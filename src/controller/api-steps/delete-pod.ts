import type { Outcome } from '../../domain/injection-observed.js';
import type { DeletePod } from '../../faults/step.js';
import type { Client } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
import { pods } from '../../kubernetes/resource.js';
import type { StepHandler } from './handler.js';
import { NotDoneError, outcomeOf, present } from './outcome.js';

/** Deletes one pod by its UID. There is nothing to take back. */
export const deletePod: StepHandler<DeletePod> = {
  prepare: async () => ({ undo: null }),

  async apply(step, _undo, { client, permit }) {
    try {
      await client.delete(pods, step.namespace, step.name, {
        uid: step.uid,
        repeat: false,
        permit,
        ...(step.gracePeriodSeconds !== undefined && { gracePeriodSeconds: step.gracePeriodSeconds }),
      });
      return { result: 'done' };
    } catch (error) {
      if (error instanceof ApiError && error.isConflict) return afterConflict(client, step, error);
      return outcomeOf(error);
    }
  },

  async inspect(step, _undo, { client }) {
    const pod = await present(client.get(pods, step.namespace, step.name));
    return { on: true, effective: pod?.metadata.uid !== step.uid };
  },

  revert: async () => ({ result: 'done' }),
};

/** Another pod has the name now; or it is still the same one, and somebody else's write was in the way. */
async function afterConflict(client: Client, step: DeletePod, conflict: ApiError): Promise<Outcome> {
  const pod = await present(client.get(pods, step.namespace, step.name)).catch((error: unknown) => {
    throw new NotDoneError(conflict.message, { cause: error });
  });
  if (pod?.metadata.uid !== step.uid) return { result: 'gone' };
  throw new NotDoneError(conflict.message, { cause: conflict });
}
