import type { KubeObject } from '../../kubernetes/resource.js';
import type { Contents } from './contents.js';
import type { PlanKindName } from './kinds.js';

/** Where the objects of each kind of workload are. */
export const workloadKindNames = {
  Deployment: 'deployments',
  StatefulSet: 'statefulSets',
  DaemonSet: 'daemonSets',
  ReplicaSet: 'replicaSets',
} as const satisfies Record<string, PlanKindName>;

/** A workload by its name, as `Deployment/web`. */
export interface NamedWorkload {
  name: string;
  object: KubeObject;
}

/** Which workload a pod belongs to, through its owner references: a Deployment owns its pods by its ReplicaSets. */
export class Owners {
  readonly #byUid = new Map<string, NamedWorkload>();

  constructor(readonly contents: Contents) {
    for (const [kind, plural] of Object.entries(workloadKindNames)) {
      for (const object of contents.list(plural))
        this.#byUid.set(object.metadata.uid ?? '', { name: `${kind}/${object.metadata.name}`, object });
    }
  }

  /** All workloads, but those that belong to another one. */
  workloads(): NamedWorkload[] {
    return [...this.#byUid.values()].filter(({ object }) => this.#ownerOf(object) === undefined);
  }

  /** As `Deployment/web`; undefined: the pod belongs to none. */
  workloadOf(pod: KubeObject): string | undefined {
    return this.chainOf(pod).at(-1)?.name;
  }

  /** The workloads that own an object, the nearest first. */
  chainOf(object: KubeObject): NamedWorkload[] {
    const chain: NamedWorkload[] = [];
    let owner = this.#ownerOf(object);
    while (owner && !chain.includes(owner)) {
      chain.push(owner);
      owner = this.#ownerOf(owner.object);
    }
    return chain;
  }

  #ownerOf({ metadata }: KubeObject): NamedWorkload | undefined {
    const uid = metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
    return uid === undefined ? undefined : this.#byUid.get(uid);
  }
}
