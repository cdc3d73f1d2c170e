import type { Injection, InjectionStatus, Target, TargetState, TargetStatus } from '../api/injection.js';
import { shortened, timestamp } from './draft.js';
import { isClean } from './method.js';
import type { DomainEvent } from './observed.js';

/** What came of asking for an effect, or for its end, on one target. */
export type Outcome = { result: 'done' } | { result: 'gone' } | { result: 'refused'; message: string };

/** What of a target is known now. */
export interface TargetPod {
  terminating: boolean;
}

/** All that `decideInjection` may look at. */
export interface InjectionObserved {
  injection: Injection;
  fault: string;
  oneShot: boolean;
  /** Whether the run it belongs to is there and has not finished. */
  runIsLive: boolean;
  /** By UID, those of the targets that exist; undefined until that is known. */
  pods: ReadonlyMap<string, TargetPod> | undefined;
  /** By UID, what this process's own attempts came to. */
  outcomes: ReadonlyMap<string, Outcome>;
  /** Whether nothing but what `outcomes` says can have been done: false after a restart, or when an attempt got no answer. */
  certain: boolean;
}

/** Something to do for an injection. Doing it twice is doing it once. */
export type InjectionAction =
  | { do: 'apply'; target: Target }
  | { do: 'revert'; target: Target }
  | { do: 'setInjectionState'; state: 'Revert' }
  | { do: 'deleteInjection' };

/** What to do about an injection; the actions come first, and their outcomes go into a second call before the status is written. */
export interface InjectionDecision {
  status: InjectionStatus;
  actions: InjectionAction[];
  events: DomainEvent[];
}

interface Next {
  state: TargetState | undefined;
  message?: string;
  action?: InjectionAction;
}

/**
 * Decides what to do about an injection whose effects go through the API server. For every target the intent
 * (`Applying`) is durable before the effect is asked for, and the UID keeps anything else from being hit:
 *
 *     (nothing) ─▶ Applying ─ asked for ─▶ Confirmed ─ UID is gone ─▶ Effective
 *         └──────────┴─ gone, or taken back first ─▶ Missed
 */
export function decideInjection(observed: InjectionObserved, now: number): InjectionDecision {
  const { injection, runIsLive, oneShot } = observed;
  const decision: InjectionDecision = { status: structuredClone(injection.status ?? {}), actions: [], events: [] };
  if (!runIsLive && injection.spec.state !== 'Revert') {
    // An effect that no live run owns: nobody else would take it back.
    decision.actions.push({ do: 'setInjectionState', state: 'Revert' });
    return decision;
  }
  const known = new Map(injection.status?.targets?.map((target) => [target.uid, target]));
  const targets: TargetStatus[] = [];
  for (const target of injection.spec.targets) {
    const before = known.get(target.uid);
    const next = nextFor(observed, target, before?.state);
    if (next.action) decision.actions.push(next.action);
    if (!next.state) continue;
    targets.push(before?.state === next.state ? before : entered(target, next, now));
    if (before?.state !== next.state) note(decision, observed, target, next);
  }
  if (targets.length > 0) decision.status.targets = targets;
  if (!runIsLive && isClean(injection, oneShot)) decision.actions.push({ do: 'deleteInjection' });
  return decision;
}

function entered(target: Target, next: Next, now: number): TargetStatus {
  return {
    uid: target.uid,
    state: next.state ?? 'Missed',
    time: timestamp(now),
    ...(next.message && { message: shortened(next.message, 256) }),
  };
}

function nextFor(observed: InjectionObserved, target: Target, state: TargetState | undefined): Next {
  switch (observed.injection.spec.state) {
    case 'Pending':
      return { state };
    case 'Apply':
      return forward(observed, target, state);
    case 'Revert':
      return observed.oneShot ? settle(observed, target, state) : backward(observed, target, state);
  }
}

function forward(observed: InjectionObserved, target: Target, state: TargetState | undefined): Next {
  if (!observed.pods) return { state };
  const pod = observed.pods.get(target.uid);
  if (state === undefined) {
    if (pod && !pod.terminating) return { state: 'Applying' };
    return { state: 'Missed', message: 'was gone before the fault' };
  }
  if (state === 'Applying') return apply(observed, target);
  if (state === 'Confirmed' && !pod) return { state: 'Effective' };
  return { state };
}

function apply(observed: InjectionObserved, target: Target): Next {
  const outcome = observed.outcomes.get(target.uid);
  if (!outcome) return { state: 'Applying', action: { do: 'apply', target } };
  if (outcome.result === 'done') return { state: 'Confirmed' };
  if (outcome.result === 'refused') return { state: 'Failed', message: outcome.message };
  if (observed.certain) return { state: 'Missed', message: 'was gone before the fault' };
  return { state: 'Confirmed', message: 'was gone when the controller came back; it had been about to be hit' };
}

/** A one-shot fault has nothing to take back; what is settled here is whether an open intent was carried out. */
function settle(observed: InjectionObserved, target: Target, state: TargetState | undefined): Next {
  const pod = observed.pods?.get(target.uid);
  if (state === undefined) return { state: 'Missed', message: 'the fault was taken back first' };
  if (state === 'Confirmed' && observed.pods && !pod) return { state: 'Effective' };
  if (state !== 'Applying' || !observed.pods) return { state };
  const done = observed.outcomes.get(target.uid)?.result === 'done';
  if (done || ((!pod || pod.terminating) && !observed.certain)) return { state: 'Confirmed' };
  return { state: 'Missed', message: 'the fault was taken back first' };
}

function backward(observed: InjectionObserved, target: Target, state: TargetState | undefined): Next {
  if (state === undefined) return { state: 'Missed', message: 'the fault was taken back first' };
  if (state === 'Missed' || state === 'Reverted') return { state };
  const outcome = observed.outcomes.get(target.uid);
  if (!outcome) return { state, action: { do: 'revert', target } };
  if (outcome.result === 'refused') return { state: 'Failed', message: outcome.message };
  return { state: 'Reverted' };
}

function note(decision: InjectionDecision, { injection, fault }: InjectionObserved, target: Target, next: Next): void {
  const { run, step } = injection.spec;
  const whose = `step '${step}' of run ${run.namespace}/${run.name}`;
  if (next.state === 'Confirmed') {
    decision.events.push({ type: 'Normal', reason: 'FaultInjected', message: `${fault} by ${whose}`, pod: target });
  }
  if (next.state === 'Failed') {
    decision.events.push({
      type: 'Warning',
      reason: 'FaultFailed',
      message: `${fault} by ${whose}: ${next.message}`,
      pod: target,
    });
  }
}
