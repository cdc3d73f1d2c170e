import type { Step } from '../api/experiment.js';
import type { Selection } from '../api/experiment-run.js';
import type { Injection } from '../api/injection.js';
import { FINALIZER } from '../api/labels.js';
import { type Carried, carry, wordsOf } from './agents.js';
import type { RunDraft } from './draft.js';
import { comingOfAge, type Draw, digestOf, draw, funnel } from './draw.js';
import { nodeNames } from './last-ready.js';
import { injectionsFor } from './naming.js';
import { noMatch } from './no-match.js';
import type { Candidate, NewInjection } from './observed.js';
import { admitted } from './safeguards.js';

/** How long a run waits for pods to be older than `minAge`; what takes longer is not waited for. */
export const YOUTH_MILLISECONDS = 15_000;

/**
 * Draws the targets of every step and makes them durable as Pending injections. Nothing is hit here. Only when all of
 * these exist does the status say `TargetsSelected`, and only a run whose status says so goes on.
 */
export function admit(draft: RunDraft): void {
  const { candidates: pods, run, injections } = draft.observed;
  if (injections.some(({ spec }) => spec.state !== 'Pending')) {
    draft.find('InjectionFailed', 'The record of this run was lost or changed while its faults were under way');
    return;
  }
  // The finalizer comes before the first intent, so that a deletion can't overtake the revert.
  if (!run.metadata.finalizers?.includes(FINALIZER)) draft.do({ do: 'addFinalizer' });
  const from = Date.parse(draft.status.startTime ?? draft.time);
  // Asked for at once, so that it is there when the targets are.
  const survey = draft.surveySince(from);
  if (!pods || !survey || awaitsYoungPods(draft, pods)) return;
  const draws = drawAll(draft, pods);
  if (!admissible(draft, draws)) return;
  const carried = carriers(draft, draws);
  if (!carried) return;
  // What goes along with another step hits nothing that does not count there.
  const own = draws.filter(({ step }) => !step.companionOf);
  const planned = own.map(({ step }) => ({ step, targets: (carried.get(step.name) ?? []).map(({ pod }) => pod) }));
  if (!admitted(draft, from, planned)) return;

  draft.status.selection = draws.map(({ step, draw: drawn }) => {
    const chosen = makeDurable(draft, step, 0, carried.get(step.name) ?? []);
    return selectionOf(step, drawn, pods[step.name] ?? [], chosen);
  });
  for (const { step, chosen } of draft.status.selection) {
    const status = draft.status.steps?.find(({ name }) => name === step);
    if (status) status.targets = chosen;
  }
  const words = draws.map(({ step, draw: drawn }) => `${step.name}: ${drawn.chosen} of ${drawn.candidates}`);
  draft.setCondition('TargetsSelected', 'True', 'TargetsSelected', `Drew ${words.join('; ')}`);
  draft.event('Normal', 'TargetsSelected', `Drew ${words.join('; ')} with seed ${draft.status.seed}`);
}

/**
 * Right after a deployment every pod is too young. When all that a step names is so, and will be old enough soon, that
 * is waited for: nobody would start again later but for that.
 */
function awaitsYoungPods(draft: RunDraft, pods: Record<string, Candidate[]>): boolean {
  const start = Date.parse(draft.status.startTime ?? draft.time);
  const due = draft.template.method
    .flatMap((step) => comingOfAge(pods[step.name] ?? [], step.targets, start, draft.facts(step)))
    .filter((age) => age > draft.now && age <= start + YOUTH_MILLISECONDS);
  if (due.length > 0) draft.wakeAt(Math.max(...due));
  return due.length > 0;
}

/** Draws for one step after the other: what an earlier one has drawn of the nodes is not left any more for a later one. */
export function drawAll(draft: RunDraft, pods: Record<string, Candidate[]>): { step: Step; draw: Draw }[] {
  const { spareNodes = {}, reservations } = draft.observed;
  const held = new Set(nodeNames(reservations.flatMap(({ targets }) => targets)));
  const drawnNodes = new Map<string | undefined, Set<string>>();
  return draft.template.method.map((step) => {
    const settings = { seed: draft.status.seed ?? 0, key: step.name, now: draft.now, fault: draft.facts(step) };
    const nodes = { spares: spareNodes[step.name] ?? [], held };
    const named = pods[step.name] ?? [];
    const candidates = step.companionOf
      ? named.filter(({ node }) => drawnNodes.get(step.companionOf)?.has(node))
      : named;
    const drawn = draw(candidates, step.targets, { ...settings, nodes });
    drawnNodes.set(step.name, new Set(nodeNames(drawn.order.slice(0, drawn.chosen))));
    for (const name of nodeNames(drawn.order.slice(0, drawn.chosen))) held.add(name);
    return { step, draw: drawn };
  });
}

/**
 * Who is to carry the faults to the targets, by step; undefined while that is not known, or when it turns out that
 * nobody can to one of them: then why is found, before anything was touched.
 */
function carriers(draft: RunDraft, draws: { step: Step; draw: Draw }[]): Map<string, Carried[]> | undefined {
  const carried = new Map<string, Carried[]>();
  for (const { step, draw: drawn } of draws) {
    const found = carry(draft, step, drawn.order.slice(0, drawn.chosen));
    if (!found) continue;
    carried.set(step.name, found.carried);
    const [first] = found.refused;
    if (!first || step.companionOf) continue;
    const many = `${found.refused.length} of ${drawn.chosen} targets`;
    draft.find(first.reason, `Step '${step.name}' can't be carried out on ${many}: ${wordsOf(found.refused)}`);
  }
  const isKnown = carried.size === draws.length;
  return isKnown && !draft.found('AgentMissing') && !draft.found('NotSupported') ? carried : undefined;
}

/** Whether every step has something to hit; if not, why is found. */
function admissible(draft: RunDraft, draws: { step: Step; draw: Draw }[]): boolean {
  const { namespace = '' } = draft.observed.run.metadata;
  for (const { step, draw: drawn } of draws) {
    if (drawn.chosen > 0 || step.companionOf) continue;
    const words = funnel({ ...drawn, candidates: 0 });
    const why = drawn.matched === 0 ? noMatch(step.targets, namespace) : `no candidate is left: ${words}`;
    draft.find('NoTargets', `Step '${step.name}' has nothing to hit: ${why}`);
  }
  return !draft.found('NoTargets');
}

/**
 * Makes a round durable as Pending injections and returns the UIDs in it. Nothing of a round is applied before the
 * status records it, so what an earlier attempt has left is kept where it is the same and replaced where it is not.
 */
export function makeDurable(draft: RunDraft, step: Step, round: number, carried: readonly Carried[]): string[] {
  const existing = draft.injectionsOf(step.name).filter(({ spec }) => spec.round === round);
  const planned = injectionsFor(draft.observed.run, step, draft.facts(step), round, carried);
  const plans = new Map(planned.map((plan) => [plan.name, plan]));
  const kept = new Set<string>();
  for (const injection of existing) {
    const { name, uid } = injection.metadata;
    if (isSame(plans.get(name), injection)) kept.add(name);
    else draft.do({ do: 'deleteInjection', name, uid });
  }
  for (const injection of planned) if (!kept.has(injection.name)) draft.do({ do: 'createInjection', injection });
  return planned.flatMap(({ spec }) => spec.targets.map(({ uid }) => uid));
}

function isSame(plan: NewInjection | undefined, { spec }: Injection): boolean {
  if (plan?.spec.agent !== spec.agent || plan?.spec.bootId !== spec.bootId) return false;
  const uids = ({ targets }: { targets: { uid: string }[] }) => targets.map(({ uid }) => uid).join();
  return plan !== undefined && plan.spec.parts === spec.parts && uids(plan.spec) === uids(spec);
}

function selectionOf(step: Step, drawn: Draw, pods: readonly Candidate[], chosen: string[]): Selection {
  const uids = new Set(chosen);
  return {
    step: step.name,
    matched: drawn.matched,
    removed: drawn.removed,
    candidates: drawn.candidates,
    chosen: chosen.length,
    readyBefore: pods.filter((pod) => pod.ready && !pod.terminating).length,
    standIns: pods.filter((pod) => pod.standIn && uids.has(pod.uid)).length,
    digest: digestOf(chosen),
  };
}
