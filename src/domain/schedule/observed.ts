import type { Experiment, ExperimentStatus } from '../../api/experiment.js';
import type { RunSpec } from '../../api/experiment-run.js';
import type { Calendar } from '../calendar.js';
import type { DomainEvent } from '../observed.js';

/** What a schedule looks at in a run of its experiment, live or finished. */
export interface KnownRun {
  name: string;
  uid: string;
  trigger: RunSpec['trigger'];
  /** The due time it was started for. Milliseconds since the epoch. */
  scheduledTime?: number;
  /** It was made by the controller for this very experiment, and not for an older one of the same name. */
  owned: boolean;
  /** It is not over yet, or something of it may be left. */
  active: boolean;
  /** It is told to end, or is being deleted. */
  ending: boolean;
  /** How it ended; `''` while it has not. */
  verdict: string;
  reason: string;
  /** As in its status; `''` while it has not ended. */
  finishTime: string;
}

/** Everything a decision about an experiment may look at. */
export interface ScheduleObserved {
  experiment: Experiment;
  /** What is wrong with its spec, in words. */
  problems: readonly string[];
  /** The runs of its namespace that say that they belong to it. */
  runs: readonly KnownRun[];
  /** The policies that halt everything now, in words. */
  halts: readonly string[];
  /** The windows and freezes of policies. */
  policies: readonly Calendar[];
  /** What of `startWhen` does not hold, in words; undefined while that is not known. */
  unready?: readonly string[];
  /** Names of runs to be started that something else has taken. */
  taken?: ReadonlySet<string>;
}

/** Something to be done. The same action can be done again without harm: a run's name is its lock. */
export type ScheduleAction =
  | { do: 'create'; name: string; trigger: 'Schedule' | 'RunNow'; due?: number; start: number }
  | { do: 'abort'; name: string; uid: string; reason: string }
  | { do: 'delete'; name: string; uid: string };

/**
 * What to do about an experiment. The actions come first, in order; only when all of them succeeded is `status` written,
 * and events are sent after that.
 */
export interface ScheduleDecision {
  actions: ScheduleAction[];
  status: ExperimentStatus;
  events: DomainEvent[];
  /** A run is to be started as soon as it is known whether `startWhen` holds: find out, and decide again. */
  asksReadiness: boolean;
  /** When to look again although nothing has changed, in milliseconds since the epoch. */
  wakeAt: number | undefined;
}
