import type { Step } from '../api/experiment.js';
import type { StepStatus } from '../api/experiment-run.js';
import { isCertainlyOff } from '../api/injection.js';
import { parseDuration } from '../stats/duration.js';
import { OLDEST_LOOK_MILLISECONDS } from './authorization.js';
import { LOOK_MILLISECONDS, type RunDraft } from './draft.js';
import { findNotHeldBack } from './drain-result.js';
import { follow } from './follow.js';
import { groups } from './groups.js';
import { conclude, count, type KnownTarget, note, recordedInjections, takenBack, targetStates } from './progress.js';
import { repeat, replaceMissed } from './redraw.js';
import { mayBegin } from './safeguards.js';

/** Without a duration, a one-shot fault is held until as many pods are Ready as before, but no longer than this. */
export const ONE_SHOT_HOLD_MILLISECONDS = 30_000;
/** A process that was killed by an agent is missed by its kubelet within this time; until then its pod still counts as Ready. */
export const AGENT_ONE_SHOT_MILLISECONDS = 3_000;
/** An agent that has sent a signal sees within this time whether the processes have ended. */
export const AGENT_EFFECT_MILLISECONDS = 15_000;
/** How long it may take until a fault is confirmed on all targets before the step fails. */
export const CONFIRM_MILLISECONDS = 120_000;

/** Carries the method on by what can be done now. Returns whether all of it is done. */
export function advanceMethod(draft: RunDraft): boolean {
  const current = groups(draft.template.method).find((group) => group.some((step) => !isOver(draft.stepStatus(step))));
  if (!current) return true;
  const isNext = current.some((step) => draft.stepStatus(step).state === 'Waiting');
  if (isNext && !isReady(draft, current)) return false;
  for (const step of current) advanceStep(draft, step);
  // What was found on the way ends the run before its time.
  return !draft.status.findings?.length && draft.template.method.every((step) => isOver(draft.stepStatus(step)));
}

/** Rights and safeguards are asked anew before each group of steps; before the first one only if the baseline took long. */
function isReady(draft: RunDraft, group: readonly Step[]): boolean {
  const ends = draft.status.steps?.flatMap(({ endTime }) => endTime ?? []) ?? [];
  const times = ends.length > 0 ? ends : [draft.status.startTime ?? draft.time];
  const from = Math.max(draft.now - OLDEST_LOOK_MILLISECONDS, ...times.map((time) => Date.parse(time)));
  return mayBegin(draft, from, group) === true;
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
  const states = targetStates(recordedInjections(draft, step));
  const deadline = Date.parse(status.startTime ?? draft.time) + CONFIRM_MILLISECONDS;
  if (reportFailed(draft, step, states) || reportRefused(draft, step, states, deadline)) return;
  apply(draft, step);
  const open = states.filter(isOpen);
  if (open.length > 0) {
    if (draft.now >= deadline) reportOpen(draft, step, open, states.length);
    draft.wakeAt(deadline);
    return;
  }
  if (replaceMissed(draft, step, states)) return;
  status.state = 'Holding';
  status.confirmedTime = draft.time;
  draft.event('Normal', 'Injected', `Step '${step.name}' is confirmed on ${status.hit} of ${status.targets} targets`);
}

function isOpen({ state }: KnownTarget): boolean {
  return state === undefined || state === 'Applying';
}

function reportOpen(draft: RunDraft, { name }: Step, open: readonly KnownTarget[], all: number): void {
  const [first] = open;
  const such = `such as ${first?.name}${first?.message ? ` (${first.message})` : ''}`;
  draft.find(
    'InjectionFailed',
    `Step '${name}' was not confirmed on ${open.length} of ${all} targets within 2m, ${such}`,
  );
}

/** Also a fault that has to be put on while the step holds, anew or on a newcomer, has its time for that. */
function reportStuck(draft: RunDraft, step: Step, status: StepStatus, states: readonly KnownTarget[]): void {
  if (draft.facts(step).by !== 'Agent') return;
  const asked = Date.parse(status.roundTime ?? draft.time);
  const since = (target: KnownTarget) => (target.state === undefined ? asked : target.since) + CONFIRM_MILLISECONDS;
  const open = states.filter(isOpen);
  const late = open.filter((target) => since(target) <= draft.now);
  if (late.length > 0) reportOpen(draft, step, late, states.length);
  else if (open.length > 0) draft.wakeAt(Math.min(...open.map(since)));
}

/**
 * A target that can't carry the fault ends the run: as one that can't be tested when nothing at all was touched, and that
 * is known once the agents have said of all others how far they are. Returns whether there was one.
 */
function reportRefused(draft: RunDraft, step: Step, states: readonly KnownTarget[], deadline: number): boolean {
  const { name, companionOf } = step;
  const refused = states.filter(({ state }) => state === 'Refused');
  const [first] = refused;
  if (!first || companionOf) return false;
  const wanted = targetStates(draft.observed.injections.filter(({ spec }) => spec.state !== 'Pending'));
  const isTouched = wanted.some(({ hit, state }) => hit || state === 'Failed');
  const isUnknown = wanted.some(isOpen);
  draft.wakeAt(deadline);
  if (!isTouched && isUnknown && draft.now < deadline) return true;
  const named = `${first.kind} ${first.name}`;
  const where = refused.length === 1 ? named : `${refused.length} of ${states.length} targets, such as ${first.name}`;
  const message = `The fault of step '${name}' can't be put on ${where}: ${first.message ?? 'no reason given'}`;
  draft.find(isTouched || isUnknown ? 'InjectionFailed' : 'NotSupported', message);
  return true;
}

/** A fault that failed on one target ends the run. Returns whether there was one. */
function reportFailed(draft: RunDraft, step: Step, states: KnownTarget[]): boolean {
  const failed = states.find(({ state }) => state === 'Failed');
  if (!failed) return false;
  const why = failed.message ?? 'no reason given';
  draft.find('InjectionFailed', `Step '${step.name}' could not be applied to ${failed.name}: ${why}`);
  return true;
}

function hold(draft: RunDraft, step: Step, status: StepStatus): void {
  const states = targetStates(recordedInjections(draft, step));
  if (reportFailed(draft, step, states) || reportRefused(draft, step, states, draft.now)) return;
  apply(draft, step);
  reportStuck(draft, step, status, states);
  if (reportLost(draft, step, states)) return;
  // Whether a one-shot fault has done its work is seen on the pods.
  if (draft.facts(step).oneShot && !draft.observed.candidates) return;
  const ends = Math.max(holdEnd(draft, step, status), effectDeadline(draft, step));
  if (draft.now < ends) {
    follow(draft, step, status);
    draft.wakeAt(ends);
    return;
  }
  noteGone(draft, step, status, states);
  const words = `${status.effective} of ${status.hit} targets showed the effect`;
  draft.event('Normal', 'StepEnded', `Step '${step.name}' ended: ${words}`);
  status.state = 'Reverting';
}

/** What somebody else has taken away everywhere is not put back, and tests nothing any more. Returns whether that is so. */
function reportLost(draft: RunDraft, step: Step, states: readonly KnownTarget[]): boolean {
  const { oneShot, by } = draft.facts(step);
  const taken = states.filter(({ state, drifts }) => state === 'Confirmed' && drifts > 0);
  const [first] = taken;
  if (oneShot || by === 'Agent' || !first) return false;
  if (states.some((target) => !taken.includes(target) && !isCertainlyOff(target.state))) return false;
  draft.find('FaultLost', `The fault of step '${step.name}' is on none of its targets any more: ${first.conflict}`);
  return true;
}

/** A fault that lasts was not on all of its targets to the end. */
function noteGone(draft: RunDraft, step: Step, status: StepStatus, states: readonly KnownTarget[]): void {
  const fault = draft.facts(step);
  const gone = states.filter(({ state }) => state === 'Reverted').length;
  if (fault.oneShot || gone === 0) return;
  note(status, `${gone} of ${status.targets} targets went away while the fault was on`);
}

/** A pod within its grace period has not been lost yet: until when to wait for effects that were not seen so far. */
function effectDeadline(draft: RunDraft, step: Step): number {
  const { oneShot, by } = draft.facts(step);
  if (!oneShot) return draft.now;
  const unseen = targetStates(draft.injectionsOf(step.name)).filter(({ state }) => state === 'Confirmed');
  const graces = new Map(draft.observed.candidates?.[step.name]?.map(({ uid, graceSeconds }) => [uid, graceSeconds]));
  const deadlines = unseen.map(({ uid, since }) => {
    if (by === 'Agent') return since + AGENT_EFFECT_MILLISECONDS;
    const grace = graces.get(uid);
    // What is gone by now will be recorded in a moment, also when nobody could look until after the deadline.
    if (grace === undefined) return draft.now + LOOK_MILLISECONDS;
    return since + grace * 1000 + ONE_SHOT_HOLD_MILLISECONDS;
  });
  return Math.max(draft.now, ...deadlines);
}

function holdEnd(draft: RunDraft, step: Step, status: StepStatus): number {
  const confirmed = Date.parse(status.confirmedTime ?? draft.time);
  // The rules on a step see to it that what lasts has a duration.
  if (step.duration === undefined) return oneShotEnd(draft, step, confirmed);
  const ends = confirmed + parseDuration(step.duration);
  repeat(draft, step, status, ends);
  return ends;
}

/** When a fault without a duration is over: as many pods are Ready as before and probes have seen enough, or 30 s. */
function oneShotEnd(draft: RunDraft, step: Step, confirmed: number): number {
  const pods = draft.observed.candidates?.[step.name] ?? [];
  const ready = pods.filter((pod) => pod.ready && !pod.terminating).length;
  const before = draft.status.selection?.find((each) => each.step === step.name)?.readyBefore ?? 0;
  const seen = draft.facts(step).by === 'Agent' ? confirmed + AGENT_ONE_SHOT_MILLISECONDS : confirmed;
  if (draft.now >= seen && ready >= before && sampledEnough(draft)) return draft.now;
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
  conclude(status, draft.injectionsOf(step.name));
  if (findNotHeldBack(draft, step) || status.effective > 0 || step.companionOf) return;
  const why =
    status.hit === 0 ? 'no target was hit' : `none of ${status.hit} targets showed the effect${unmet(status)}`;
  draft.find(
    'FaultNotEffective',
    `Step '${step.name}' had no effect: ${why}${status.message ? ` (${status.message})` : ''}`,
  );
}

/** Why a fault that agents put on had no effect, as far as what they counted tells. */
function unmet({ evidence = {} }: StepStatus): string {
  const { packets, exempted = 0, processes = 0 } = evidence;
  if (processes > 0)
    return `, though ${processes === 1 ? '1 process' : `${processes} processes`} got the signal: still there`;
  if (packets !== 0) return '';
  const spared =
    exempted > 0 ? ` but ${exempted} of the kubelet's probes, which are spared without \`includeKubelet\`` : '';
  return `, as no packet was of the kind that \`direction\`, \`peers\`, \`except\` and \`ports\` mean${spared}`;
}
