import { findCondition } from '../api/conditions.js';
import type { ExperimentRun, RunStage } from '../api/experiment-run.js';
import { FINALIZER } from '../api/labels.js';
import { parseDuration } from '../stats/duration.js';
import { admit } from './admission.js';
import { findAgentTrouble } from './agents.js';
import { LOOK_MILLISECONDS, RunDraft, shortened } from './draft.js';
import { seedOf } from './draw.js';
import { beginReverting, finish, recover, revert } from './ending.js';
import { findViolations, type Judged, judgeStage, onlyOwnErrors, tooFew } from './judging.js';
import { advanceMethod } from './method.js';
import type { RunDecision, RunObserved } from './observed.js';
import { isClean, isWhole, targetStates } from './progress.js';

/** What a baseline may take beyond the time its samples need. */
const BASELINE_SLACK_MILLISECONDS = 20_000;
/** What it may take beyond that while nothing but errors of our own come in. */
const STALL_MILLISECONDS = 5_000;

/**
 * Decides what to do about a run, from all that is there and nothing else. Each call moves a run by at most one stage:
 *
 *     Admitted ─ TargetsSelected ─▶ Baseline ─ BaselineHeld ─▶ Injecting/Holding ─┐
 *         │ nothing to hit              │ not met        halt, abort, timeout, …  │ all steps ended
 *         ▼                             └──────────────┬──────────────────────────┘
 *      Finished ◀─ Succeeded ─ Recovering ◀─ Reverted ─ Reverting
 *
 * @param now milliseconds since the epoch, in API-server time
 */
export function decideRun(observed: RunObserved, now: number): RunDecision {
  const draft = new RunDraft(observed, now);
  if (draft.status.finishTime) {
    clearAway(draft);
    return draft.decision();
  }
  begin(draft);
  draft.status.observedGeneration = observed.run.metadata.generation ?? 0;
  interrupt(draft);
  advance(draft);
  describe(draft);
  return draft.decision();
}

/**
 * Whether nothing more may be hit for a run, even before it has been decided on again: it is halted, aborted or deleted,
 * it takes its faults back already, or it is over.
 */
export function isStopping({ metadata, spec, status }: ExperimentRun, halts: readonly string[]): boolean {
  const turned = findCondition(status?.conditions, 'Reverted') !== undefined || status?.finishTime !== undefined;
  return turned || halts.length > 0 || spec.abort !== undefined || metadata.deletionTimestamp !== undefined;
}

function begin(draft: RunDraft): void {
  const { run, facts } = draft.observed;
  draft.status.startTime ??= draft.time;
  draft.status.seed ??= run.spec.seed ?? seedOf(run.metadata.uid);
  const known = new Map(draft.status.steps?.map((step) => [step.name, step]));
  const fresh = { state: 'Waiting', rounds: 0, targets: 0, hit: 0, effective: 0 } as const;
  draft.status.steps = draft.template.method.map(
    ({ name }) => known.get(name) ?? { name, fault: facts[name]?.fault ?? '', ...fresh },
  );
}

/** Looks for reasons to stop at once. Those that people give count to the very end; the others until the revert begins. */
function interrupt(draft: RunDraft): void {
  const { run, halts, problems } = draft.observed;
  if (problems.length > 0) draft.find('InvalidTemplate', problems.join('; '));
  if (halts.length > 0) draft.find('Halted', `All experiments are halted by ${halts.join(' and ')}`);
  const { abort } = run.spec;
  if (abort) draft.find(abort.superseded ? 'Superseded' : 'AbortedByUser', `Aborted: ${abort.reason}`);
  if (run.metadata.deletionTimestamp) draft.find('AbortedByUser', 'The run was deleted');
  if (!draft.status.revertedTime) findAgentTrouble(draft);
  if (draft.condition('Reverted')) return;
  if (draft.observed.refusal)
    draft.find('InjectionFailed', `The controller may not do this: ${draft.observed.refusal}`);
  const deadline = Date.parse(draft.status.startTime ?? draft.time) + parseDuration(draft.template.timeout);
  if (draft.now >= deadline) draft.find('Timeout', `The fault had not ended within ${draft.template.timeout}`);
  draft.wakeAt(deadline);
  if (draft.holds('TargetsSelected')) findLostInjections(draft);
}

/** Everything that was drawn must still be there: an injection that someone deleted can't be accounted for. */
function findLostInjections(draft: RunDraft): void {
  for (const step of draft.template.method) {
    if (isWhole(draft, step)) continue;
    const message = `An injection of step '${step.name}' was deleted: its targets can't be accounted for`;
    draft.find('InjectionFailed', message);
  }
}

function advance(draft: RunDraft): void {
  if (draft.condition('Reverted')) {
    if (draft.status.revertedTime) recover(draft);
    else revert(draft);
    return;
  }
  if ((draft.status.findings?.length ?? 0) > 0) {
    stop(draft);
    return;
  }
  if (!draft.holds('TargetsSelected')) {
    admit(draft);
    // With nothing to measure first, one write records both.
    if (draft.holds('TargetsSelected') && !hasBaseline(draft)) judgeBaseline(draft);
  } else if (!draft.holds('BaselineHeld')) judgeBaseline(draft);
  else runMethod(draft);
  // What was found on the way turns the run around in the same decision, so nothing more is injected.
  if ((draft.status.findings?.length ?? 0) > 0 && !draft.condition('Reverted')) stop(draft);
}

/** Nothing drawn: nothing to take back. Otherwise all that was drawn is taken back first. */
function stop(draft: RunDraft): void {
  draft.actions.splice(0, draft.actions.length);
  // What is not done now must not be recorded as done.
  draft.status.steps = structuredClone(draft.observed.run.status?.steps) ?? draft.status.steps;
  const [first] = draft.status.findings ?? [];
  const message = first?.message ?? '';
  if (!draft.holds('TargetsSelected') && draft.observed.injections.length === 0) {
    draft.setCondition('TargetsSelected', 'False', first?.reason ?? 'Stopped', message);
    finish(draft);
    return;
  }
  if (draft.holds('BaselineHeld')) findViolations(draft);
  beginReverting(draft, message);
  draft.event('Warning', first?.reason ?? 'Stopped', `${message}. Taking everything back`);
}

function hasBaseline({ template }: RunDraft): boolean {
  return template.hypothesis?.some(({ stages }) => stages.includes('Before')) ?? false;
}

function baselineDeadline(draft: RunDraft, judged: readonly Judged[]): number {
  const since = Date.parse(draft.condition('TargetsSelected')?.lastTransitionTime ?? draft.time);
  const sampling = Math.max(0, ...judged.map(({ window }) => window?.samplingMilliseconds ?? 0));
  // A stall of our own passes; a probe that still has nothing but errors of ours after that will not get better.
  if (judged.some(onlyOwnErrors)) return since + sampling + STALL_MILLISECONDS;
  return since + 2 * sampling + BASELINE_SLACK_MILLISECONDS;
}

function judgeBaseline(draft: RunDraft): void {
  draft.probing = 'Before';
  const judged = judgeStage(draft, 'Before');
  const deadline = baselineDeadline(draft, judged);
  for (const each of judged) findUnmet(draft, each, deadline);
  if (draft.found('BaselineUnmet') || draft.found('NotEnoughSamples')) {
    draft.setCondition('BaselineHeld', 'False', 'BaselineUnmet', draft.status.findings?.[0]?.message ?? '');
    return;
  }
  if (judged.every(({ held }) => held === true)) {
    const words =
      judged.length > 0
        ? `${judged.length} ${judged.length === 1 ? 'probe' : 'probes'} held before the fault`
        : 'No probe is asked for before the fault';
    draft.setCondition('BaselineHeld', 'True', 'BaselineHeld', words);
    draft.event('Normal', 'BaselineHeld', words);
    draft.wakeAt(draft.now);
    return;
  }
  draft.wakeAt(Math.min(deadline, draft.now + LOOK_MILLISECONDS));
}

function findUnmet(draft: RunDraft, each: Judged, deadline: number): void {
  const { probe, held, violations } = each;
  if (held === false) {
    draft.find('BaselineUnmet', `Probe '${probe.name}' did not hold before the fault: ${violations.join('; ')}`);
  }
  if (held === undefined && draft.now >= deadline) draft.find('NotEnoughSamples', tooFew(each, 'Before'));
}

function runMethod(draft: RunDraft): void {
  const biting = targetStates(draft.observed.injections).some(({ state, hit }) => hit || state === 'Failed');
  draft.probing = biting ? 'During' : 'Before';
  const abortOn = draft.template.safeguards?.abortOn ?? [];
  const judged = biting ? judgeStage(draft, 'During') : [];
  if (judged.some(({ probe, held }) => held === false && abortOn.includes(probe.name))) findViolations(draft);
  // Without `abortOn` nothing depends on what is measured until the end; people still want to see it.
  if (draft.template.hypothesis?.length) draft.wakeAt(draft.now + (abortOn.length > 0 ? LOOK_MILLISECONDS : 1_000));
  if (draft.found('HypothesisViolated') || !advanceMethod(draft)) {
    noteInjected(draft);
    return;
  }
  noteInjected(draft);
  beginReverting(draft, 'All steps have ended');
  draft.wakeAt(draft.now);
}

function noteInjected(draft: RunDraft): void {
  const open = (draft.status.steps ?? []).filter(({ confirmedTime }) => confirmedTime === undefined);
  const all = open.length === 0;
  const words = all
    ? 'Every step was confirmed on its targets'
    : `Not yet confirmed: ${open.map(({ name }) => name).join(', ')}`;
  draft.setCondition('Injected', all ? 'True' : 'False', all ? 'Injected' : 'Injecting', words);
}

/** What a finished run leaves is cleared away; what could not be proven clean stays and is retried on its own. */
function clearAway(draft: RunDraft): void {
  for (const injection of draft.observed.injections) {
    const oneShot = draft.observed.facts[injection.spec.step]?.oneShot ?? false;
    if (!isClean(injection, oneShot) || injection.metadata.deletionTimestamp) continue;
    draft.do({ do: 'deleteInjection', name: injection.metadata.name, uid: injection.metadata.uid });
  }
  if (draft.observed.run.metadata.finalizers?.includes(FINALIZER)) draft.do({ do: 'removeFinalizer' });
}

function stageOf(draft: RunDraft): RunStage {
  if (draft.status.finishTime) return 'Finished';
  if (draft.status.revertedTime) return 'Recovering';
  if (draft.condition('Reverted')) return 'Reverting';
  if (draft.holds('BaselineHeld')) {
    const states = draft.status.steps?.map(({ state }) => state) ?? [];
    const isInjecting = states.includes('Injecting') || states.every((state) => state === 'Waiting');
    return isInjecting ? 'Injecting' : 'Holding';
  }
  return draft.holds('TargetsSelected') ? 'Baseline' : 'Admitted';
}

/** `stage` and `message` are for people, and derived here from everything else. */
function describe(draft: RunDraft): void {
  const stage = stageOf(draft);
  if (stage !== draft.status.stage) draft.status.stageTime = draft.time;
  draft.status.stage = stage;
  if (stage === 'Finished') return;
  const words: Record<Exclude<RunStage, 'Finished'>, string> = {
    Admitted: draft.observed.surveyFailure
      ? shortened(`Rights and safeguards could not be read, will try again: ${draft.observed.surveyFailure}`)
      : 'Looking for targets',
    Baseline: 'Checking the steady state before the fault',
    Injecting: 'Injecting',
    Holding: 'Holding the fault',
    Reverting: draft.condition('Reverted')?.message || 'Taking everything back',
    Recovering: 'Waiting for the steady state to be back',
  };
  draft.status.message = words[stage];
}
