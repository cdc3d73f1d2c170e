import type { Step } from '../api/experiment.js';
import type { StepStatus } from '../api/experiment-run.js';
import { type Injection, isCertainlyOff, type TargetState } from '../api/injection.js';
import { type RunDraft, shortened } from './draft.js';
import { drainNotes, drainProgress } from './drain-result.js';

/** One target of an injection; `state` is undefined while nothing was recorded of it. */
export interface KnownTarget {
  uid: string;
  name: string;
  /** What it is, for people, such as `pod`. */
  kind: string;
  state: TargetState | undefined;
  /** Whether it was hit, also when the fault is not on it any more. */
  hit: boolean;
  /** Whether the fault was seen to have taken effect. */
  effective: boolean;
  /** How often the fault had vanished and was put back. */
  drifts: number;
  /** When the state was entered, in milliseconds since the epoch; 0 while there is none. */
  since: number;
  message?: string;
  /** What somebody else has made of what the fault had changed, in words. */
  conflict?: string;
}

/** How far all targets of some injections are. */
export function targetStates(injections: readonly Injection[]): KnownTarget[] {
  return injections.flatMap(({ spec, status }) => {
    const known = new Map(status?.targets?.map((target) => [target.uid, target]));
    return spec.targets.map(({ uid, name, kind = 'Pod' }) => {
      const found = known.get(uid);
      const effective = found?.state === 'Effective' || found?.effective === true;
      return {
        uid,
        name,
        kind: kind.toLowerCase(),
        state: found?.state,
        // What has vanished, or was seen once, had been on, whatever became of it.
        hit: isHit(found?.state) || effective || found?.drifts !== undefined,
        effective,
        drifts: found?.drifts ?? 0,
        since: found ? Date.parse(found.time) : 0,
        ...(found?.message && { message: found.message }),
        ...(found?.conflict && { conflict: found.conflict }),
      };
    });
  });
}

/** Whether a target in this state was hit. An intent alone is none: the target may yet turn out to be missed. */
export function isHit(state: TargetState | undefined): boolean {
  return state === 'Confirmed' || state === 'Effective' || state === 'Reverted';
}

/** Updates the step's numbers. What happened can't be undone by an injection that someone deletes, so none falls. */
export function count(status: StepStatus, injections: readonly Injection[]): void {
  const { hit, effective } = tally(targetStates(injections));
  status.hit = Math.max(status.hit, new Set(hit.map(({ uid }) => uid)).size);
  status.effective = Math.max(status.effective, effective);
  if (hit.length > 0) status.names = hit.slice(0, 100).map(({ name }) => name);
  const progress = drainProgress(injections);
  if (progress) status.progress = progress;
}

/** Which targets were hit, and how many different ones of them show the effect. */
export function tally(states: readonly KnownTarget[]): { hit: KnownTarget[]; effective: number } {
  const effective = states.filter((target) => target.effective).map(({ uid }) => uid);
  return { hit: states.filter((target) => target.hit), effective: new Set(effective).size };
}

/** Sums up what was seen of a step's fault, once it is off: their injections do not outlive the run. */
export function conclude(status: StepStatus, injections: readonly Injection[]): void {
  const targets = injections.flatMap((injection) => (injection.spec.agent ? (injection.status?.targets ?? []) : []));
  const sums: Record<string, number> = {};
  for (const { evidence = {} } of targets) {
    for (const [kind, value] of Object.entries(evidence)) sums[kind] = (sums[kind] ?? 0) + (value ?? 0);
  }
  const drifts = targets.reduce((sum, target) => sum + (target.drifts ?? 0), 0);
  const drifted = targets.filter((target) => target.drifts !== undefined).length;
  const proxied = targets.filter(({ evidence }) => evidence?.connections !== undefined).length;
  if (Object.keys(sums).length > 0) status.evidence = sums;
  if (drifts > 0) {
    status.drifts = drifts;
    note(status, `on ${drifted} of ${status.targets} targets the fault had vanished and was put back`);
  }
  if (proxied > 0)
    note(status, `on ${proxied} of ${status.targets} targets a proxy delayed TCP connections, only new ones`);
  for (const words of drainNotes(injections)) note(status, words);
  noteConflicts(status, injections);
}

/** What somebody else changed or took away is left so; agents put back what vanished. */
function noteConflicts(status: StepStatus, injections: readonly Injection[]): void {
  const states = targetStates(injections.filter(({ spec }) => spec.agent === undefined));
  const drifts = states.reduce((sum, target) => sum + target.drifts, 0);
  if (drifts > 0) status.drifts = drifts;
  const disputed = states.filter(({ conflict }) => conflict);
  const [first] = disputed;
  if (!first) return;
  const where = `on ${disputed.length} of ${status.targets} targets`;
  note(status, `somebody else changed what the fault had changed ${where}, and it was left so: ${first.conflict}`);
}

/** Adds to what is worth knowing of a step. */
export function note(status: StepStatus, words: string): void {
  if (!status.message?.includes(words)) status.message = shortened([status.message, words].filter(Boolean).join('; '));
}

/** How many rounds of a step the stored status knows of: only these may be applied. The first comes with the selection. */
export function recordedRounds(draft: RunDraft, step: Step): number {
  const stored = draft.observed.run.status?.steps?.find(({ name }) => name === step.name);
  return Math.max(1, stored?.rounds ?? 0);
}

/** The injections of a step's recorded rounds, in the order they were made. */
export function recordedInjections(draft: RunDraft, step: Step): Injection[] {
  const rounds = recordedRounds(draft, step);
  return draft.injectionsOf(step.name).filter(({ spec }) => spec.round < rounds);
}

/** Whether all injections of a step's recorded rounds are still there. */
export function isWhole(draft: RunDraft, step: Step): boolean {
  const injections = recordedInjections(draft, step);
  if (injections.some(({ metadata }) => metadata.deletionTimestamp)) return false;
  const { chosen } = draft.status.selection?.find((each) => each.step === step.name) ?? {};
  if (chosen === 0 && injections.length === 0) return true;
  const missing = new Map<number, number>();
  for (const { spec } of injections) missing.set(spec.round, (missing.get(spec.round) ?? spec.parts) - 1);
  return missing.size === recordedRounds(draft, step) && [...missing.values()].every((parts) => parts === 0);
}

/** Takes a step's fault back and says whether that is done and proven. */
export function takenBack(draft: RunDraft, step: Step): boolean {
  const oneShot = draft.observed.facts[step.name]?.oneShot ?? false;
  let clean = true;
  for (const injection of draft.injectionsOf(step.name).reverse()) {
    if (isClean(injection, oneShot)) continue;
    clean = false;
    if (injection.spec.state !== 'Revert') {
      draft.do({ do: 'setInjectionState', name: injection.metadata.name, state: 'Revert' });
    }
  }
  return clean;
}

/** Whether nothing of an injection is left to take back, and nothing of it can still happen. */
export function isClean(injection: Injection, oneShot: boolean): boolean {
  const states = targetStates([injection]).map(({ state }) => state);
  if (oneShot && states.every((state) => state !== undefined && state !== 'Applying')) return true;
  if (injection.spec.state !== 'Revert') return false;
  return states.every((state) => isCertainlyOff(state) || (oneShot && state !== undefined && state !== 'Applying'));
}
