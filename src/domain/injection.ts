import type { Injection, InjectionStatus, Target, TargetState, TargetStatus } from '../api/injection.js';
import { shortened, timestamp } from './draft.js';
import type { DomainEvent } from './observed.js';
import { isClean } from './progress.js';

/** What came of asking for an effect, or for its end, on one target. */
export type Outcome = { result: 'done' } | { result: 'gone' } | { result: 'refused'; message: string };

/** What of a target is known now. */
export interface PresentTarget {
  terminating: boolean;
  /** It must never be hit. */
  protected: boolean;
}

/** All that `decideInjection` may look at. */
export interface InjectionObserved {
  injection: Injection;
  fault: string;
  oneShot: boolean;
  /** Whether the run it belongs to is there and has not finished. */
  runIsLive: boolean;
  /** Whether nothing more may be hit, even before the run has been decided on again; see `isStopping`. */
  stopping: boolean;
  /**
   * By UID, those of the targets that exist; undefined until that is known. When an attempt got no answer, they must
   * have been read after it.
   */
  present: ReadonlyMap<string, PresentTarget> | undefined;
  /** By UID, what this process's own attempts to apply came to. */
  outcomes: ReadonlyMap<string, Outcome>;
  /** By UID, what this process's own attempts to take back came to. */
  undone: ReadonlyMap<string, Outcome>;
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
  /** When to look again though nothing changed, in API-server time. */
  wakeAt?: number;
}

/** How soon a fault that could not be taken back is tried again. */
export const REVERT_RETRY_MILLISECONDS = 5_000;

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
  const status = structuredClone(injection.status ?? {});
  const decision: InjectionDecision = { status, actions: [], events: [], ...retry(observed, now) };
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
    const entry = before?.state === next.state ? before : entered(target, next, now);
    if (entry) targets.push(entry);
    if (entry !== before) note(decision, observed, target, next);
  }
  if (targets.length > 0) decision.status.targets = targets;
  if (!runIsLive && isClean(injection, oneShot)) decision.actions.push({ do: 'deleteInjection' });
  return decision;
}

function retry({ undone }: InjectionObserved, now: number): { wakeAt?: number } {
  const isRefused = [...undone.values()].some(({ result }) => result === 'refused');
  return isRefused ? { wakeAt: now + REVERT_RETRY_MILLISECONDS } : {};
}

function entered(target: Target, next: Next, now: number): TargetStatus | undefined {
  if (!next.state) return undefined;
  return {
    uid: target.uid,
    state: next.state,
    time: timestamp(now),
    ...(next.message && { message: shortened(next.message, 256) }),
  };
}

function nextFor(observed: InjectionObserved, target: Target, state: TargetState | undefined): Next {
  const { metadata, spec } = observed.injection;
  // Someone wants it gone: that means taken back, and its finalizer keeps it until that is done.
  switch (metadata.deletionTimestamp ? 'Revert' : spec.state) {
    case 'Pending':
      return { state };
    case 'Apply':
      return forward(observed, target, state);
    case 'Revert':
      return observed.oneShot ? settle(observed, target, state) : backward(observed, target, state);
  }
}

function forward(observed: InjectionObserved, target: Target, state: TargetState | undefined): Next {
  if (!observed.present) return { state };
  const pod = observed.present.get(target.uid);
  if (state === undefined) return observed.stopping ? { state } : (spared(pod) ?? { state: 'Applying' });
  if (state === 'Applying') return apply(observed, target, pod);
  if (state === 'Confirmed' && !pod && observed.oneShot) return { state: 'Effective' };
  return { state };
}

/** Why a target that nothing was done to yet is not to be hit any more. */
function spared(pod: PresentTarget | undefined): Next | undefined {
  if (!pod || pod.terminating) return { state: 'Missed', message: 'was gone before the fault' };
  return pod.protected ? { state: 'Missed', message: 'was protected before the fault' } : undefined;
}

function attempt(observed: InjectionObserved, target: Target, pod: PresentTarget | undefined): Next {
  const instead = observed.certain || pod?.protected ? spared(pod) : undefined;
  // What is protected and on its way out may have been hit by an attempt nobody knows the outcome of.
  if (instead) return observed.certain || !pod?.terminating ? instead : { state: 'Confirmed' };
  return { state: 'Applying', ...(!observed.stopping && { action: { do: 'apply', target } }) };
}

function apply(observed: InjectionObserved, target: Target, pod: PresentTarget | undefined): Next {
  const outcome = observed.outcomes.get(target.uid);
  if (!outcome) return attempt(observed, target, pod);
  if (outcome.result === 'done') return { state: 'Confirmed' };
  const mayBeHit = !observed.certain && (!pod || pod.terminating);
  if (outcome.result === 'refused' && !mayBeHit) return { state: 'Failed', message: outcome.message };
  if (observed.certain) return { state: 'Missed', message: 'was gone before the fault' };
  return { state: 'Confirmed', message: 'was gone when the controller came back; it had been about to be hit' };
}

/** A one-shot fault has nothing to take back; what is settled here is whether an open intent was carried out. */
function settle(observed: InjectionObserved, target: Target, state: TargetState | undefined): Next {
  const pod = observed.present?.get(target.uid);
  if (state === undefined) return { state: 'Missed', message: 'the fault was taken back first' };
  if (state === 'Confirmed' && observed.present && !pod) return { state: 'Effective' };
  if (state !== 'Applying' || !observed.present) return { state };
  const done = observed.outcomes.get(target.uid)?.result === 'done';
  if (done || ((!pod || pod.terminating) && !observed.certain)) return { state: 'Confirmed' };
  return { state: 'Missed', message: 'the fault was taken back first' };
}

function backward(observed: InjectionObserved, target: Target, state: TargetState | undefined): Next {
  if (state === undefined) return { state: 'Missed', message: 'the fault was taken back first' };
  if (state === 'Missed' || state === 'Reverted') return { state };
  const outcome = observed.undone.get(target.uid);
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
