import type { Step } from '../api/experiment.js';
import { isCertainlyOff, type Target } from '../api/injection.js';
import { LABEL_EXPERIMENT } from '../api/labels.js';
import { authorized } from './authorization.js';
import type { RunDraft } from './draft.js';
import { groupNumbers } from './groups.js';
import { asTarget } from './naming.js';
import type { Candidate } from './observed.js';
import { recordedRounds } from './progress.js';
import { dependOnCluster } from './safeguards/bounds.js';
import type { Refusal, SafetyInput } from './safeguards/input.js';
import { fitting, refusals } from './safeguards/refusals.js';
import type { Reservation, Survey, SurveyPart } from './survey.js';
import { taken } from './taken.js';

/** So many refusals are named. */
const MOST_NAMED = 10;

/** When steps begin, what they depend on in the cluster was looked at this long ago at most, or after the steps before. */
const RECENT_MILLISECONDS = 2_000;

/** What a step is about to be put on. */
export interface Planned {
  step: Step;
  targets: readonly Candidate[];
}

/** What a step can be put on, and what refuses the rest. */
export interface Affordable {
  fit: Candidate[];
  refused: Refusal[];
}

/**
 * Whether rights and safeguards admit what a run that is about to start would hit; if not, why is found. Asks for a look
 * at them that began at `from` or later.
 *
 * @returns undefined while that is not known
 */
export function admitted(draft: RunDraft, from: number, planned: readonly Planned[]): boolean | undefined {
  const survey = lookSince(draft, from);
  if (!survey) return undefined;
  if (!authorized(draft, from)) return false;
  const targets = new Map(planned.map(({ step, targets: chosen }) => [step.name, chosen.map(asTarget)]));
  return accepted(draft, refusals(inputOf(draft, survey, targets, true)));
}

/**
 * Whether steps that were drawn may begin now; if not, why is found. Since their draw, budgets may have become smaller,
 * pods may have been lost, and another controller may have led.
 *
 * @returns undefined while that is not known
 */
export function mayBegin(draft: RunDraft, from: number, steps: readonly Step[]): boolean | undefined {
  // Since the look of the admission, a baseline may have taken its time.
  const held = Date.parse(draft.condition('BaselineHeld')?.lastTransitionTime ?? draft.time) - RECENT_MILLISECONDS;
  const survey = lookSince(draft, needed(draft).includes('pods') ? Math.max(from, held) : from);
  if (!survey) return undefined;
  if (!authorized(draft, from)) return false;
  const pending = new Map(steps.map((step) => [step.name, openTargets(draft, step)]));
  return accepted(draft, [...newlyProtected(draft, steps), ...refusals(inputOf(draft, survey, pending))]);
}

/**
 * Which of these candidates a step can be put on beside all that the run is on already, in their order, and what
 * refuses the others. Where that depends on the cluster, asks for a look that began at `from` or later.
 *
 * @returns undefined while that is not known
 */
export function affordable(
  draft: RunDraft,
  step: Step,
  candidates: readonly Candidate[],
  from: number,
): Affordable | undefined {
  const survey = lookSince(draft, needed(draft).includes('pods') ? from : 0);
  if (!survey) return undefined;
  const known = new Map(candidates.map((candidate) => [candidate.uid, candidate]));
  const { fit, refused } = fitting(inputOf(draft, survey), step.name, candidates.map(asTarget));
  return { fit: fit.flatMap(({ uid }) => known.get(uid) ?? []), refused };
}

/** Says what refuses something: each once, and not too many of them. */
export function refusalWords(refused: readonly Refusal[]): string {
  const named = refused.slice(0, MOST_NAMED).map(({ by, message }) => `${by} (${message})`);
  return refused.length > MOST_NAMED
    ? `${named.join('; ')}; and ${refused.length - MOST_NAMED} more`
    : named.join('; ');
}

function accepted(draft: RunDraft, refused: readonly Refusal[]): boolean {
  if (refused.length > 0) draft.find('BlockedBySafety', `Refused by ${refusalWords(refused)}`);
  return refused.length === 0;
}

/** The parts of a look that the safeguards of the run and the policies depend on now. */
function needed({ template, observed }: RunDraft): SurveyPart[] {
  const policies = observed.survey?.policies ?? [];
  const all = [template, ...template.method, ...policies.map(({ spec }) => spec)].map(({ safeguards }) => safeguards);
  const isOfZones = policies.some(({ spec }) => spec.budgets?.some(({ per }) => per === 'Zone'));
  return [...(all.some(dependOnCluster) ? ['pods' as const] : []), ...(isOfZones ? ['zones' as const] : [])];
}

/** A look that began at `from` or later and holds what a policy that has appeared since may need. */
function lookSince(draft: RunDraft, from: number): Survey | undefined {
  const survey = draft.surveySince(from);
  const isShort = survey?.lacks && needed(draft).some((part) => survey.lacks?.includes(part));
  return isShort ? draft.surveySince(draft.now) : survey;
}

/** Runs of one experiment may hit the same workload beside each other when it says so. What they hold counts all the same. */
function mayShare({ template, observed }: RunDraft, { run, experiment }: Reservation): boolean {
  const { namespace, labels } = observed.run.metadata;
  const isSame = run.namespace === namespace && experiment !== undefined && experiment === labels?.[LABEL_EXPERIMENT];
  return isSame && template.schedule?.concurrencyPolicy === 'Allow';
}

/** What agents would be asked to hit though it is protected by now. What the controller hits itself it looks at once more. */
function newlyProtected(draft: RunDraft, steps: readonly Step[]): Refusal[] {
  return steps.flatMap((step) => {
    if (draft.facts(step).by !== 'Agent') return [];
    const pending = new Set(openTargets(draft, step).map(({ uid }) => uid));
    const spared = draft.observed.candidates?.[step.name]?.filter(
      (each) => pending.has(each.uid) && (each.protected || each.obstacle === 'notAllowed'),
    );
    if (!spared?.[0]) return [];
    const message = `${spared.length} targets of step '${step.name}', such as ${spared[0].name}, are protected since they were drawn`;
    return [{ by: 'protection', message }];
  });
}

function inputOf(
  draft: RunDraft,
  survey: Survey,
  planned: ReadonlyMap<string, readonly Target[]> = new Map(),
  starting = false,
): SafetyInput {
  const { run, reservations } = draft.observed;
  const numbers = groupNumbers(draft.template.method);
  const steps = draft.template.method.map((step) => {
    const rounds = starting ? 0 : recordedRounds(draft, step);
    const targets = planned.get(step.name) ?? [];
    return { ...taken(draft, step, rounds), group: numbers.get(step.name) ?? 0, safeguards: step.safeguards, targets };
  });
  const { policies, disruptionBudgets, workloads, pods, zones } = survey;
  return {
    namespace: run.metadata.namespace ?? '',
    now: draft.now,
    starting,
    steps,
    safeguards: draft.template.safeguards,
    reservations: reservations.map((each) => (mayShare(draft, each) ? { ...each, claims: [] } : each)),
    ...{ policies, disruptionBudgets, workloads, pods, zones },
  };
}

/** What of a step that has not begun yet may be hit when it does. */
function openTargets(draft: RunDraft, step: Step): Target[] {
  return draft
    .injectionsOf(step.name)
    .flatMap(({ spec, status }) =>
      spec.targets.filter(({ uid }) => !isCertainlyOff(status?.targets?.find((each) => each.uid === uid)?.state)),
    );
}
