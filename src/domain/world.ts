import { findCondition } from '../api/conditions.js';
import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import type { Injection, InjectionState, TargetState } from '../api/injection.js';

/** Something that was really done to a pod, and what was durable and visible when it was done. */
export interface Effect {
  kind: 'apply' | 'revert';
  injection: string;
  step: string;
  round: number;
  /** UID of the pod. */
  uid: string;
  /** Whether the pod was not hit before: a second deletion changes nothing. */
  fresh: boolean;
  /** Whether no agent reaches into the pod, or only that of another node. */
  unreachable: boolean;
  /** What the API server held at that moment. */
  stored: {
    state: InjectionState | undefined;
    intent: TargetState | undefined;
    /** What was there before, as recorded. */
    undo: string | undefined;
    run: ExperimentRun | undefined;
  };
  /** What whoever decided on it could see. */
  seen: { stop: boolean; protected: boolean; terminating: boolean };
}

/** A write that has just happened. */
export type Change =
  | { kind: 'run'; before: ExperimentRun | undefined; after: ExperimentRun | undefined }
  | { kind: 'injection'; bySquall: boolean; before: Injection | undefined; after: Injection | undefined };

/** All that can be observed from outside: what is stored, and what has really happened. */
export interface World {
  now: number;
  /** As last stored, also when it is gone by now. */
  run: ExperimentRun;
  runExists: boolean;
  injections: readonly Injection[];
  effects: readonly Effect[];
  /** UIDs of the pods that exist. */
  alive: ReadonlySet<string>;
  /** UIDs of those that are being deleted. */
  leaving: ReadonlySet<string>;
  /** Faults that are on at this moment. */
  active: readonly { injection: string; step: string; uid: string }[];
  /** Targets of which nobody can know whether they were hit: an attempt got no answer, or its answer was lost. */
  uncertain: ReadonlySet<string>;
  /** Whether someone has deleted injections: what they held can't be counted any more. */
  tampered: boolean;
  /** Whether a step's fault has nothing to take back. */
  oneShot: Readonly<Record<string, boolean>>;
  /** Whether agents carry out a step's fault. */
  byAgent: Readonly<Record<string, boolean>>;
  /** `step/uid` where an agent has seen that the fault takes effect. */
  bitten: ReadonlySet<string>;
  /** How many targets the budget of a policy leaves room for beside other runs; undefined: there is no such budget. */
  room: number | undefined;
  /** When a fault was last lost that nobody took back, by `injection/uid`. */
  lostAt: ReadonlyMap<string, number>;
  change: Change;
}

/** Something that must always hold. */
export interface Invariant {
  /** Those of the safety chapter are `S1` to `S7` with a letter; `L…` are rules on the status alone. */
  id: string;
  says: string;
  /** What speaks against it, in words; undefined when it holds. */
  broken(world: World): string | undefined;
}

/** Whether a condition of a status is True. */
export function holds(status: RunStatus | undefined, type: string): boolean {
  return findCondition(status?.conditions, type)?.status === 'True';
}

/** Whether a run has said that something may be left of its faults. */
export function admitsLeftovers(run: ExperimentRun): boolean {
  return (
    run.status?.findings?.some(({ reason }) => reason === 'CleanupFailed' || reason === 'CleanupUnproven') ?? false
  );
}

/** The status of a run that has just finished with this write. */
export function justFinished({ change }: World): RunStatus | undefined {
  if (change.kind !== 'run' || change.before?.status?.finishTime) return undefined;
  return change.after?.status?.finishTime ? change.after.status : undefined;
}
