import type { Experiment } from '../../api/experiment.js';
import { LABEL_EXPERIMENT } from '../../api/labels.js';
import type { ScheduleAction } from '../../domain/schedule/observed.js';
import { runObject } from '../../domain/schedule/run-object.js';
import { ApiError } from '../../kubernetes/errors.js';
import type { Context } from '../context.js';
import { experimentRuns } from '../resources.js';

/** A run was to be started, and something that is no run of the experiment has its name. */
export class NameTakenError extends Error {
  override readonly name = 'NameTakenError';

  constructor(readonly run: string) {
    super(`there is another run of the name ${run}`);
  }
}

/**
 * Performs what was decided for an experiment, in order.
 *
 * @throws NameTakenError, ApiError
 */
export async function actOnExperiment(
  context: Context,
  experiment: Experiment,
  actions: readonly ScheduleAction[],
): Promise<void> {
  for (const action of actions) {
    if (action.do === 'create') await startRun(context, experiment, action);
    else if (action.do === 'abort') await abortRun(context, experiment, action);
    else await deleteRun(context, experiment, action);
  }
}

async function startRun(
  { client, caches, log }: Context,
  experiment: Experiment,
  action: Extract<ScheduleAction, { do: 'create' }>,
): Promise<void> {
  const { namespace, name } = experiment.metadata;
  try {
    caches.runs.upsert(await client.create(experimentRuns, runObject(experiment, action)));
    const lagMilliseconds = client.clock.now() - action.start;
    const { trigger } = action;
    log.info({ experiment: `${namespace}/${name}`, run: action.name, trigger, lagMilliseconds }, 'Run started');
  } catch (error) {
    if (!(error instanceof ApiError && error.isAlreadyExists)) throw error;
    // Started by an attempt whose answer was lost, or by another controller: the name is the lock.
    const present = await client.get(experimentRuns, namespace, action.name);
    caches.runs.upsert(present);
    if (present.metadata.labels?.[LABEL_EXPERIMENT] !== name) throw new NameTakenError(action.name);
  }
}

async function abortRun(
  { client, caches }: Context,
  { metadata }: Experiment,
  { name, uid, reason }: Extract<ScheduleAction, { do: 'abort' }>,
): Promise<void> {
  const patch = { metadata: { uid }, spec: { abort: { reason, superseded: true } } };
  try {
    caches.runs.upsert(await client.patch(experimentRuns, metadata.namespace, name, patch));
  } catch (error) {
    // It is gone, or somebody else has aborted it: either way it ends.
    if (!(error instanceof ApiError && (error.isNotFound || error.isConflict || error.isInvalid))) throw error;
  }
}

async function deleteRun(
  { client }: Context,
  { metadata }: Experiment,
  { name, uid }: Extract<ScheduleAction, { do: 'delete' }>,
): Promise<void> {
  try {
    await client.delete(experimentRuns, metadata.namespace, name, { uid });
  } catch (error) {
    if (!(error instanceof ApiError && (error.isNotFound || error.isConflict))) throw error;
  }
}
