import type { ExperimentRun } from '../api/experiment-run.js';
import type { Context } from './context.js';
import { readSafeguards } from './safeguard-reader.js';
import type { Look } from './surveyor.js';

/** Looks once at the rights of a run's service account and at what safeguards depend on. */
export async function survey(context: Context, run: ExperimentRun): ReturnType<Look> {
  const facts = await readSafeguards(context, run);
  return { missing: [], ...facts };
}
