import type { NeighbourTerm, NodeView, PodView } from './cluster.js';

/** An anti-affinity of a pod that runs. */
interface Avoiding {
  term: NeighbourTerm;
  pod: PodView;
  node: NodeView;
}

/** Which pods are on which node, and what they ask for together. Pods can be added while a plan places them. */
export class Occupation {
  /** The anti-affinities of all pods that are there: they also keep out newcomers that have none themselves. */
  readonly avoiding: Avoiding[] = [];
  readonly #pods = new Map<string, PodView[]>();
  readonly #used = new Map<string, Map<string, number>>();
  readonly #nodes: ReadonlyMap<string, NodeView>;

  /**
   * @param pods those that are there; what is over, or has no node, takes no room
   * @param namespaces labels of namespaces by their name
   */
  constructor(
    readonly nodes: readonly NodeView[],
    pods: readonly PodView[],
    readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>,
  ) {
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
    for (const pod of pods) if (pod.node !== '' && !pod.completed) this.add(pod, pod.node);
  }

  add(pod: PodView, node: string): void {
    this.#pods.set(node, [...(this.#pods.get(node) ?? []), pod]);
    const used = this.#used.get(node) ?? new Map<string, number>();
    for (const [resource, amount] of Object.entries(pod.placing.requests))
      used.set(resource, (used.get(resource) ?? 0) + amount);
    this.#used.set(node, used);
    const view = this.#nodes.get(node);
    if (view) this.avoiding.push(...pod.placing.antiAffinity.map((term) => ({ term, pod, node: view })));
  }

  /** The pods on a node. */
  on(node: string): readonly PodView[] {
    return this.#pods.get(node) ?? [];
  }

  /** How many pods are on a node. */
  pods(node: string): number {
    return this.on(node).length;
  }

  /** How much of a resource is asked for on a node. */
  used(node: string, resource: string): number {
    return this.#used.get(node)?.get(resource) ?? 0;
  }
}
