import type { Taint } from './cluster.js';

/** What a step does to the cluster, as far as that can be foretold. */
export type Effect = PodEffect | NodeEffect | WorkloadEffect;

/** Pods that are taken out of service. */
export interface PodEffect {
  on: 'pods';
  uids: readonly string[];
  /**
   * `deleted`: gone, and made anew elsewhere by their controllers; `evicted`: the same, as far as disruption budgets allow;
   * `outOfService`: it stays where it is and is not Ready for a while.
   */
  how: 'deleted' | 'evicted' | 'outOfService';
  /** Disruption budgets are what is tested: it is meant that they hold one back. */
  expectsBudget?: true;
}

/** A node that takes no more pods, or not those it took. */
export interface NodeEffect {
  on: 'node';
  name: string;
  unschedulable?: boolean;
  taints?: readonly Taint[];
  /** How long it lasts, in seconds: pods may put up with a taint for a while. */
  seconds: number;
}

/** A workload that is scaled, or whose pods are all made anew by a rollout. */
export interface WorkloadEffect {
  on: 'workload';
  namespace: string;
  /** As `Deployment/web`. */
  workload: string;
  /** A number, or a percentage of the replicas it has, rounded down; undefined: it is rolled out anew. */
  to?: { count: number } | { percent: number };
}
