import type { Json, KubeObject } from '../store/types.js';
import type { ControllerContext } from './context.js';
import { isFinished } from './objects.js';
import { matchesSelector } from './selectors.js';

/** Says why a node is ruled out by where other pods are; undefined when it is not. */
export type TopologyRule = (node: KubeObject) => string | undefined;

const required = 'requiredDuringSchedulingIgnoredDuringExecution';

/**
 * The hard rules of a pod about its neighbours: required pod affinity and anti-affinity, and spread constraints with
 * `DoNotSchedule`. Soft ones are left out, and so is the anti-affinity that other pods have against this one.
 */
export function topologyRules(context: ControllerContext, pod: KubeObject): TopologyRule[] {
  const { podAffinity, podAntiAffinity }: Json = pod.spec.affinity ?? {};
  const spread: Json[] = pod.spec.topologySpreadConstraints ?? [];
  return [
    ...(podAffinity?.[required] ?? []).map((term: Json) => affinityRule(context, pod, term)),
    ...(podAntiAffinity?.[required] ?? []).map((term: Json) => antiAffinityRule(context, pod, term)),
    ...spread
      .filter((constraint) => (constraint.whenUnsatisfiable ?? 'DoNotSchedule') === 'DoNotSchedule')
      .map((constraint) => spreadRule(context, pod, constraint)),
  ];
}

function affinityRule(context: ControllerContext, pod: KubeObject, term: Json): TopologyRule {
  const counts = countByDomain(context, pod, term);
  // The first pod of a group that wants to be together has nobody to join.
  const first = counts.size === 0 && matchesSelector(term.labelSelector, pod.metadata.labels);
  return (node) => {
    const domain = node.metadata.labels?.[term.topologyKey];
    return domain !== undefined && (first || counts.has(domain))
      ? undefined
      : "node(s) didn't match pod affinity rules";
  };
}

function antiAffinityRule(context: ControllerContext, pod: KubeObject, term: Json): TopologyRule {
  const counts = countByDomain(context, pod, term);
  return (node) =>
    counts.has(node.metadata.labels?.[term.topologyKey] ?? '')
      ? "node(s) didn't match pod anti-affinity rules"
      : undefined;
}

function spreadRule(context: ControllerContext, pod: KubeObject, constraint: Json): TopologyRule {
  const { topologyKey, maxSkew = 1 } = constraint;
  const counts = countByDomain(context, pod, constraint);
  const domains = new Set(context.store.list('nodes').flatMap((node) => node.metadata.labels?.[topologyKey] ?? []));
  const fewest = Math.min(...[...domains].map((domain) => counts.get(domain) ?? 0));
  return (node) => {
    const domain = node.metadata.labels?.[topologyKey];
    const fits = domain !== undefined && (counts.get(domain) ?? 0) + 1 - fewest <= maxSkew;
    return fits ? undefined : "node(s) didn't match pod topology spread constraints";
  };
}

/** How many of the pods that a term selects are in each of its domains, such as zones; domains without any are left out. */
function countByDomain(
  { store, podsByNamespace }: ControllerContext,
  pod: KubeObject,
  term: Json,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const namespace of term.namespaces ?? [pod.metadata.namespace]) {
    for (const other of podsByNamespace.get(namespace).values()) {
      const node = store.get('nodes', undefined, other.spec.nodeName ?? '');
      const domain = node?.metadata.labels?.[term.topologyKey];
      if (domain && !isFinished(other) && matchesSelector(term.labelSelector, other.metadata.labels)) {
        counts.set(domain, (counts.get(domain) ?? 0) + 1);
      }
    }
  }
  return counts;
}
