import type { ExperimentRun } from '../api/experiment-run.js';
import { authorize, surveyOf } from './authorization/missing-rights.js';
import type { Context } from './context.js';
import { readSafeguards } from './safeguard-reader.js';
import type { Look } from './surveyor.js';

/** Looks once at the rights of a run's service account and at what safeguards depend on. */
export async function survey(context: Context, run: ExperimentRun): ReturnType<Look> {
  const { metadata, spec } = run;
  const [authorization, facts] = await Promise.all([
    authorize(context.client, metadata.namespace ?? '', spec.template),
    readSafeguards(context, run),
  ]);
  return { ...surveyOf(authorization), ...facts };
}
