import { isCertainlyOff, type Target, type TargetStatus } from '../api/injection.js';
import { shortened } from './draft.js';
import type { Attempt, InjectionObserved, Preparation, Sighting } from './injection-observed.js';
import { entered, type Next, spared } from './target-entry.js';

/** What is recorded of a target must fit into its status. */
const MAX_UNDO = 8_192;
const MAX_CONFLICT = 256;

const TAKEN_BACK_FIRST = 'the fault was taken back first';
const WENT_AWAY = 'it went away, and the fault with it';

/**
 * Decides about one target of a fault that goes through the API server and has to be taken back. What was there before is
 * recorded together with the intent, so both are durable before the first effect:
 *
 *     (nothing) ─ prepared ─▶ Applying + undo ─ applied ─▶ Confirmed ─ seen ─▶ Effective
 *         │                      │ changed: prepared anew      │ somebody else took it away: said, never fought over
 *         ├─▶ Missed, Refused ◀──┴─▶ Failed ─┐                 │
 *         └─ gone, held                      └─ wanted back ───┴─▶ Reverted, with what was left in conflict
 *
 * @param wanted what is to become of the injection
 * @param now milliseconds since the epoch, in API-server time
 */
export function decideLasting(
  observed: InjectionObserved,
  target: Target,
  before: TargetStatus | undefined,
  wanted: 'Apply' | 'Revert',
  now: number,
): Next {
  if (wanted === 'Revert') return backward(observed, target, before, now);
  switch (before?.state) {
    case undefined:
      return begin(observed, target, now);
    case 'Applying':
      return applying(observed, target, before, now);
    case 'Confirmed':
    case 'Effective':
      return held(observed, target, before, now);
    default:
      return { entry: before };
  }
}

function begin({ present, prepared, stopping }: InjectionObserved, target: Target, now: number): Next {
  if (!present || stopping) return { entry: undefined };
  const missed = spared(target, present.get(target.uid), now);
  if (missed) return { entry: missed };
  const preparation = prepared.get(target.uid);
  return preparation
    ? { entry: intended(target, undefined, preparation, now) }
    : { entry: undefined, action: 'prepare' };
}

/** The intent, with what was there before; or why there can be none. */
function intended(
  target: Target,
  before: TargetStatus | undefined,
  preparation: Preparation,
  now: number,
): TargetStatus {
  if (preparation.result === 'gone') return entered(target, before, 'Missed', now, 'was gone before the fault');
  if (preparation.result === 'refused') {
    return entered(target, before, preparation.partly ? 'Failed' : 'Refused', now, preparation.message);
  }
  const { undo } = preparation;
  if (undo.length > MAX_UNDO) {
    const message = `what would have to be restored takes ${undo.length} characters, and ${MAX_UNDO} can be recorded`;
    return entered(target, before, 'Refused', now, message);
  }
  return { ...entered(target, before, 'Applying', now), undo };
}

function applying(observed: InjectionObserved, target: Target, before: TargetStatus, now: number): Next {
  const { present, certain, stopping, outcomes, prepared } = observed;
  const outcome = outcomes.get(target.uid);
  if (outcome?.result === 'changed') {
    const preparation = prepared.get(target.uid);
    if (!preparation) return { entry: before, action: 'prepare' };
    if (preparation.result === 'gone' && !certain)
      return { entry: entered(target, before, 'Reverted', now, WENT_AWAY) };
    return { entry: intended(target, before, preparation, now) };
  }
  if (outcome) return { entry: attempted(target, before, outcome, certain, now) };
  if (!present) return { entry: before };
  const instead = spared(target, present.get(target.uid), now);
  if (instead && certain) return { entry: instead };
  // An attempt that nobody knows the outcome of may have put it on.
  if (instead) return takeBack(observed, target, before, now);
  return { entry: before, ...(!stopping && { action: 'apply' }) };
}

function attempted(
  target: Target,
  before: TargetStatus,
  outcome: Exclude<Attempt, { result: 'changed' }>,
  certain: boolean,
  now: number,
): TargetStatus {
  switch (outcome.result) {
    case 'done':
      return entered(target, before, 'Confirmed', now);
    case 'gone':
      if (certain) return entered(target, before, 'Missed', now, 'was gone before the fault');
      return entered(target, before, 'Reverted', now, WENT_AWAY);
    case 'refused':
      return entered(target, before, certain && !outcome.partly ? 'Refused' : 'Failed', now, outcome.message);
  }
}

function held({ sightings }: InjectionObserved, target: Target, before: TargetStatus, now: number): Next {
  const seen = sightings.get(target.uid);
  if (!seen) return { entry: before, action: 'inspect' };
  if (seen.gone) return { entry: entered(target, before, 'Reverted', now, WENT_AWAY) };
  const entry = sighted(target, before, seen, now);
  return { entry: seen.refused ? entered(target, entry, 'Failed', now, seen.refused) : entry };
}

/** What somebody else takes away is not put back: two who fight over a field would never end. */
function sighted(target: Target, before: TargetStatus, seen: Sighting, now: number): TargetStatus {
  const isEffective = before.effective === true || before.state === 'Effective' || seen.effective;
  const entry = entered(target, before, seen.on && isEffective ? 'Effective' : 'Confirmed', now, before.message);
  const { progress = before.progress } = seen;
  const conflict = seen.on
    ? before.conflict
    : shortened(`${seen.instead}: somebody else took the fault away`, MAX_CONFLICT);
  const isNews =
    entry !== before ||
    isEffective !== (before.effective ?? false) ||
    JSON.stringify(progress) !== JSON.stringify(before.progress) ||
    conflict !== before.conflict;
  if (!isNews) return before;
  return {
    ...entry,
    ...(isEffective && { effective: true }),
    ...(progress && { progress }),
    ...(conflict !== undefined && { conflict }),
    ...(!seen.on && { drifts: before.drifts ?? 1 }),
  };
}

function backward(observed: InjectionObserved, target: Target, before: TargetStatus | undefined, now: number): Next {
  if (before === undefined) return { entry: entered(target, before, 'Missed', now, TAKEN_BACK_FIRST) };
  if (isCertainlyOff(before.state)) return { entry: before };
  const isUntouched = before.state === 'Applying' && observed.certain && !observed.outcomes.has(target.uid);
  if (isUntouched) return { entry: entered(target, before, 'Missed', now, TAKEN_BACK_FIRST) };
  return takeBack(observed, target, before, now);
}

function takeBack({ undone }: InjectionObserved, target: Target, before: TargetStatus, now: number): Next {
  const outcome = undone.get(target.uid);
  if (!outcome) return { entry: before, action: 'revert' };
  if (outcome.result === 'refused') return { entry: entered(target, before, 'Failed', now, outcome.message) };
  const entry = entered(target, before, 'Reverted', now, outcome.result === 'gone' ? WENT_AWAY : undefined);
  const { conflict, effective, progress } = outcome;
  return {
    entry: {
      ...entry,
      ...(effective && { effective }),
      ...(progress && { progress }),
      ...(conflict && { conflict: shortened(conflict, MAX_CONFLICT) }),
    },
  };
}
