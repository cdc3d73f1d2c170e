import { withCondition } from '../api/conditions.js';
import type { Experiment, ExperimentStatus } from '../api/experiment.js';
import { checkExperiment, problemText } from '../catalogue.js';
import { difference } from '../kubernetes/difference.js';
import { ApiError } from '../kubernetes/errors.js';
import { splitKey } from '../kubernetes/resource.js';
import type { Context } from './context.js';
import type { FinishedRun } from './projections.js';
import { experiments } from './resources.js';

/** Says of one Experiment whether it is valid, and how its last run ended. */
export async function reconcileExperiment({ caches, client }: Context, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const experiment = caches.experiments.get(namespace, name);
  if (!experiment || experiment.metadata.deletionTimestamp) return;
  const runs = caches.runs.list().filter((run): run is FinishedRun => run.finished && run.namespace === namespace);
  const status = statusOf(experiment, runs, client.clock.time());
  const patch = difference(experiment.status ?? {}, status);
  if (patch === undefined) return;
  try {
    caches.experiments.upsert(
      await client.patchStatus(experiments, namespace, name, patch, experiment.metadata.resourceVersion),
    );
  } catch (error) {
    if (!(error instanceof ApiError && error.isNotFound)) throw error;
  }
}

function statusOf(experiment: Experiment, runs: readonly FinishedRun[], now: string): ExperimentStatus {
  const { generation = 0, name } = experiment.metadata;
  const problems = checkExperiment(experiment.spec, ['spec']).map(problemText);
  const valid = problems.length === 0;
  const last = runs.filter((run) => run.experiment === name).sort((a, b) => (a.finishTime < b.finishTime ? 1 : -1))[0];
  return {
    ...experiment.status,
    observedGeneration: generation,
    conditions: withCondition(
      experiment.status?.conditions,
      {
        type: 'Ready',
        status: valid ? 'True' : 'False',
        reason: valid ? 'Valid' : 'InvalidSpec',
        message: valid ? 'The experiment can be run' : problems.join('; ').slice(0, 2048),
        observedGeneration: generation,
      },
      now,
    ),
    ...(last && {
      lastRun: { name: last.name, verdict: last.verdict, reason: last.reason, finishTime: last.finishTime },
    }),
  };
}
