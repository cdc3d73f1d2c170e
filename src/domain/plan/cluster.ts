import type { LabelSelector } from '../../api/selector.js';

/** Amounts by the name of the resource, such as `cpu` in cores and `memory` in bytes. */
export type Amounts = Readonly<Record<string, number>>;

/** A taint of a node; see https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

/** What a pod puts up with. Without `key` all keys, without `effect` all effects. */
export interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
  /** Whole seconds that a taint with `NoExecute` is put up with; undefined: for good. */
  tolerationSeconds?: number;
}

/** One requirement of a node selector; unlike label selectors it also knows `Gt` and `Lt`. */
export interface NodeRequirement {
  key: string;
  operator: string;
  values?: readonly string[];
}

/** Alternatives, of which one must hold whole. */
export interface NodeTerm {
  matchExpressions?: readonly NodeRequirement[];
  matchFields?: readonly NodeRequirement[];
}

/** A hard rule about the neighbours of a pod: to be with, or not to be with, the pods that are selected. */
export interface NeighbourTerm {
  topologyKey: string;
  labelSelector?: LabelSelector;
  namespaces?: readonly string[];
  namespaceSelector?: LabelSelector;
  matchLabelKeys?: readonly string[];
}

/** A constraint on how evenly pods are spread; see KEP-895. */
export interface SpreadTerm {
  topologyKey: string;
  maxSkew: number;
  minDomains?: number;
  labelSelector?: LabelSelector;
  matchLabelKeys?: readonly string[];
}

/** What decides where a pod may run. Only hard rules: soft ones never keep a pod from running. */
export interface Placing {
  requests: Amounts;
  tolerations: readonly Toleration[];
  nodeSelector: Readonly<Record<string, string>>;
  /** Undefined: no required node affinity. */
  nodeTerms?: readonly NodeTerm[];
  affinity: readonly NeighbourTerm[];
  antiAffinity: readonly NeighbourTerm[];
  spread: readonly SpreadTerm[];
}

/** A pod as far as a plan looks at it. */
export interface PodView {
  namespace: string;
  name: string;
  uid: string;
  createdAt: number;
  labels: Readonly<Record<string, string>>;
  /** `''` before it has one. */
  node: string;
  /** As `Deployment/web`; undefined: it belongs to none. */
  workload?: string;
  ready: boolean;
  terminating: boolean;
  completed: boolean;
  /** A controller makes another one for it, anywhere. */
  replaced: boolean;
  placing: Placing;
}

/** A node as far as a plan looks at it. */
export interface NodeView {
  name: string;
  uid: string;
  zone?: string;
  labels: Readonly<Record<string, string>>;
  ready: boolean;
  unschedulable: boolean;
  taints: readonly Taint[];
  allocatable: Amounts;
}

/** A workload as far as a plan looks at it. */
export interface WorkloadView {
  namespace: string;
  /** As `Deployment/web`. */
  workload: string;
  /** How many pods it is meant to have. */
  replicas: number;
  /** How many of its pods a rollout takes out of service at the same time, at most. */
  rolledAtOnce: number;
}

/** A PodDisruptionBudget and what its status says. */
export interface BudgetView {
  namespace: string;
  name: string;
  /** Undefined: it selects no pods. */
  selector?: LabelSelector;
  healthy: number;
  desired: number;
  allowed: number;
}

/** A Service and the UIDs of the Ready pods behind it. */
export interface ServiceView {
  namespace: string;
  name: string;
  ready: readonly string[];
}

/** All of a cluster that a prediction looks at. */
export interface ClusterView {
  pods: readonly PodView[];
  nodes: readonly NodeView[];
  workloads: readonly WorkloadView[];
  budgets: readonly BudgetView[];
  services: readonly ServiceView[];
  /** Labels of namespaces by their name. */
  namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Why it can't be said where pods would fit, in words; undefined: it can. */
  placementUnknown?: string;
}
