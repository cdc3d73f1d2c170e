import type { Json, KubeObject, Store } from '../store/types.js';
import { type ControllerContext, everywhere } from './context.js';
import { isFinished, isTerminating } from './objects.js';
import { matchesNode, untolerated } from './scheduler-rules.js';
import { matchesSelector } from './selectors.js';

/** Says why a node is ruled out by where other pods are; undefined when it is not. */
export type TopologyRule = (node: KubeObject) => string | undefined;

const required = 'requiredDuringSchedulingIgnoredDuringExecution';

/**
 * The hard rules about a pod's neighbours: required pod affinity and anti-affinity, the anti-affinity that others have
 * against it, and spread constraints with `DoNotSchedule`. Soft ones are left out.
 */
export function topologyRules(context: ControllerContext, pod: KubeObject): TopologyRule[] {
  const { podAffinity }: Json = pod.spec.affinity ?? {};
  const spread: Json[] = pod.spec.topologySpreadConstraints ?? [];
  return [
    ...(podAffinity?.[required] ?? []).map((term: Json) => affinityRule(context, pod, term)),
    ...antiAffinityTerms(pod).map((term: Json) => antiAffinityRule(context, pod, term)),
    ...othersRule(context, pod),
    ...spread
      .filter((constraint) => (constraint.whenUnsatisfiable ?? 'DoNotSchedule') === 'DoNotSchedule')
      .map((constraint) => spreadRule(context, pod, constraint)),
  ];
}

function affinityRule(context: ControllerContext, pod: KubeObject, term: Json): TopologyRule {
  const counts = countByDomain(context, pod, term);
  // The first pod of a group that wants to be together has nobody to join.
  const first = counts.size === 0 && selects(pod, term, pod);
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

/** Domains that a pod which is already there wants for itself alone. */
function othersRule({ store, podsWithAntiAffinity }: ControllerContext, pod: KubeObject): TopologyRule[] {
  const taken = new Set<string>();
  const others = [pod.metadata.namespace!, everywhere].flatMap((reach) => [
    ...podsWithAntiAffinity.get(reach).values(),
  ]);
  for (const other of others) {
    const node =
      other.spec.nodeName && !isFinished(other) ? store.get('nodes', undefined, other.spec.nodeName) : undefined;
    for (const term of node === undefined ? [] : antiAffinityTerms(other)) {
      const domain = node!.metadata.labels?.[term.topologyKey];
      if (
        domain !== undefined &&
        namespacesOf(store, other, term).includes(pod.metadata.namespace!) &&
        selects(other, term, pod)
      ) {
        taken.add(`${term.topologyKey}=${domain}`);
      }
    }
  }
  const isTaken = (node: KubeObject) =>
    Object.entries(node.metadata.labels ?? {}).some(([key, value]) => taken.has(`${key}=${value}`));
  return taken.size === 0
    ? []
    : [(node) => (isTaken(node) ? "node(s) didn't satisfy existing pods anti-affinity rules" : undefined)];
}

function antiAffinityTerms(pod: KubeObject): Json[] {
  return pod.spec.affinity?.podAntiAffinity?.[required] ?? [];
}

/** How the nodes of a constraint are split, and how many of its pods each part has; `minDomains` makes up for missing parts. */
function spreadRule(context: ControllerContext, pod: KubeObject, constraint: Json): TopologyRule {
  const { topologyKey, maxSkew = 1, minDomains = 1 } = constraint;
  const counts = countByDomain(context, pod, constraint, (other) => !isTerminating(other));
  const eligible = context.store.list('nodes').filter((node) => isEligible(node, pod, constraint));
  const domains = new Set(eligible.flatMap((node) => node.metadata.labels?.[topologyKey] ?? []));
  const fewest = domains.size < minDomains ? 0 : Math.min(...[...domains].map((domain) => counts.get(domain) ?? 0));
  const self = selects(pod, constraint, pod) ? 1 : 0;
  return (node) => {
    const domain = node.metadata.labels?.[topologyKey];
    const fits = domain !== undefined && (counts.get(domain) ?? 0) + self - fewest <= maxSkew;
    return fits ? undefined : "node(s) didn't match pod topology spread constraints";
  };
}

/** Whether a node counts for a constraint: by default also a tainted one, and not one that the pod's affinity rules out. */
function isEligible(node: KubeObject, pod: KubeObject, { nodeAffinityPolicy, nodeTaintsPolicy }: Json): boolean {
  const fits = nodeAffinityPolicy === 'Ignore' || matchesNode(node, pod);
  return fits && (nodeTaintsPolicy !== 'Honor' || untolerated(node, pod) === undefined);
}

/** How many of the pods that a term selects are in each of its domains, such as zones; domains without any are left out. */
function countByDomain(
  { store, podsByNamespace }: ControllerContext,
  pod: KubeObject,
  term: Json,
  counted: (other: KubeObject) => boolean = () => true,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const namespace of namespacesOf(store, pod, term)) {
    for (const other of podsByNamespace.get(namespace).values()) {
      const node = store.get('nodes', undefined, other.spec.nodeName ?? '');
      const domain = node?.metadata.labels?.[term.topologyKey];
      if (domain && !isFinished(other) && counted(other) && selects(pod, term, other)) {
        counts.set(domain, (counts.get(domain) ?? 0) + 1);
      }
    }
  }
  return counts;
}

/** The namespaces that a term of the pod speaks of: its own one unless it names or selects others. */
function namespacesOf(store: Store, pod: KubeObject, { namespaces = [], namespaceSelector }: Json): string[] {
  if (namespaceSelector === undefined) {
    return namespaces.length > 0 ? namespaces : [pod.metadata.namespace!];
  }
  const selected = store
    .list('namespaces')
    .filter(({ metadata }) => matchesSelector(namespaceSelector, metadata.labels));
  return [...new Set([...namespaces, ...selected.map(({ metadata }) => metadata.name)])];
}

/** Whether a term of `owner` is about another pod. `matchLabelKeys` adds the owner's own values to the selector. */
function selects(owner: KubeObject, { labelSelector, matchLabelKeys = [] }: Json, other: KubeObject): boolean {
  const { labels } = other.metadata;
  const same = (key: string) =>
    owner.metadata.labels?.[key] === undefined || owner.metadata.labels[key] === labels?.[key];
  return matchesSelector(labelSelector, labels) && matchLabelKeys.every(same);
}
