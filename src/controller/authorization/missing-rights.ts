import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Context } from '../context.js';

/** The rights that a run's service account lacks, each in a sentence. */
export async function missingRights(_context: Context, _run: ExperimentRun): Promise<string[]> {
  return [];
}
