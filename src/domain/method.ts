import type { Step } from '../api/experiment.js';
import type { StepStatus } from '../api/experiment-run.js';
import type { Target } from '../api/injection.js';
import { parseDuration } from '../stats/duration.js';
import { makeDurable } from './admission.js';
import { LOOK_MILLISECONDS, type RunDraft, timestamp } from './draft.js';
import { draw } from './draw.js';
import type { Pod } from './observed.js';
import {
  count,
  isHit,
  type KnownTarget,
  recordedInjections,
  recordedRounds,
  takenBack,
  targetStates,
} from './progress.js';

/** Without a duration, a one-shot fault is held until as many pods are Ready as before, but no longer than this. */
export const ONE_SHOT_HOLD_MILLISECONDS = 30_000;
/** How long an API server may take to accept a fault on all targets before the step fails. */
export const CONFIRM_MILLISECONDS = 120_000;

/** Splits a method into groups of steps that start together. */
export function groups(method: readonly Step[]): Step[][] {
  const result: Step[][] = [];
  for (const step of method) {
    if (step.parallel && result.length > 0) result.at(-1)?.push(step);
    else result.push([step]);
  }
  return result;
}

/** Carries the method on by what can be done now. Returns whether all of it is done. */
export function advanceMethod(draft: RunDraft): boolean {
  const current = groups(draft.template.method).find((group) => group.some((step) => !isOver(draft.stepStatus(step))));
  if (!current) return true;
  for (const step of current) advanceStep(draft, step);
  return false;
}

function isOver({ state }: StepStatus): boolean {
  return state === 'Done' || state === 'Skipped';
}

function advanceStep(draft: RunDraft, step: Step): void {
  const status = draft.stepStatus(step);
  if (status.state === 'Waiting') start(draft, status);
  count(status, draft.injectionsOf(step.name));
  if (status.state === 'Injecting') confirm(draft, step, status);
  if (status.state === 'Holding') hold(draft, step, status);
  if (status.state === 'Reverting') awaitRevert(draft, step, status);
}

function start(draft: RunDraft, status: StepStatus): void {
  status.state = 'Injecting';
  status.startTime = draft.time;
  status.roundTime = draft.time;
  status.rounds = 1;
}

/** Everything Pending of a step that is under way is wanted now, if the status records its round: then it is durable. */
function apply(draft: RunDraft, step: Step): void {
  for (const { metadata, spec } of recordedInjections(draft, step)) {
    if (spec.state === 'Pending') draft.do({ do: 'setInjectionState', name: metadata.name, state: 'Apply' });
  }
}

function confirm(draft: RunDraft, step: Step, status: StepStatus): void {
  apply(draft, step);
  const states = targetStates(recordedInjections(draft, step));
  if (reportFailed(draft, step, states)) return;
  const open = states.filter(({ state }) => state === undefined || state === 'Applying');
  if (open.length > 0) {
    const deadline = Date.parse(status.startTime ?? draft.time) + CONFIRM_MILLISECONDS;
    if (draft.now >= deadline) {
      draft.find(
        'InjectionFailed',
        `Step '${step.name}' was not confirmed on ${open.length} of ${states.length} targets within 2m`,
      );
    }
    draft.wakeAt(deadline);
    return;
  }
  if (replaceMissed(draft, step, states)) return;
  status.state = 'Holding';
  status.confirmedTime = draft.time;
  draft.event('Normal', 'Injected', `Step '${step.name}' is confirmed on ${status.hit} of ${status.targets} targets`);
}

/** A fault that was refused on one target ends the run. Returns whether there was one. */
function reportFailed(draft: RunDraft, step: Step, states: KnownTarget[]): boolean {
  const failed = states.find(({ state }) => state === 'Failed');
  if (!failed) return false;
  const why = failed.message ?? 'no reason given';
  draft.find('InjectionFailed', `Step '${step.name}' could not be applied to ${failed.name}: ${why}`);
  return true;
}

/** Draws the next ones for targets that were gone before they were hit. Returns whether there is something to await. */
function replaceMissed(draft: RunDraft, step: Step, states: KnownTarget[]): boolean {
  const wanted = draft.status.selection?.find((each) => each.step === step.name)?.chosen ?? 0;
  const missing = wanted - states.filter(({ state }) => isHit(state)).length;
  if (missing <= 0 || draft.observed.facts[step.name]?.repeatEveryMilliseconds !== undefined) return false;
  if (!draft.observed.pods) return true;
  const { order, left } = drawAgain(draft, step, step.name);
  const replacements = order.slice(0, Math.min(missing, left));
  if (replacements.length === 0) {
    draft.stepStatus(step).message =
      `${missing} of ${wanted} targets were gone before the fault, and no other candidate was left`;
    return false;
  }
  create(draft, step, replacements);
  return true;
}

/** Makes the step's next round durable; it is applied once the status records it. */
function create(draft: RunDraft, step: Step, pods: Pod[]): void {
  const round = recordedRounds(draft, step);
  makeDurable(draft, step, round, pods);
  draft.stepStatus(step).rounds = round + 1;
  draft.wakeAt(draft.now);
}

/** Draws from those that no injection of this run holds yet, within the run's budget. */
function drawAgain(draft: RunDraft, step: Step, key: string): { order: Pod[]; left: number } {
  const all = targetStates(heldInjections(draft, step));
  const planned = plannedTargets(draft).map(({ uid }) => uid);
  const exclude = new Set([...all.map(({ uid }) => uid), ...planned]);
  // Everything drawn and not known to be missed may still be hit, so it counts against the budget.
  const reserved = new Set([...all.filter(({ state }) => state !== 'Missed').map(({ uid }) => uid), ...planned]).size;
  const left = (draft.template.safeguards?.maxTargets ?? Number.POSITIVE_INFINITY) - reserved;
  const drawn = draw(draft.observed.pods?.[step.name] ?? [], step.targets, {
    seed: draft.status.seed ?? 0,
    key,
    now: draft.now,
    exclude,
  });
  return { order: drawn.order, left: Math.max(0, left) };
}

/** What a draw has to keep clear of; what an attempt left of the round that is being drawn is drawn anew. */
function heldInjections(draft: RunDraft, step: Step) {
  const rounds = recordedRounds(draft, step);
  return draft.observed.injections.filter(({ spec }) => spec.step !== step.name || spec.round < rounds);
}

/** What the steps beside this one have just drawn. */
function plannedTargets(draft: RunDraft): Target[] {
  return draft.actions.flatMap((action) => (action.do === 'createInjection' ? action.injection.spec.targets : []));
}

function hold(draft: RunDraft, step: Step, status: StepStatus): void {
  apply(draft, step);
  if (reportFailed(draft, step, targetStates(recordedInjections(draft, step)))) return;
  // Whether a one-shot fault has done its work is seen on the pods.
  if (draft.observed.facts[step.name]?.oneShot && !draft.observed.pods) return;
  const ends = Math.max(holdEnd(draft, step, status), effectDeadline(draft, step));
  if (draft.now < ends) {
    draft.wakeAt(ends);
    return;
  }
  const words = `${status.effective} of ${status.hit} targets showed the effect`;
  draft.event('Normal', 'StepEnded', `Step '${step.name}' ended: ${words}`);
  status.state = 'Reverting';
}

/** A pod within its grace period has not been lost yet: until when to wait for effects that were not seen so far. */
function effectDeadline(draft: RunDraft, step: Step): number {
  if (!draft.observed.facts[step.name]?.oneShot) return draft.now;
  const unseen = targetStates(draft.injectionsOf(step.name)).filter(({ state }) => state === 'Confirmed');
  const graces = new Map(draft.observed.pods?.[step.name]?.map(({ uid, graceSeconds }) => [uid, graceSeconds]));
  const deadlines = unseen.map(({ uid, since }) => {
    const grace = graces.get(uid);
    // What is gone by now will be recorded in a moment, also when nobody could look until after the deadline.
    if (grace === undefined) return draft.now + LOOK_MILLISECONDS;
    return since + grace * 1000 + ONE_SHOT_HOLD_MILLISECONDS;
  });
  return Math.max(draft.now, ...deadlines);
}

function holdEnd(draft: RunDraft, step: Step, status: StepStatus): number {
  const confirmed = Date.parse(status.confirmedTime ?? draft.time);
  if (step.duration === undefined) return oneShotEnd(draft, step, confirmed);
  const ends = confirmed + parseDuration(step.duration);
  repeat(draft, step, status, ends);
  return ends;
}

function repeat(draft: RunDraft, step: Step, status: StepStatus, ends: number): void {
  const every = draft.observed.facts[step.name]?.repeatEveryMilliseconds;
  if (every === undefined || draft.now >= ends) return;
  const due = Date.parse(status.roundTime ?? draft.time) + every;
  if (due >= ends) return;
  if (draft.now < due) {
    draft.wakeAt(due);
    return;
  }
  status.roundTime = timestamp(draft.now);
  const { order, left } = drawAgain(draft, step, `${step.name}/${recordedRounds(draft, step)}`);
  const chosen = order.slice(0, Math.min(left, roundSize(step, order.length)));
  draft.wakeAt(draft.now + every);
  if (chosen.length === 0) {
    const why = left === 0 ? '`safeguards.maxTargets` was used up' : 'no candidate was left';
    status.message = `round ${status.rounds + 1} hit nothing, because ${why}`;
    return;
  }
  status.targets += chosen.length;
  create(draft, step, chosen);
}

function roundSize(step: Step, candidates: number): number {
  const { count: wanted, percent } = step.targets;
  if (percent !== undefined) return Math.max(1, Math.floor((candidates * percent) / 100));
  return wanted ?? 1;
}

/** When a fault without a duration is over: as many pods are Ready as before and probes have seen enough, or 30 s. */
function oneShotEnd(draft: RunDraft, step: Step, confirmed: number): number {
  const pods = draft.observed.pods?.[step.name] ?? [];
  const ready = pods.filter((pod) => pod.ready && !pod.terminating).length;
  const before = draft.status.selection?.find((each) => each.step === step.name)?.readyBefore ?? 0;
  if (ready >= before && sampledEnough(draft)) return draft.now;
  draft.wakeAt(draft.now + 250);
  const effects = targetStates(draft.injectionsOf(step.name)).filter(({ state }) => state === 'Effective');
  return Math.max(confirmed, ...effects.map(({ since }) => since)) + ONE_SHOT_HOLD_MILLISECONDS;
}

function sampledEnough(draft: RunDraft): boolean {
  const probes = (draft.template.hypothesis ?? []).filter(({ stages }) => stages.includes('During'));
  return probes.every(({ name }) => {
    const window = draft.observed.windows[name]?.During;
    return window !== undefined && window.summary.samples >= window.minSamples;
  });
}

function awaitRevert(draft: RunDraft, step: Step, status: StepStatus): void {
  if (!takenBack(draft, step)) return;
  status.state = 'Done';
  status.endTime = draft.time;
  if (status.effective > 0) return;
  const why = status.hit === 0 ? 'no target was hit' : `none of ${status.hit} targets showed the effect`;
  draft.find(
    'FaultNotEffective',
    `Step '${step.name}' had no effect: ${why}${status.message ? ` (${status.message})` : ''}`,
  );
}
