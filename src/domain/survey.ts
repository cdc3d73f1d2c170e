import type { Target } from '../api/injection.js';
import type { SafetyPolicySpec } from '../api/safety-policy.js';

/** What one run holds of the cluster from its draw to its end, or to where a target was missed. */
export interface Reservation {
  run: { namespace: string; name: string; uid: string };
  targets: readonly Target[];
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
  /** How many more of its pods may be disrupted. */
  allowed: number;
  /** UIDs of the pods it selects. */
  pods: ReadonlySet<string>;
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

/** What was read of rights and safeguards in one look. */
export interface Survey {
  /** When the look began, in API-server time. */
  at: number;
  /** The rights that the service account lacks, each in words such as `delete pods in namespace shop (step 'lose-half')`. */
  missing: readonly string[];
  /** The service account is not there. */
  noAccount?: boolean;
  /** Kinds that probes read and the cluster does not serve, each as `Widget of example.com/v1 (probe 'x')`. */
  unknownKinds?: readonly string[];
  policies: readonly NamedPolicy[];
  disruptionBudgets: readonly DisruptionBudget[];
  workloads: readonly WorkloadFacts[];
}
