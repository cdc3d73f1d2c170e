import type { ExperimentRun } from '../api/experiment-run.js';
import { reviewOwnRights } from './authorization/access-review.js';
import { authorize, missingText, surveyOf } from './authorization/missing-rights.js';
import type { Right } from './authorization/rights.js';
import type { Context } from './context.js';
import { readSafeguards } from './safeguards/safeguard-reader.js';
import type { Look } from './surveyor.js';

/** Looks once at the rights of a run's service account and at what safeguards depend on. */
export async function survey(context: Context, run: ExperimentRun): ReturnType<Look> {
  const { metadata, spec } = run;
  const [authorization, facts] = await Promise.all([
    authorize(context.client, metadata.namespace ?? '', spec.template),
    readSafeguards(context, run),
  ]);
  const { missing, rights } = authorization;
  // What the account may not read is not read at all.
  const unreadable = missing.length > 0 ? [] : await reviewOwnRights(context.client, rights.filter(isRead));
  return { ...surveyOf(authorization), unreadable: unreadable.map(missingText), ...facts };
}

/** Probes read in the name of the controller, which must be allowed to as well. */
function isRead({ verb }: Right): boolean {
  return verb === 'get' || verb === 'list';
}
