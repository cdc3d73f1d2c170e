import type { Step } from '../api/experiment.js';
import { isCertainlyOff } from '../api/injection.js';
import { parseDuration } from '../stats/duration.js';
import { silence } from './agents.js';
import { LOOK_MILLISECONDS, type RunDraft } from './draft.js';
import { findViolations, type Judged, judgeStage, tooFew } from './judging.js';
import { conclude, count, isClean, isWhole, takenBack, targetStates } from './progress.js';
import { gravest, verdictOf } from './verdict.js';

/** The dead-man time of agents plus half a minute: what is not proven clean by then is said to be unproven. */
export const UNPROVEN_MILLISECONDS = 60_000;

/** Turns a run around: from here on faults are only taken back. */
export function beginReverting(draft: RunDraft, message: string): void {
  draft.setCondition('Reverted', 'False', 'Reverting', message);
}

/** Takes everything back in reverse order, and goes on when that is proven or can't be within its time. */
export function revert(draft: RunDraft): void {
  // While a fault may still be on, what is measured belongs to it.
  if (draft.holds('BaselineHeld')) draft.probing = 'During';
  const since = Date.parse(draft.condition('Reverted')?.lastTransitionTime ?? draft.time);
  // An earlier step is touched only when the later ones are clean.
  const clean = [...draft.template.method].reverse().every((step) => revertStep(draft, step));
  if (!clean && draft.now < since + UNPROVEN_MILLISECONDS) {
    draft.wakeAt(since + UNPROVEN_MILLISECONDS);
    return;
  }
  if (!clean) reportUnproven(draft);
  const proven = !reportLost(draft) && clean;
  draft.status.revertedTime = draft.time;
  const reason = proven ? 'Reverted' : 'CleanupUnproven';
  const words = proven ? 'Nothing of the faults is left' : 'Not everything could be proven to be gone';
  draft.setCondition('Reverted', proven ? 'True' : 'Unknown', reason, words);
  draft.event(proven ? 'Normal' : 'Warning', reason, words);
  draft.wakeAt(draft.now);
}

function revertStep(draft: RunDraft, step: Step): boolean {
  const status = draft.stepStatus(step);
  const clean = takenBack(draft, step);
  count(status, draft.injectionsOf(step.name));
  if (!clean || status.state === 'Skipped' || status.state === 'Done') return clean;
  if (status.state === 'Waiting') {
    status.state = 'Skipped';
    return clean;
  }
  status.state = 'Done';
  status.endTime = draft.time;
  conclude(status, draft.injectionsOf(step.name));
  return clean;
}

function reportUnproven(draft: RunDraft): void {
  for (const injection of draft.observed.injections) {
    if (isClean(injection, draft.observed.facts[injection.spec.step]?.oneShot ?? false)) continue;
    const states = targetStates([injection]);
    const failed = states.find(({ state }) => state === 'Failed');
    const left = states.filter(({ state }) => !isCertainlyOff(state)).map(({ name }) => name);
    const { node } = injection.spec;
    const facts = node === undefined ? undefined : draft.observed.nodes.get(node);
    const silent = node !== undefined && facts && silence(node, facts);
    const place = node === undefined ? '' : ` on node ${node}`;
    const where = `injection ${injection.metadata.name}${place}, targets ${left.slice(0, 10).join(', ')}${silent ? `; ${silent}` : ''}`;
    if (failed)
      draft.find('CleanupFailed', `A fault could not be taken back (${where}): ${failed.message ?? 'no reason given'}`);
    else
      draft.find(
        'CleanupUnproven',
        `It could not be proven that a fault is gone (${where}); it is still being retried`,
      );
  }
}

/** Nothing is clean because its injection was deleted. Returns whether there is such a thing. */
function reportLost(draft: RunDraft): boolean {
  // Before that nothing was applied; after it even a step that was not yet recorded as begun may have been.
  if (!draft.holds('BaselineHeld')) return false;
  const lost = draft.template.method.filter(
    (step) => !draft.observed.facts[step.name]?.oneShot && !isWhole(draft, step),
  );
  for (const { name } of lost) {
    draft.find('CleanupUnproven', `It could not be proven that the fault of step '${name}' is gone: its injection is`);
  }
  return lost.length > 0;
}

/** Measures how long the steady state takes to be back, and judges that. */
export function recover(draft: RunDraft): void {
  if (isStopped(draft)) {
    finish(draft);
    return;
  }
  draft.probing = 'After';
  draft.wakeAt(draft.now + LOOK_MILLISECONDS);
  const reverted = Date.parse(draft.status.revertedTime ?? draft.time);
  if (!isDuringSettled(draft, reverted)) return;
  if (!isRecoveryMeasured(draft)) {
    finish(draft);
    return;
  }
  const within = parseDuration(draft.template.recovery.within);
  const judged = judgeStage(draft, 'After');
  if (judged.every(({ held }) => held === true)) {
    const unseen = judged.find(({ window }) => (window?.watchedSince ?? 0) > reverted + within);
    if (unseen) {
      concludeUnseen(draft, unseen);
      return;
    }
    const back = Math.max(reverted, ...judged.map(({ window }) => window?.firstAt ?? draft.now));
    concludeRecovery(draft, back - reverted, within);
    return;
  }
  const sampling = Math.max(0, ...judged.map(({ window }) => window?.samplingMilliseconds ?? 0));
  const deadline = reverted + within + sampling;
  if (draft.now < deadline) {
    draft.wakeAt(deadline);
    return;
  }
  for (const each of judged) reportNotBack(draft, each);
  draft.setCondition(
    'Recovered',
    'False',
    'RecoveryTooSlow',
    `The steady state was not back within ${draft.template.recovery.within}`,
  );
  finish(draft);
}

/** Someone wants it all to end: nothing more is measured. */
function isStopped(draft: RunDraft): boolean {
  return draft.found('Halted') || draft.found('AbortedByUser') || draft.found('Superseded');
}

/** Requests that were sent during the fault and are still under way have a say, within their time. */
function isDuringSettled(draft: RunDraft, reverted: number): boolean {
  const windows = Object.values(draft.observed.windows).flatMap(({ During }) => (During ? [During] : []));
  const patience = Math.max(0, ...windows.map(({ samplingMilliseconds }) => samplingMilliseconds));
  return draft.now >= reverted + patience || windows.every(({ settled }) => settled);
}

/** Recovery is measured after anything was hit. */
function isRecoveryMeasured(draft: RunDraft): boolean {
  const hit = draft.status.steps?.some((step) => step.hit > 0) ?? false;
  return hit && (draft.template.hypothesis?.some(({ stages }) => stages.includes('After')) ?? false);
}

function concludeRecovery(draft: RunDraft, took: number, within: number): void {
  draft.status.recoverySeconds = Math.round(took / 100) / 10;
  const words = `The steady state was back ${draft.status.recoverySeconds} s after the fault`;
  if (took > within) {
    draft.find('RecoveryTooSlow', `${words}, expected within ${draft.template.recovery.within}`);
  }
  draft.setCondition('Recovered', 'True', 'Recovered', words);
  finish(draft);
}

/** The steady state is back, but when it came back nobody looked: neither in time nor too late. */
function concludeUnseen(draft: RunDraft, { probe }: Judged): void {
  const { within } = draft.template.recovery;
  const words = `Nobody knows whether the steady state was back within ${within}: probe '${probe.name}' could not look by then`;
  draft.find('NotEnoughSamples', words);
  draft.setCondition('Recovered', 'Unknown', 'NotEnoughSamples', words);
  finish(draft);
}

function reportNotBack(draft: RunDraft, judged: Judged): void {
  if (judged.held === true) return;
  if (judged.held === undefined) {
    draft.find('NotEnoughSamples', tooFew(judged, 'After'));
    return;
  }
  const within = draft.template.recovery.within;
  draft.find(
    'RecoveryTooSlow',
    `Probe '${judged.probe.name}' was not back within ${within}: ${judged.violations.join('; ')}`,
  );
}

/** Writes the verdict: the gravest of what was found. */
export function finish(draft: RunDraft): void {
  for (const step of draft.status.steps ?? []) {
    if (step.state === 'Waiting') step.state = 'Skipped';
  }
  if (draft.holds('BaselineHeld')) judgeDuring(draft);
  requireEffects(draft);
  const everythingRan = draft.status.steps?.every(({ state }) => state === 'Done') ?? false;
  if (!draft.template.hypothesis?.length && everythingRan) {
    draft.find('NotEnoughSamples', 'The experiment has no hypothesis, so there was nothing to judge');
  }
  const { verdict, reason } = verdictOf(draft.status.findings ?? []);
  draft.status.verdict = verdict;
  draft.status.reason = reason;
  draft.status.message = closingMessage(draft);
  draft.status.finishTime = draft.time;
  const succeeded = verdict === 'Passed' ? 'True' : verdict === 'Failed' ? 'False' : 'Unknown';
  draft.setCondition('Succeeded', succeeded, reason, draft.status.message);
  draft.event(verdict === 'Passed' ? 'Normal' : 'Warning', reason, `${verdict}: ${draft.status.message}`);
}

/** Whatever the steps have been said to be: no run passes without an effect of each of them. */
function requireEffects(draft: RunDraft): void {
  if ((draft.status.findings?.length ?? 0) > 0) return;
  const owned = new Set(draft.template.method.flatMap(({ name, companionOf }) => (companionOf ? [] : [name])));
  const without = draft.status.steps?.find(
    ({ name, state, effective }) => owned.has(name) && (state !== 'Done' || effective === 0),
  );
  if (without) draft.find('FaultNotEffective', `Step '${without.name}' ended without an effect that was seen`);
}

/** The last word on the stage. Too few samples are no news when something else has ended the run. */
function judgeDuring(draft: RunDraft): void {
  const judged = findViolations(draft);
  if ((draft.status.findings?.length ?? 0) > 0) return;
  for (const each of judged) {
    if (each.held === undefined) draft.find('NotEnoughSamples', tooFew(each, 'During'));
  }
}

function closingMessage(draft: RunDraft): string {
  const found = gravest(draft.status.findings ?? []);
  const parts = [found ? `${found.message}.` : heldMessage(draft)];
  const others = (draft.status.findings?.length ?? 0) - 1;
  if (others > 0) parts.push(`(${others} more in status.findings.)`);
  const fewer = (draft.status.steps ?? [])
    .filter((step) => step.message && step.state === 'Done')
    .map((step) => `Step '${step.name}': ${step.message}.`);
  parts.push(...fewer);
  const standIns = (draft.status.selection ?? []).reduce((sum, each) => sum + each.standIns, 0);
  if (standIns > 0)
    parts.push(`${standIns} of the targets are stand-ins that only sleep: nothing was learnt about a real service.`);
  return parts.join(' ');
}

function heldMessage(draft: RunDraft): string {
  const probes = draft.template.hypothesis?.length ?? 0;
  const steps = draft.status.steps ?? [];
  const sum = (field: 'hit' | 'targets' | 'effective') => steps.reduce((total, step) => total + step[field], 0);
  const held = probes === 1 ? 'The probe held in every stage' : `All ${probes} probes held in every stage`;
  const effective = sum('effective') < sum('hit') ? `, ${sum('effective')} of ${sum('hit')} showed the effect` : '';
  const hit = `${sum('hit')} of ${sum('targets')} targets were hit${effective}`;
  const { recoverySeconds } = draft.status;
  const back = recoverySeconds === undefined ? '' : `; steady state was back ${recoverySeconds} s after the fault`;
  return `${held}; ${hit}${back}.`;
}
