import type { Target, TargetStatus } from '../api/injection.js';
import type { InjectionDecision, InjectionObserved, PresentTarget } from './injection-observed.js';
import { decideLasting } from './lasting-injection.js';
import type { DomainEvent } from './observed.js';
import { isClean } from './progress.js';
import { entered, type Next, spared } from './target-entry.js';

/** How soon a fault that could not be taken back is tried again. */
export const REVERT_RETRY_MILLISECONDS = 5_000;
/** How soon a target is prepared again that changed all the while. */
const PREPARE_RETRY_MILLISECONDS = 250;

/**
 * Decides what to do about an injection whose effects go through the API server. For every target the intent
 * (`Applying`) is durable before the effect is asked for, and the UID keeps anything else from being hit. Of a fault that
 * is over once it happened:
 *
 *     (nothing) ─▶ Applying ─ asked for ─▶ Confirmed ─ UID is gone, or it shows ─▶ Effective
 *         └──────────┴─ gone, or taken back first ─▶ Missed
 *
 * `decideLasting` says the same of one that has to be taken back.
 */
export function decideInjection(observed: InjectionObserved, now: number): InjectionDecision {
  const { injection, runIsLive, oneShot } = observed;
  const status = structuredClone(injection.status ?? {});
  const decision: InjectionDecision = { status, actions: [], events: [], ...nextLook(observed, now) };
  if (!runIsLive && injection.spec.state !== 'Revert') {
    // An effect that no live run owns: nobody else would take it back.
    decision.actions.push({ do: 'setInjectionState', state: 'Revert' });
    return decision;
  }
  const known = new Map(injection.status?.targets?.map((target) => [target.uid, target]));
  const targets: TargetStatus[] = [];
  for (const target of injection.spec.targets) {
    const before = known.get(target.uid);
    const { entry, action } = nextFor(observed, target, before, now);
    if (action) decision.actions.push({ do: action, target });
    if (entry) targets.push(entry);
    if (entry !== before) note(decision, observed, target, before, entry);
  }
  if (targets.length > 0) decision.status.targets = targets;
  if (!runIsLive && isClean(injection, oneShot)) decision.actions.push({ do: 'deleteInjection' });
  return decision;
}

function nextLook({ undone, outcomes, sightings }: InjectionObserved, now: number): { wakeAt?: number } {
  const times = [...sightings.values()].map(({ wakeAt }) => wakeAt);
  if ([...undone.values()].some(({ result }) => result === 'refused')) times.push(now + REVERT_RETRY_MILLISECONDS);
  if ([...outcomes.values()].some(({ result }) => result === 'changed')) times.push(now + PREPARE_RETRY_MILLISECONDS);
  return times.length > 0 ? { wakeAt: Math.min(...times) } : {};
}

function nextFor(observed: InjectionObserved, target: Target, before: TargetStatus | undefined, now: number): Next {
  const { metadata, spec } = observed.injection;
  // Someone wants it gone: that means taken back, and its finalizer keeps it until that is done.
  const wanted = metadata.deletionTimestamp ? 'Revert' : spec.state;
  if (wanted === 'Pending') return { entry: before };
  if (!observed.oneShot) return decideLasting(observed, target, before, wanted, now);
  return wanted === 'Apply' ? forward(observed, target, before, now) : settle(observed, target, before, now);
}

function podOf({ present }: InjectionObserved, { uid }: Target): PresentTarget | undefined {
  return present?.get(uid);
}

function forward(observed: InjectionObserved, target: Target, before: TargetStatus | undefined, now: number): Next {
  const { present, stopping } = observed;
  if (!present) return { entry: before };
  const pod = podOf(observed, target);
  if (before === undefined) {
    return { entry: stopping ? before : (spared(target, pod, now) ?? entered(target, before, 'Applying', now)) };
  }
  if (before.state === 'Applying') return apply(observed, target, before, now);
  return before.state === 'Confirmed' ? awaitEffect(observed, target, before, now) : { entry: before };
}

function awaitEffect(observed: InjectionObserved, target: Target, before: TargetStatus, now: number): Next {
  const seen = observed.sightings.get(target.uid);
  if (observed.shows && !seen) return { entry: before, action: 'inspect' };
  const isEffective = observed.shows ? seen?.effective : observed.present && !podOf(observed, target);
  return { entry: isEffective ? entered(target, before, 'Effective', now) : before };
}

function attempt(observed: InjectionObserved, target: Target, before: TargetStatus, now: number): Next {
  const pod = podOf(observed, target);
  const instead = observed.certain || pod?.protected ? spared(target, pod, now) : undefined;
  // What is protected and on its way out may have been hit by an attempt nobody knows the outcome of.
  if (instead)
    return { entry: observed.certain || !pod?.terminating ? instead : entered(target, before, 'Confirmed', now) };
  return { entry: before, ...(!observed.stopping && { action: 'apply' }) };
}

function apply(observed: InjectionObserved, target: Target, before: TargetStatus, now: number): Next {
  const pod = podOf(observed, target);
  const outcome = observed.outcomes.get(target.uid);
  if (!outcome || outcome.result === 'changed') return attempt(observed, target, before, now);
  if (outcome.result === 'done') return { entry: entered(target, before, 'Confirmed', now) };
  const mayBeHit = !observed.certain && (!pod || pod.terminating);
  if (outcome.result === 'refused' && !mayBeHit)
    return { entry: entered(target, before, 'Failed', now, outcome.message) };
  if (observed.certain) return { entry: entered(target, before, 'Missed', now, 'was gone before the fault') };
  const message = 'was gone when the controller came back; it had been about to be hit';
  return { entry: entered(target, before, 'Confirmed', now, message) };
}

/** A one-shot fault has nothing to take back; what is settled here is whether an open intent was carried out. */
function settle(observed: InjectionObserved, target: Target, before: TargetStatus | undefined, now: number): Next {
  const { present, certain, shows } = observed;
  const missed = () => ({ entry: entered(target, before, 'Missed', now, 'the fault was taken back first') });
  if (before === undefined) return missed();
  if (before.state === 'Confirmed') return awaitEffect(observed, target, before, now);
  if (before.state !== 'Applying') return { entry: before };
  const done = observed.outcomes.get(target.uid)?.result === 'done';
  if (done) return { entry: entered(target, before, 'Confirmed', now) };
  if (shows && !certain) {
    const seen = observed.sightings.get(target.uid);
    if (!seen) return { entry: before, action: 'inspect' };
    return seen.on ? { entry: entered(target, before, 'Confirmed', now) } : missed();
  }
  if (!present && !shows) return { entry: before };
  const pod = podOf(observed, target);
  if (!shows && (!pod || pod.terminating) && !certain) return { entry: entered(target, before, 'Confirmed', now) };
  return missed();
}

function note(
  decision: InjectionDecision,
  { injection, fault }: InjectionObserved,
  target: Target,
  before: TargetStatus | undefined,
  entry: TargetStatus | undefined,
): void {
  const { run, step } = injection.spec;
  const whose = `${fault} by step '${step}' of run ${run.namespace}/${run.name}`;
  const tell = (type: DomainEvent['type'], reason: string, message: string) =>
    decision.events.push({ type, reason, message, pod: target });
  if (entry?.state === 'Confirmed' && before?.state === 'Applying') tell('Normal', 'FaultInjected', whose);
  if (entry?.state === 'Failed' && entry.message !== before?.message)
    tell('Warning', 'FaultFailed', `${whose}: ${entry.message}`);
  if (entry?.conflict && entry.conflict !== before?.conflict)
    tell('Warning', 'FaultConflict', `${whose}: ${entry.conflict}`);
}
