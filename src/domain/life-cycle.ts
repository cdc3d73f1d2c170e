import { type Injection, type InjectionStatus, isCertainlyOff, type TargetStatus } from '../api/injection.js';
import { timestamp } from './draft.js';
import { isClean } from './progress.js';

/** How long an agent may take to say that a fault is off before other proof is looked for. */
export const PROOF_MILLISECONDS = 10_000;

/** All that `decideLifeCycle` may look at. */
export interface LifeCycleObserved {
  injection: Injection;
  oneShot: boolean;
  /** Whether the run it belongs to is there and has not finished. */
  runIsLive: boolean;
  /** For how long its fault has been wanted back, as far as this process knows, in milliseconds. */
  waited: number;
  /** The boot id that the node has now; undefined while that is not known. */
  bootId?: string;
}

/** What the controller does about an injection that an agent carries out. The actions come first. */
export interface LifeCycleDecision {
  /** Written only if the injection has not changed meanwhile: the agent may know better. */
  status: InjectionStatus;
  actions: ({ do: 'setInjectionState'; state: 'Revert' } | { do: 'deleteInjection' })[];
  /** Whether the boot id of its node would help. */
  needsBootId: boolean;
  /** When to look again though nothing changed, in milliseconds from now. */
  after?: number;
}

/**
 * Decides what the controller does about an injection whose fault an agent puts on and takes back. Only the agent knows
 * how far that is, with two exceptions when it does not answer: what it has not recorded an intent for can't be on any
 * more, because it may not act before that and may not record one now; and nothing outlives a boot of the node.
 *
 * @param now milliseconds since the epoch, in API-server time
 */
export function decideLifeCycle(observed: LifeCycleObserved, now: number): LifeCycleDecision {
  const { injection, oneShot, runIsLive, waited } = observed;
  const { spec, metadata } = injection;
  const decision: LifeCycleDecision = { status: injection.status ?? {}, actions: [], needsBootId: false };
  if (!runIsLive && spec.state !== 'Revert') {
    // An effect that no live run owns: nobody else would have it taken back.
    decision.actions.push({ do: 'setInjectionState', state: 'Revert' });
    return decision;
  }
  if (isClean(injection, oneShot)) {
    if (!runIsLive) decision.actions.push({ do: 'deleteInjection' });
    return decision;
  }
  if (spec.state !== 'Revert' && !metadata.deletionTimestamp) return decision;
  if (waited < PROOF_MILLISECONDS) return { ...decision, after: PROOF_MILLISECONDS - waited };
  const targets = proven(observed, now);
  if (targets.length > 0) decision.status = { ...decision.status, targets };
  return { ...decision, needsBootId: spec.bootId !== undefined, after: PROOF_MILLISECONDS };
}

function proven({ injection, bootId }: LifeCycleObserved, now: number): TargetStatus[] {
  const { spec, status } = injection;
  const isOtherBoot = bootId !== undefined && spec.bootId !== undefined && bootId !== spec.bootId;
  const known = new Map(status?.targets?.map((target) => [target.uid, target]));
  const time = timestamp(now);
  return spec.targets.map(({ uid }) => {
    const before = known.get(uid);
    if (!before) return { uid, state: 'Missed', time, message: 'the fault was taken back first' };
    if (isCertainlyOff(before.state) || !isOtherBoot) return before;
    return {
      ...before,
      state: 'Reverted',
      time,
      message: 'the node has been started again, and the fault went with that',
    };
  });
}
