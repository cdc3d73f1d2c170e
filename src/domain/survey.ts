import type { Target } from '../api/injection.js';
import type { SafetyPolicySpec } from '../api/safety-policy.js';

/** A target that a fault is on, or may yet be put on. */
export interface HeldTarget extends Target {
  /** Which group of the run's steps it is for; those of different groups are never on at the same time. */
  group: number;
  /** The fault takes pods out of service. */
  disrupts: boolean;
}

/** What a run holds of the cluster, which nobody else may count on. */
export interface Holding {
  /** From the draw on, each until the fault is certainly off it, or over where there is nothing to take back. */
  targets: readonly HeldTarget[];
  /** What no other run may hit until this one is over, see `claimOf`. */
  claims: readonly string[];
}

/** What one run holds of the cluster. */
export interface Reservation extends Holding {
  run: { namespace: string; name: string; uid: string };
  /** The experiment it was made from, where it is known. */
  experiment?: string;
}

/** A policy by its name. */
export interface NamedPolicy {
  name: string;
  spec: SafetyPolicySpec;
}

/** What a PodDisruptionBudget allows now; see https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/pod-disruption-budget-v1/ */
export interface DisruptionBudget {
  namespace: string;
  name: string;
  /** How many more of its pods may be disrupted; 0 where that is not known. */
  allowed: number;
  /** Why it is not known how many; undefined: it is. */
  unknown?: string;
  /** UIDs of the Ready pods it selects: only these can be lost. */
  pods: ReadonlySet<string>;
}

/** A pod as safeguards look at it. */
export interface SurveyedPod {
  namespace: string;
  uid: string;
  /** `''` before it has one. */
  node: string;
  /** As `Deployment/web`; undefined: it belongs to none. */
  workload?: string;
  /** Ready, and not being deleted. */
  ready: boolean;
}

/** What is known of a workload that pods of the run belong to. */
export interface WorkloadFacts {
  namespace: string;
  /** As `Deployment/web`. */
  workload: string;
  /** How many pods it is meant to have. */
  replicas: number;
  /** How many of them are Ready. */
  ready: number;
}

/** A part of a look that costs much: `pods` with workloads and disruption budgets, or `zones`. */
export type SurveyPart = 'pods' | 'zones';

/** What was read of rights and safeguards in one look. */
export interface Survey {
  /** When the look began, in API-server time. */
  at: number;
  /** The rights that the service account lacks, each in words such as `delete pods in namespace shop (step 'lose-half')`. */
  missing: readonly string[];
  /** The service account is not there. */
  noAccount?: boolean;
  /** What the controller itself may not read for the probes, in the same words as `missing`. */
  unreadable?: readonly string[];
  /** Kinds that probes read and the cluster does not serve, each as `Widget of example.com/v1 (probe 'x')`. */
  unknownKinds?: readonly string[];
  policies: readonly NamedPolicy[];
  disruptionBudgets: readonly DisruptionBudget[];
  workloads: readonly WorkloadFacts[];
  /** The pods that disruption budgets and workloads are counted by; empty when nothing depends on them. */
  pods: readonly SurveyedPod[];
  /** The zones of nodes, by their names; empty when nothing depends on them. */
  zones: ReadonlyMap<string, string>;
  /** What was left out because no safeguard and no policy asked for it then; left out: nothing was. */
  lacks?: readonly SurveyPart[];
  /** The labels of the run's namespace. */
  namespaceLabels: Readonly<Record<string, string>>;
}
