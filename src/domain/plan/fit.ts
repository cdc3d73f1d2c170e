import { type LabelSelector, selects } from '../../api/selector.js';
import type {
  NeighbourTerm,
  NodeRequirement,
  NodeView,
  Placing,
  PodView,
  SpreadTerm,
  Taint,
  Toleration,
} from './cluster.js';
import type { Occupation } from './occupation.js';

/** A pod that looks for a node: where it may run, and what others look at to be near it or not. */
export type Newcomer = Pick<PodView, 'namespace' | 'labels' | 'placing'>;

/** Says why a pod can't run on a node, in a few words each; empty: it can. */
export type Refuse = (node: NodeView) => string[];

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/**
 * The hard rules on where a pod may run, in the order in which kube-scheduler's default plug-ins filter: the first that
 * refuses a node is the one that is told. What depends on other pods is looked up once, for all nodes.
 */
export function refusalsOf(pod: Newcomer, occupation: Occupation): Refuse {
  const { placing } = pod;
  const rules: Refuse[] = [
    ({ ready }) => (ready ? [] : ['not Ready']),
    (node) => (node.unschedulable && !tolerates(placing, UNSCHEDULABLE) ? ['unschedulable'] : []),
    ({ taints }) => {
      const isRefused = taints.some((taint) => keepsOut(taint) && !tolerates(placing, taint));
      return isRefused ? ['untolerated taint'] : [];
    },
    (node) => (admitsNode(placing, node) ? [] : ['node affinity']),
    (node) => room(placing, node, occupation),
    ...placing.spread.map((term) => spreadRule(pod, term, occupation)),
    ...placing.affinity.map((term) => affinityRule(pod, term, occupation)),
    antiAffinityRule(pod, occupation),
  ];
  return (node) => {
    for (const rule of rules) {
      const found = rule(node);
      if (found.length > 0) return found;
    }
    return [];
  };
}

function keepsOut({ effect }: Taint): boolean {
  return effect === 'NoSchedule' || effect === 'NoExecute';
}

function tolerates({ tolerations }: Pick<Placing, 'tolerations'>, taint: Taint): boolean {
  return tolerations.some((toleration) => covers(toleration, taint));
}

/** Whether a toleration is for a taint; without a key it is for all if its operator is `Exists`. */
export function covers({ key, operator = 'Equal', value = '', effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key ? key !== taint.key : operator !== 'Exists') return false;
  return operator === 'Exists' || value === (taint.value ?? '');
}

function admitsNode({ nodeSelector, nodeTerms }: Placing, { name, labels }: NodeView): boolean {
  const isSelected = Object.entries(nodeSelector).every(([key, value]) => labels[key] === value);
  if (!isSelected || nodeTerms === undefined) return isSelected;
  return nodeTerms.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length + matchFields.length === 0) return false;
    const fields = { 'metadata.name': name };
    return (
      matchExpressions.every((requirement) => meets(requirement, labels)) &&
      matchFields.every((requirement) => meets(requirement, fields))
    );
  });
}

function meets({ key, operator, values = [] }: NodeRequirement, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

/** Sums of parts such as 0.1 + 0.2 cores are not exact. */
const EPSILON = 1e-6;

function room({ requests }: Placing, { name, allocatable }: NodeView, occupation: Occupation): string[] {
  if (occupation.pods(name) + 1 > (allocatable.pods ?? Number.POSITIVE_INFINITY)) return ['too many pods'];
  return Object.entries(requests)
    .filter(([resource, amount]) => {
      const left = (allocatable[resource] ?? 0) - occupation.used(name, resource);
      return amount > 0 && amount > left + EPSILON * Math.max(1, Math.abs(left));
    })
    .map(([resource]) => `insufficient ${resource}`);
}

/** A domain can take one more as long as it has not more than `maxSkew` above the emptiest domain the pod might go to. */
function spreadRule(pod: Newcomer, term: SpreadTerm, occupation: Occupation): Refuse {
  const selector = narrowed(term, pod.labels);
  const { topologyKey, minDomains = 1, maxSkew } = term;
  const mayTake = new Set(occupation.nodes.filter((node) => admitsNode(pod.placing, node)));
  const counts = new Map<string, number>();
  const count = ({ labels }: NodeView, by: number) => {
    const domain = labels[topologyKey];
    if (domain !== undefined) counts.set(domain, (counts.get(domain) ?? 0) + by);
  };
  for (const node of mayTake) count(node, 0);
  const taken = selector ? occupation.nodesOf(pod.namespace, selector) : [];
  for (const node of taken) if (mayTake.has(node)) count(node, 1);
  const self = selector && selects(selector, pod.labels) ? 1 : 0;
  const fewest = counts.size < minDomains ? 0 : Math.min(...counts.values());
  return ({ labels }) => {
    const domain = labels[topologyKey];
    const fits = domain !== undefined && (counts.get(domain) ?? 0) + self - fewest <= maxSkew;
    return fits ? [] : ['topology spread'];
  };
}

/** The first pod of a group that wants to be together has nobody to join. */
function affinityRule(pod: Newcomer, term: NeighbourTerm, occupation: Occupation): Refuse {
  const domains = domainsOf(pod, term, occupation);
  const isFirst = domains.size === 0 && means(term, pod, pod, occupation);
  return ({ labels }) => {
    const domain = labels[term.topologyKey];
    return domain !== undefined && (isFirst || domains.has(domain)) ? [] : ['pod affinity'];
  };
}

/** Those the pod avoids, and those who avoid it. */
function antiAffinityRule(pod: Newcomer, occupation: Occupation): Refuse {
  const avoided = pod.placing.antiAffinity.map((term) => ({
    key: term.topologyKey,
    domains: domainsOf(pod, term, occupation),
  }));
  const avoiding = [...occupation.avoiding]
    .filter(({ term, pod: other }) => means(term, other, pod, occupation))
    .map(({ term, domains }) => ({ key: term.topologyKey, domains }));
  const all = [...avoided, ...avoiding];
  return ({ labels }) => {
    const isRefused = all.some(({ key, domains }) => labels[key] !== undefined && domains.has(labels[key]));
    return isRefused ? ['pod anti-affinity'] : [];
  };
}

/** The domains in which there is a pod that the term of another one means. */
function domainsOf(owner: Newcomer, term: NeighbourTerm, occupation: Occupation): Set<string> {
  const selector = narrowed(term, owner.labels);
  if (!selector) return new Set();
  const namespaces = [...occupation.namespaces].filter((name) => reaches(term, owner, name, occupation));
  const nodes = namespaces.flatMap((name) => occupation.nodesOf(name, selector));
  return new Set(nodes.flatMap(({ labels }) => labels[term.topologyKey] ?? []));
}

/** Whether the term of one pod means another. */
function means(term: NeighbourTerm, owner: Newcomer, other: Newcomer, occupation: Occupation): boolean {
  if (!reaches(term, owner, other.namespace, occupation)) return false;
  const selector = narrowed(term, owner.labels);
  return selector !== undefined && selects(selector, other.labels);
}

/** Whether the term of a pod is about the pods of a namespace: its own unless it says which. */
function reaches(
  { namespaces = [], namespaceSelector }: NeighbourTerm,
  owner: Newcomer,
  namespace: string,
  { labels }: Occupation,
): boolean {
  if (namespaces.includes(namespace)) return true;
  if (namespaceSelector !== undefined) return selects(namespaceSelector, labels.get(namespace) ?? {});
  return namespaces.length === 0 && owner.namespace === namespace;
}

/** With `matchLabelKeys`, only pods of the same revision count; see KEP-3243. */
function narrowed(
  { labelSelector, matchLabelKeys = [] }: Pick<SpreadTerm, 'labelSelector' | 'matchLabelKeys'>,
  labels: Readonly<Record<string, string>>,
): LabelSelector | undefined {
  if (!labelSelector || matchLabelKeys.length === 0) return labelSelector;
  const same = matchLabelKeys.flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]]));
  return { ...labelSelector, matchLabels: { ...labelSelector.matchLabels, ...Object.fromEntries(same) } };
}
