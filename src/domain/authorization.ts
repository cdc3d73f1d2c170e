import { LABEL_FOR_PROBES } from '../api/labels.js';
import type { RunDraft } from './draft.js';
import type { Survey } from './survey.js';

/** So many missing rights are named; `squall plan` names them all. */
const MOST_NAMED = 5;
/** How a message that rights are missing ends. */
export const ROLE_HINT = '; to see the Role that would grant it: squall plan FILE';
/** What begins anew, such as a round of a fault, takes a look at rights that is no older than this. */
export const OLDEST_LOOK_MILLISECONDS = 30_000;

/**
 * Whether the service account of a run may do what the run does; if not, why is found. Asks for a look at its rights
 * that began at `from` or later, in API-server time.
 *
 * @returns undefined while that is not known
 */
export function authorized(draft: RunDraft, from: number): boolean | undefined {
  const survey = draft.surveySince(from);
  if (!survey) return undefined;
  const { unknownKinds = [], unreadable = [] } = survey;
  if (unreadable.length > 0) {
    const label = `${LABEL_FOR_PROBES}: "true"`;
    draft.find(
      'InjectionFailed',
      `The controller may not ${unreadable.join('; nor ')}; a ClusterRole with the label ${label} would allow it`,
    );
  }
  if (unknownKinds.length > 0)
    draft.find('InvalidTemplate', `The cluster serves no kind ${unknownKinds.join(', and no kind ')}`);
  const refusal = refusalOf(survey, `${draft.observed.run.metadata.namespace}/${draft.template.serviceAccountName}`);
  if (refusal !== undefined) draft.find('NotAuthorized', refusal);
  return unknownKinds.length === 0 && unreadable.length === 0 && refusal === undefined;
}

/** Why an account may not do what a run does, in the words of kubectl, and what helps; undefined when it may. */
function refusalOf({ missing, noAccount }: Survey, account: string): string | undefined {
  if (noAccount) {
    const [namespace, name] = account.split('/');
    return `ServiceAccount ${account} does not exist; to make it: kubectl create serviceaccount ${name} -n ${namespace}${ROLE_HINT}`;
  }
  if (missing.length === 0) return undefined;
  const more = missing.length > MOST_NAMED ? `; and ${missing.length - MOST_NAMED} more` : '';
  return `ServiceAccount ${account} may not ${missing.slice(0, MOST_NAMED).join('; nor ')}${more}${ROLE_HINT}`;
}
