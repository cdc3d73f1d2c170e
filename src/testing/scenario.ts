import type { ExperimentSpec } from '../api/experiment.js';
import type { StepFacts } from '../domain/observed.js';
import type { Replacement, SimulatedPod } from './simulated-cluster.js';
import type { ProbeProcess } from './simulated-probes.js';

/** Something that happens at a time, in milliseconds since the start; `index` picks a pod or an injection. */
export interface Happening {
  at: number;
  kind:
    | 'deletePod'
    | 'unready'
    | 'ready'
    | 'protect'
    | 'complete'
    | 'abort'
    | 'halt'
    | 'resume'
    | 'deleteRun'
    | 'deleteInjection'
    | 'crash'
    | 'outage'
    | 'away'
    | 'agentDies'
    | 'reboot'
    | 'flush';
  index: number;
}

/** Something that goes wrong with the n-th call to the API server. */
export interface Trouble {
  call: number;
  kind: 'crashBefore' | 'crashAfter' | 'unavailable' | 'noAnswer' | 'refused' | 'slow';
}

/** All of a simulation. The same scenario always goes the same way. */
export interface Scenario {
  template: ExperimentSpec;
  facts: Record<string, StepFacts>;
  seed?: number;
  pods: SimulatedPod[];
  replacement: Replacement;
  probes: Record<string, ProbeProcess>;
  happenings: Happening[];
  troubles: Trouble[];
  /** Which of the objects that can go on does, again and again from the front. */
  order: number[];
  /** Which caches lag at each look, again and again from the front. */
  lags: number[];
  podsDelay: number;
  /** By node and step, why its agent can't carry it out. */
  refusals?: Record<string, Record<string, string>>;
  /** How many targets the budget of a policy leaves room for beside other runs; left out: there is no such budget. */
  room?: number | undefined;
  /** Until when every attempt to take a fault back is refused, in milliseconds since the start. */
  stubborn: number;
}
