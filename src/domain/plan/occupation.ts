import type { LabelSelector } from '../../api/selector.js';
import type { NeighbourTerm, NodeView, PodView } from './cluster.js';
import { LabelIndex } from './label-index.js';

/** Pods of the same kind that keep others away, and the domains in which there are such. */
export interface Avoiding {
  term: NeighbourTerm;
  /** One of them: the others are like it. */
  pod: PodView;
  domains: Set<string>;
}

/** Which pods are on which node, and what they ask for together. Pods can be added while a plan places them. */
export class Occupation {
  readonly #index = new LabelIndex<PodView>();
  readonly #namespaces = new Set<string>();
  readonly #places = new Map<PodView, NodeView>();
  readonly #used = new Map<string, Map<string, number>>();
  readonly #siblings = new Map<string, Map<string, number>>();
  readonly #counts = new Map<string, number>();
  readonly #avoiding = new Map<string, Avoiding>();
  readonly #nodes: ReadonlyMap<string, NodeView>;

  /**
   * @param pods those that are there; what is over, or has no node, takes no room
   * @param labels of namespaces by their name
   */
  constructor(
    readonly nodes: readonly NodeView[],
    pods: readonly PodView[],
    readonly labels: ReadonlyMap<string, Readonly<Record<string, string>>>,
  ) {
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
    for (const pod of pods) {
      const node = this.#nodes.get(pod.node);
      if (node && !pod.completed) this.add(pod, node);
    }
  }

  add(pod: PodView, node: NodeView): void {
    // The same pod can be added more than once, for those that are made like it.
    const placed = this.#places.has(pod) ? { ...pod } : pod;
    this.#places.set(placed, node);
    this.#index.add(placed);
    this.#namespaces.add(pod.namespace);
    this.#counts.set(node.name, this.pods(node.name) + 1);
    for (const [resource, amount] of Object.entries(pod.placing.requests))
      increase(this.#used, node.name, resource, amount);
    increase(this.#siblings, node.name, workloadKey(pod), 1);
    for (const term of pod.placing.antiAffinity) this.#avoid(placed, term, node);
  }

  /** How many pods are on a node. */
  pods(node: string): number {
    return this.#counts.get(node) ?? 0;
  }

  /** How much of a resource is asked for on a node. */
  used(node: string, resource: string): number {
    return this.#used.get(node)?.get(resource) ?? 0;
  }

  /** How many pods of the same workload are on a node. */
  siblings(pod: Pick<PodView, 'namespace' | 'workload'>, node: string): number {
    return this.#siblings.get(node)?.get(workloadKey(pod)) ?? 0;
  }

  /** The nodes of the pods of a namespace that a selector picks, once for each pod. */
  nodesOf(namespace: string, selector: LabelSelector): NodeView[] {
    return this.#index.picked(namespace, selector).flatMap((pod) => this.#places.get(pod) ?? []);
  }

  /** The namespaces that have pods. */
  get namespaces(): Iterable<string> {
    return this.#namespaces;
  }

  /** The anti-affinities of all pods that are there: they also keep out newcomers that have none themselves. */
  get avoiding(): Iterable<Avoiding> {
    return this.#avoiding.values();
  }

  #avoid(pod: PodView, term: NeighbourTerm, node: NodeView): void {
    const domain = node.labels[term.topologyKey];
    if (domain === undefined) return;
    const same = (term.matchLabelKeys ?? []).map((key) => pod.labels[key]);
    const key = JSON.stringify([pod.namespace, term, same]);
    const known = this.#avoiding.get(key) ?? { term, pod, domains: new Set() };
    known.domains.add(domain);
    this.#avoiding.set(key, known);
  }
}

function increase(counts: Map<string, Map<string, number>>, node: string, key: string, by: number): void {
  const own = counts.get(node) ?? new Map<string, number>();
  counts.set(node, own);
  own.set(key, (own.get(key) ?? 0) + by);
}

function workloadKey({ namespace, workload = '' }: Pick<PodView, 'namespace' | 'workload'>): string {
  return `${namespace}/${workload}`;
}
