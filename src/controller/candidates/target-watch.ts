import { selectorText } from '../../api/selector.js';
import type { Targets } from '../../api/targets.js';
import { ApiError } from '../../kubernetes/errors.js';
import type { Reflector } from '../../kubernetes/reflector.js';
import {
  daemonSets,
  deployments,
  type KubeObject,
  nodes,
  pods,
  type Resource,
  replicaSets,
  statefulSets,
} from '../../kubernetes/resource.js';
import { type KnownPod, projectPod } from '../projections.js';
import { inZones } from './node-targets.js';
import type { WatchOptions } from './watched-candidates.js';
import { WatchedCandidates, type WatchSelection } from './watched-candidates.js';

const workloads: Record<string, Resource> = {
  Deployment: deployments,
  StatefulSet: statefulSets,
  DaemonSet: daemonSets,
  ReplicaSet: replicaSets,
};

interface OwnedReplicaSet {
  uid: string;
  ownerUid: string | undefined;
}

/**
 * Watches the pods that one step's targets name, and nothing else of the cluster: by label on the server, by name, or
 * by the owning workload; and the nodes of their zones, where it asks for these. Memory grows with the targets.
 */
export class TargetWatch extends WatchedCandidates<KnownPod> {
  #replicaSets: Reflector<OwnedReplicaSet> | undefined;
  #workloadUid: string | undefined;
  #nodes: Reflector<true> | undefined;

  constructor(
    options: WatchOptions,
    readonly targets: NonNullable<Targets['pods']>,
  ) {
    super(options);
  }

  protected override async begin(): Promise<void> {
    const { names, workload, selector, zones } = this.targets;
    if (names) for (const name of names) this.#watchPods({ fieldSelector: `metadata.name=${name}` });
    if (selector) this.#watchPods({ labelSelector: selectorText(selector) });
    if (workload) await this.#watchWorkload(workload);
    if (zones) this.#nodes = this.watchOthers(nodes, { labelSelector: inZones(zones) }, () => true);
  }

  protected override belongs({ ownerUid, node }: KnownPod): boolean {
    if (this.targets.zones && !this.#nodes?.get(undefined, node)) return false;
    if (!this.targets.workload) return true;
    if (ownerUid === undefined || this.#workloadUid === undefined) return false;
    if (ownerUid === this.#workloadUid) return true;
    return this.#replicaSets?.list().some((set) => set.uid === ownerUid && set.ownerUid === this.#workloadUid) ?? false;
  }

  /** The workload is read once: another one made under its name later is another workload. */
  async #watchWorkload({ kind, name }: { kind: string; name: string }): Promise<void> {
    const { client, namespace } = this.options;
    const resource = workloads[kind];
    if (!resource) return;
    const found = await client.get(resource, namespace, name).catch((error: unknown) => {
      if (error instanceof ApiError && error.isNotFound) return undefined;
      throw error;
    });
    if (!found) return;
    this.#workloadUid = found.metadata.uid;
    const labelSelector = selectorText(found.spec?.selector ?? {});
    this.#watchPods({ labelSelector });
    if (kind === 'Deployment') this.#replicaSets = this.watchOthers(replicaSets, { namespace, labelSelector }, ownerOf);
  }

  #watchPods(selection: WatchSelection): void {
    this.watchCandidates(pods, { namespace: this.options.namespace, ...selection }, projectPod);
  }
}

function ownerOf({ metadata }: KubeObject): OwnedReplicaSet {
  return {
    uid: metadata.uid ?? '',
    ownerUid: metadata.ownerReferences?.find(({ controller }) => controller)?.uid,
  };
}
