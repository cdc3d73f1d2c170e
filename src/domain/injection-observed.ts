import type { Injection, InjectionStatus, Target, TargetStatus } from '../api/injection.js';
import type { DomainEvent } from './observed.js';

/** What came of asking for an effect, or for its end, on one target. `partly`: a part of it is on nevertheless. */
export type Outcome =
  | { result: 'done' }
  | { result: 'gone' }
  | { result: 'refused'; message: string; partly?: boolean };

/** What came of asking for an effect; `changed`: what was recorded of before is not true any more, so that it was not done. */
export type Attempt = Outcome | { result: 'changed' };

/**
 * What came of asking for an end; `conflict` says what was left as somebody else has made it, `effective` that the fault
 * was seen in effect until then, and `progress` how far it had come.
 */
export type Undone = Outcome & {
  conflict?: string;
  effective?: boolean;
  progress?: NonNullable<TargetStatus['progress']>;
};

/** What has to be recorded before an effect, or why there can be none. */
export type Preparation = { result: 'ready'; undo: string } | Exclude<Outcome, { result: 'done' }>;

/** What a look at a target that a fault is on has shown. */
export interface Sighting {
  /** The target is not there any more. */
  gone?: boolean;
  /** The fault is on it; `false` when somebody else has taken it away. */
  on: boolean;
  /** What somebody else has made of it, in words, when it is not on. */
  instead?: string;
  /** It was seen to have the effect that the fault promises. */
  effective: boolean;
  progress?: NonNullable<TargetStatus['progress']>;
  /** Why it can't be gone on with, when it takes its time. */
  refused?: string;
  /** When the next look is due, in API-server time. */
  wakeAt: number;
}

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
  /** Whether its effect shows on the target; otherwise it is that the target is gone. Faults that last always show. */
  shows: boolean;
  /** Whether the run it belongs to is there and has not finished. */
  runIsLive: boolean;
  /** Whether nothing more may be hit, even before the run has been decided on again; see `isStopping`. */
  stopping: boolean;
  /**
   * By UID, those of the targets that exist; undefined until that is known. When an attempt got no answer, they must
   * have been read after it.
   */
  present: ReadonlyMap<string, PresentTarget> | undefined;
  /** By UID, what this process has read of what is there before the effect; only of what is not recorded yet. */
  prepared: ReadonlyMap<string, Preparation>;
  /** By UID, what this process's own attempts to apply came to. */
  outcomes: ReadonlyMap<string, Attempt>;
  /** By UID, what this process's own attempts to take back came to. */
  undone: ReadonlyMap<string, Undone>;
  /** By UID, what looks have shown that are not too old; what is not in here is looked at. */
  sightings: ReadonlyMap<string, Sighting>;
  /** Whether nothing but what `outcomes` says can have been done: false after a restart, or when an attempt got no answer. */
  certain: boolean;
}

/** Something to do to one target. Doing it twice is doing it once. */
export interface TargetAction {
  do: 'prepare' | 'apply' | 'inspect' | 'revert';
  target: Target;
}

/** Something to do for an injection. Doing it twice is doing it once. */
export type InjectionAction = TargetAction | { do: 'setInjectionState'; state: 'Revert' } | { do: 'deleteInjection' };

/** What to do about an injection; the actions come first, and their outcomes go into a second call before the status is written. */
export interface InjectionDecision {
  status: InjectionStatus;
  actions: InjectionAction[];
  events: DomainEvent[];
  /** When to look again though nothing changed, in API-server time. */
  wakeAt?: number;
}
