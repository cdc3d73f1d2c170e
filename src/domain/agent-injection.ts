import {
  type Ended,
  type Evidence,
  type Injection,
  type InjectionStatus,
  isCertainlyOff,
  type Target,
  type TargetStatus,
} from '../api/injection.js';
import { shortened, timestamp } from './draft.js';
import type { Outcome } from './injection-observed.js';

/** What an agent saw of a fault that is on. */
export interface FaultSighting {
  /** How it differs from what it should be; undefined: it is on. */
  drift?: string;
  evidence: Evidence;
  effective: boolean;
}

/** All that `decideAgentInjection` may look at. */
export interface AgentInjectionObserved {
  injection: Injection;
  oneShot: boolean;
  /** Why everything is taken back though it may still be wanted; stays set from then on. */
  ended: Ended | undefined;
  /** Whether nothing more may be put on, such as while the agent shuts down. */
  stopping: boolean;
  /** By UID, what this process's own attempts to put it on came to since the state was entered; a drift forgets them. */
  outcomes: ReadonlyMap<string, Outcome>;
  /** By UID, what this process's own attempts to take it back came to. */
  undone: ReadonlyMap<string, Outcome>;
  /** By UID, what was seen last of those that are on, since they were last put on. */
  sightings: ReadonlyMap<string, FaultSighting>;
  /** UIDs of targets with an undo record: something may have been put on them. */
  intended: ReadonlySet<string>;
  /** UIDs of targets of which nothing is left: their network namespace or their node's boot is gone. */
  gone: ReadonlySet<string>;
  /** By UID, targets that are over without anything having to be done, such as when a sidecar's time was over. */
  over?: ReadonlyMap<string, Over>;
}

/** What has become of a target, and why, in words. */
export interface Over {
  state: 'Missed' | 'Reverted';
  message: string;
}

/** Something an agent has to do to a target. Doing it twice is doing it once. */
export interface AgentAction {
  do: 'apply' | 'revert';
  target: Target;
}

/** What to do about an injection; the status is written before `apply` is acted on, and again with what came of it. */
export interface AgentInjectionDecision {
  status: InjectionStatus;
  actions: AgentAction[];
}

interface Next {
  entry: TargetStatus | undefined;
  action?: AgentAction['do'];
}

const MAX_MESSAGE = 256;

/**
 * Decides what an agent does about an injection of its node. For every target the intent (`Applying`) is recorded before
 * the first effect; an agent's own undo record on disk comes between the two:
 *
 *     (nothing) ─▶ Applying ─▶ Confirmed ─ counters ─▶ Effective
 *         │           │ refused ▶ Failed ─┐    │ drift: put on again, or ended
 *         └─▶ Missed ◀┴ target gone       └────┴─ wanted back, or ended ─▶ Reverted
 *
 * What is refused before there is an undo record is `Refused` rather than `Failed`: nothing was touched.
 *
 * @param now milliseconds since the epoch, in API-server time
 */
export function decideAgentInjection(observed: AgentInjectionObserved, now: number): AgentInjectionDecision {
  const { injection } = observed;
  const ended = injection.status?.ended ?? observed.ended ?? endedByDrift(observed);
  const status: InjectionStatus = { ...structuredClone(injection.status ?? {}), ...(ended && { ended }) };
  const known = new Map(injection.status?.targets?.map((target) => [target.uid, target]));
  const back =
    ended !== undefined || injection.spec.state === 'Revert' || injection.metadata.deletionTimestamp !== undefined;
  const actions: AgentAction[] = [];
  const targets = injection.spec.targets.flatMap((target) => {
    const before = known.get(target.uid);
    const { entry, action } = decideTarget(observed, target, before, back, now);
    if (action) actions.push({ do: action, target });
    return entry ? [entry] : [];
  });
  if (targets.length > 0) status.targets = targets;
  return { status, actions };
}

/** With `onDrift: End` a fault that vanished anywhere ends the injection everywhere. */
function endedByDrift({ injection, sightings }: AgentInjectionObserved): Ended | undefined {
  if (injection.spec.onDrift !== 'End' || injection.spec.state !== 'Apply') return undefined;
  const lost = injection.spec.targets.find(({ uid }) => sightings.get(uid)?.drift !== undefined);
  if (!lost) return undefined;
  const message = `the fault on ${lost.name} vanished: ${sightings.get(lost.uid)?.drift}`;
  return { reason: 'FaultLost', message: shortened(message, MAX_MESSAGE) };
}

function decideTarget(
  observed: AgentInjectionObserved,
  target: Target,
  before: TargetStatus | undefined,
  back: boolean,
  now: number,
): Next {
  const over = observed.over?.get(target.uid);
  if (over && before && (back ? !isCertainlyOff(before.state) : isOpen(before))) {
    const last = withSighting(before, observed.sightings.get(target.uid), now);
    return { entry: entered(target, last, over.state, now, over.message) };
  }
  if (back) return backward(observed, target, before, now);
  if (observed.injection.spec.state !== 'Apply') return { entry: before };
  switch (before?.state) {
    case undefined:
      return observed.stopping ? { entry: before } : { entry: entered(target, undefined, 'Applying', now) };
    case 'Applying':
      return applying(observed, target, before, now);
    case 'Confirmed':
    case 'Effective':
      return held(observed, target, before, now);
    default:
      return { entry: before };
  }
}

function isOpen({ state }: TargetStatus): boolean {
  return !isCertainlyOff(state) && state !== 'Failed';
}

function applying(observed: AgentInjectionObserved, target: Target, before: TargetStatus, now: number): Next {
  if (observed.gone.has(target.uid)) return { entry: goneFrom(observed, before, target, now) };
  const outcome = observed.outcomes.get(target.uid);
  if (!outcome) return observed.stopping ? { entry: before } : { entry: before, action: 'apply' };
  if (outcome.result === 'done') {
    return { entry: withSighting(entered(target, before, 'Confirmed', now), observed.sightings.get(target.uid), now) };
  }
  if (outcome.result === 'gone') return { entry: goneFrom(observed, before, target, now) };
  const isUntouched = before.drifts === undefined && !observed.intended.has(target.uid);
  return { entry: entered(target, before, isUntouched ? 'Refused' : 'Failed', now, outcome.message) };
}

function held(observed: AgentInjectionObserved, target: Target, before: TargetStatus, now: number): Next {
  // Nothing of a one-shot fault can vanish.
  if (observed.oneShot) return { entry: withSighting(before, observed.sightings.get(target.uid), now) };
  if (observed.gone.has(target.uid)) {
    return { entry: entered(target, before, 'Reverted', now, 'the pod went away, and the fault with it') };
  }
  const seen = observed.sightings.get(target.uid);
  if (seen?.drift === undefined) return { entry: withSighting(before, seen, now) };
  // No status claims a fault that is not there; the outcome of the old attempt is forgotten with this.
  const counted = withSighting(before, { ...seen, effective: false }, now);
  const entry = entered(target, counted, 'Applying', now, `vanished and is put back: ${seen.drift}`);
  return { entry: { ...entry, drifts: (before.drifts ?? 0) + 1 } };
}

/** A target that went away before anything can have been on it was missed; otherwise the fault went with it. */
function goneFrom(
  { intended }: AgentInjectionObserved,
  before: TargetStatus,
  target: Target,
  now: number,
): TargetStatus {
  if (before.drifts !== undefined || intended.has(target.uid)) {
    return entered(target, before, 'Reverted', now, 'the pod went away, and the fault with it');
  }
  return entered(target, before, 'Missed', now, 'was gone before the fault');
}

function backward(
  observed: AgentInjectionObserved,
  target: Target,
  before: TargetStatus | undefined,
  now: number,
): Next {
  if (before === undefined) {
    // An undo record that no status knows of, such as when somebody emptied that: it is taken back like any other.
    if (observed.intended.has(target.uid)) return { entry: entered(target, before, 'Applying', now) };
    return { entry: entered(target, before, 'Missed', now, 'the fault was taken back first') };
  }
  if (isCertainlyOff(before.state)) return { entry: before };
  const last = withSighting(before, observed.sightings.get(target.uid), now);
  if (observed.oneShot && before.state !== 'Applying') return { entry: last };
  const outcome = observed.gone.has(target.uid) ? ({ result: 'gone' } as const) : observed.undone.get(target.uid);
  if (!outcome) return { entry: last, action: 'revert' };
  if (outcome.result === 'refused') {
    const same = before.state === 'Failed' && before.message === shortened(outcome.message, MAX_MESSAGE);
    return { entry: same ? before : entered(target, last, 'Failed', now, outcome.message), action: 'revert' };
  }
  if (outcome.result === 'done') return { entry: entered(target, last, 'Reverted', now) };
  if (before.state === 'Applying') return { entry: goneFrom(observed, last, target, now) };
  return { entry: entered(target, last, 'Reverted', now, 'the pod is gone') };
}

function entered(
  target: Target,
  before: TargetStatus | undefined,
  state: TargetStatus['state'],
  now: number,
  message?: string,
): TargetStatus {
  const { message: _old, ...rest } = before ?? { uid: target.uid };
  return { ...rest, state, time: timestamp(now), ...(message && { message: shortened(message, MAX_MESSAGE) }) };
}

/** Evidence only grows: counters that start anew after a drift add nothing until they are above what was seen. */
function withSighting(before: TargetStatus, seen: FaultSighting | undefined, now: number): TargetStatus {
  if (!seen) return before;
  const evidence: Record<string, number> = { ...before.evidence };
  for (const [field, value] of Object.entries(seen.evidence))
    evidence[field] = Math.max(evidence[field] ?? 0, value ?? 0);
  const effective = before.effective === true || seen.effective;
  const isNews = seen.effective && before.state === 'Confirmed';
  return {
    ...before,
    ...(isNews && { state: 'Effective' as const, time: timestamp(now) }),
    ...(effective && { effective }),
    ...(Object.keys(evidence).length > 0 && { evidence }),
  };
}
