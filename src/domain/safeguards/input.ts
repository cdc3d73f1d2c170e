import type { Target } from '../../api/injection.js';
import type { Safeguards, StepSafeguards } from '../../api/safeguards.js';
import type { StepFacts } from '../observed.js';
import type { Reservation, Survey } from '../survey.js';

/** What of a step's fault decides what it costs. */
export type SafetyFacts = Pick<StepFacts, 'fault' | 'disrupts' | 'evicts' | 'removesPods' | 'scalesTo'>;

/** A step with what it is about to be put on, and what it is on already. */
export interface SafetyStep {
  name: string;
  facts: SafetyFacts;
  /** Steps of one group are on at the same time; those of different groups never are. */
  group: number;
  safeguards?: StepSafeguards | undefined;
  /** What it is about to be put on. */
  targets: readonly Target[];
  /** What it is on, or may yet be put on, from what was drawn before. */
  on: readonly Target[];
  /** UIDs of those of `on` that are gone, such as pods that were killed. */
  gone: ReadonlySet<string>;
  /** UIDs of all that were ever drawn for it and not missed. */
  drawn: ReadonlySet<string>;
}

/** What was read of the cluster for safeguards. */
export type SafetyFactsRead = Pick<Survey, 'policies' | 'disruptionBudgets' | 'workloads' | 'pods' | 'zones'>;

/** All that safeguards look at. */
export interface SafetyInput extends SafetyFactsRead {
  /** Of the run. */
  namespace: string;
  /** In milliseconds since the epoch. */
  now: number;
  /** The run is about to start, so that windows, freezes and the other runs' workloads count. */
  starting: boolean;
  steps: readonly SafetyStep[];
  /** Of the run. */
  safeguards?: Safeguards | undefined;
  /** What all other runs hold. */
  reservations: readonly Reservation[];
}

/** Why something must not be hit. */
export interface Refusal {
  /** What refuses it, such as `safeguards.maxTargets of step 'kill'` or `SafetyPolicy 'prod' budgets[per=Namespace]`. */
  by: string;
  /** For people, in a sentence without a full stop. */
  message: string;
}
