import { isDeepStrictEqual } from 'node:util';
import { horizontalPodAutoscalers } from '../controller/api-steps/objects.js';
import { type Json, nodes } from '../kubernetes/resource.js';
import type { TestCluster } from './controllers.js';
import { until } from './scripted-server.js';

const budgets = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
  namespaced: true,
};

/** How long a cluster may take to replace its pods. */
const PATIENCE_MILLISECONDS = 15_000;
/** What the cluster itself counts rollouts with. */
const REVISION = 'deployment.kubernetes.io/revision';

/** Taints that are not ours: one of the same key and effect as ours, and one of the same key. */
export const foreignTaints = [
  { key: 'gpu', value: 'theirs', effect: 'NoSchedule' },
  { key: 'gpu', effect: 'PreferNoSchedule' },
];

/** The pods of a workload run on one node only, so that those that a fault takes away wait until it is over. */
const pinned = (node: string) => ({ nodeSelector: { 'kubernetes.io/hostname': node } });

/** Each workload, how many pods it has, and where. Zones are z1: n1, n4, n7; z2: n2, n5; z3: n3, n6. */
export const workloads = {
  drained: { replicas: 2, node: 'n1' },
  lost: { replicas: 2, node: 'n2' },
  kept: { replicas: 2, node: 'n4' },
  scaled: { replicas: 4, node: 'n7' },
  paused: { replicas: 3, node: 'n7' },
  restarted: { replicas: 1, node: 'n7' },
} as const;

export type Workload = keyof typeof workloads;

/** What was seen to happen while a run was on. */
export interface Witness {
  /** Names of nodes that were seen cordoned, and with taints of ours. */
  cordoned: Set<string>;
  tainted: Set<string>;
  /** The fewest replicas that a workload was to have. */
  fewest: Map<string, number>;
  /** UIDs of the pods that were deleted, by workload. */
  deleted: Map<string, Set<string>>;
}

/**
 * A cluster with something to lose: n5 and n6 are cordoned and n6 and n4 tainted before, `kept` has a disruption budget
 * that allows nothing, and `paused` an autoscaler that would not have one replica.
 */
export class CrashGround {
  readonly #before: string;
  #witness: Witness = empty();
  #generation = 0;

  private constructor(readonly cluster: TestCluster) {
    this.#before = this.#seen();
    const { store } = cluster.cluster;
    store.subscribe('nodes', ({ object }) => this.#seeNode(object as Json));
    store.subscribe('deployments.apps', ({ object }) => this.#seeWorkload(object as Json));
    store.subscribe('pods', ({ type, object }) => {
      if (type === 'DELETED') this.#seeDeath(object as Json);
    });
  }

  /** Makes it in a cluster of seven nodes. */
  static async make(cluster: TestCluster): Promise<CrashGround> {
    const { client } = cluster;
    const all = Object.entries(workloads);
    await Promise.all(all.map(([name, { replicas, node }]) => cluster.deploy(name, replicas, { pod: pinned(node) })));
    await client.patch(nodes, undefined, 'n4', { spec: { taints: foreignTaints.slice(1) } });
    await client.patch(nodes, undefined, 'n5', { spec: { unschedulable: true } });
    await client.patch(nodes, undefined, 'n6', { spec: { unschedulable: true, taints: foreignTaints } });
    await client.create(budgets, {
      metadata: { name: 'kept', namespace: 'default' },
      spec: { minAvailable: 2, selector: { matchLabels: { app: 'kept' } } },
    });
    await client.create(horizontalPodAutoscalers, {
      metadata: { name: 'paused', namespace: 'default' },
      spec: {
        minReplicas: 2,
        maxReplicas: 5,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'paused' },
      },
    });
    const { store } = cluster.cluster;
    const isSettled = () =>
      (store.get('nodes', undefined, 'n6') as Json).spec.taints.length === 3 &&
      (store.get('nodes', undefined, 'n5') as Json).spec.taints?.length === 1 &&
      (store.get('poddisruptionbudgets.policy', 'default', 'kept') as Json).status?.expectedPods === 2;
    await until(isSettled, 'the controllers of the cluster');
    return new CrashGround(cluster);
  }

  /** Forgets what was seen. */
  watch(): Witness {
    this.#witness = empty();
    this.#generation = this.#restarted.metadata.generation;
    return this.#witness;
  }

  /** How often `restarted` was restarted since. */
  get restarts(): number {
    return this.#restarted.metadata.generation - this.#generation;
  }

  /** Waits until everything is as it was, and says what is not. */
  async differences(): Promise<string[]> {
    const isAsBefore = () => this.#areReady() && this.#seen() === this.#before;
    for (const since = performance.now(); !isAsBefore() && performance.now() - since < PATIENCE_MILLISECONDS; )
      await new Promise((resolve) => setTimeout(resolve, 50));
    const before: Json[] = JSON.parse(this.#before);
    const now: Json[] = JSON.parse(this.#seen());
    const changed = before.flatMap((object, index) =>
      isDeepStrictEqual(object, now[index]) ? [] : [`${JSON.stringify(object)} is ${JSON.stringify(now[index])}`],
    );
    return this.#areReady() ? changed : [...changed, 'pods are missing'];
  }

  get #restarted(): Json {
    return this.cluster.cluster.store.get('deployments.apps', 'default', 'restarted') as Json;
  }

  /** All that a fault could change, without what every write changes. */
  #seen(): string {
    const { store } = this.cluster.cluster;
    const kinds = ['nodes', 'deployments.apps', 'horizontalpodautoscalers.autoscaling', 'poddisruptionbudgets.policy'];
    const byName = (a: Json, b: Json) => (a.metadata.name < b.metadata.name ? -1 : 1);
    const objects = kinds.flatMap((kind) =>
      (store.list(kind) as Json[]).sort(byName).map((object) => ({ kind, object })),
    );
    return JSON.stringify(
      objects.map(({ kind, object: { metadata, spec } }) => {
        const { name, labels, annotations = {} } = metadata;
        const { [REVISION]: _revision, ...kept } = annotations;
        return { kind, name, labels, annotations: kept, spec: withoutRestart(spec) };
      }),
    );
  }

  #areReady(): boolean {
    return Object.entries(workloads).every(
      ([name, { replicas }]) =>
        this.cluster.readyPods(name).length === replicas && this.cluster.pods(name).length === replicas,
    );
  }

  #seeNode({ metadata, spec }: Json): void {
    if (spec.unschedulable) this.#witness.cordoned.add(metadata.name);
    const isOurs = ({ key, value }: Json) => key === 'squall.dev/zone-outage' || value === 'ours';
    if (spec.taints?.some(isOurs)) this.#witness.tainted.add(metadata.name);
  }

  #seeWorkload({ metadata: { name }, spec }: Json): void {
    const { fewest } = this.#witness;
    fewest.set(name, Math.min(fewest.get(name) ?? spec.replicas, spec.replicas));
  }

  #seeDeath({ metadata: { labels = {}, uid } }: Json): void {
    const { deleted } = this.#witness;
    deleted.set(labels.app, (deleted.get(labels.app) ?? new Set()).add(uid));
  }
}

/** Nothing takes a restart back. */
function withoutRestart(spec: Json): Json {
  const copy = structuredClone(spec);
  delete copy.template?.metadata?.annotations;
  return copy;
}

function empty(): Witness {
  return { cordoned: new Set(), tainted: new Set(), fewest: new Map(), deleted: new Map() };
}
