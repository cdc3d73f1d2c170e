import { selects } from '../../api/selector.js';
import type { DisruptionBudget, SurveyedPod, WorkloadFacts } from '../../domain/survey.js';
import type { Json, KubeObject } from '../../kubernetes/resource.js';
import { projectPod } from '../projections.js';

/** A pod with what disruption budgets select it by. */
export interface LabelledPod extends SurveyedPod {
  labels: Readonly<Record<string, string>>;
}

/** A pod as safeguards look at it; undefined for one that has ended. */
export function surveyedPod(object: KubeObject): LabelledPod | undefined {
  const { namespace, uid, node, workload, ready, terminating, completed, labels = {} } = projectPod(object);
  if (completed) return undefined;
  return { namespace, uid, node, ready: ready && !terminating, labels, ...(workload !== undefined && { workload }) };
}

/**
 * What a PodDisruptionBudget (`policy/v1`) allows now. Its status may be a moment old, so that of what it says and what
 * the pods say the less counts; one that was not made for the present spec allows nothing.
 */
export function disruptionBudget(
  { metadata, spec, status }: KubeObject,
  pods: readonly LabelledPod[],
): DisruptionBudget {
  const { namespace = '', name = '', generation } = metadata;
  const selector = spec?.selector;
  // No selector picks nothing, an empty one everything in the namespace.
  const isSelected = (pod: LabelledPod) => pod.namespace === namespace && selects(selector, pod.labels);
  const ready = selector ? pods.filter((pod) => pod.ready && isSelected(pod)) : [];
  const found = { namespace, name, pods: new Set(ready.map(({ uid }) => uid)) };
  const unknown = unknownBecause(status, generation);
  if (unknown !== undefined) return { ...found, allowed: 0, unknown };
  const spare = ready.length - (status.desiredHealthy ?? 0);
  return { ...found, allowed: Math.max(0, Math.min(status.disruptionsAllowed, spare)) };
}

function unknownBecause(status: Json, generation: number | undefined): string | undefined {
  if (typeof status?.disruptionsAllowed !== 'number') return 'it has no status yet';
  if ((status.observedGeneration ?? 0) < (generation ?? 0)) return 'its status is older than its spec';
  return undefined;
}

/**
 * What is known of workloads, by the pods that belong to them. `replicas` holds how many pods each is meant to have, by
 * its namespace and name as `shop/Deployment/web`; of those it leaves out, all that are there are meant.
 */
export function workloadFacts(
  pods: readonly SurveyedPod[],
  replicas: ReadonlyMap<string, number> = new Map(),
): WorkloadFacts[] {
  const found = new Map<string, WorkloadFacts>();
  for (const { namespace, workload, ready } of pods) {
    if (workload === undefined) continue;
    const key = `${namespace}/${workload}`;
    const facts = found.get(key) ?? { namespace, workload, replicas: 0, ready: 0 };
    facts.replicas = replicas.get(key) ?? facts.replicas + 1;
    facts.ready += Number(ready);
    found.set(key, facts);
  }
  return [...found.values()];
}

/** How many pods a Deployment, StatefulSet, ReplicaSet or DaemonSet is meant to have. */
export function replicasOf({ kind, spec, status }: KubeObject): number {
  return kind === 'DaemonSet' ? (status?.desiredNumberScheduled ?? 0) : (spec?.replicas ?? 1);
}
