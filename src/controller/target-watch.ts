import { selectorText } from '../api/selector.js';
import type { Targets } from '../api/targets.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { Reflector } from '../kubernetes/reflector.js';
import { daemonSets, deployments, pods, type Resource, replicaSets, statefulSets } from '../kubernetes/resource.js';
import { type KnownPod, projectPod } from './projections.js';

const workloads: Record<string, Resource> = {
  Deployment: deployments,
  StatefulSet: statefulSets,
  DaemonSet: daemonSets,
  ReplicaSet: replicaSets,
};

/** How often a watch that broke is looked at again. */
const CHECK_MILLISECONDS = 250;

interface OwnedReplicaSet {
  uid: string;
  ownerUid: string | undefined;
}

/**
 * Watches the pods that one step's targets name, and nothing else of the cluster: by label on the server, by name, or
 * by the owning workload. Memory grows with the targets.
 */
export class TargetWatch {
  readonly #pods: Reflector<KnownPod>[] = [];
  #replicaSets: Reflector<OwnedReplicaSet> | undefined;
  #workloadUid: string | undefined;
  #byUid: Map<string, KnownPod> | undefined;
  #ready = false;
  #stopped = false;
  #check: NodeJS.Timeout | undefined;
  #refusal: string | undefined;

  constructor(
    readonly client: Client,
    readonly namespace: string,
    readonly targets: NonNullable<Targets['pods']>,
    readonly onChange: () => void,
    readonly onError: (error: unknown) => void,
  ) {}

  /** Begins to watch; failures are retried by a later call. Does nothing when it has begun. */
  async start(): Promise<void> {
    const { names, workload, selector } = this.targets;
    if (names) for (const name of names) this.#watchPods({ fieldSelector: `metadata.name=${name}` });
    if (selector) this.#watchPods({ labelSelector: selectorText(selector) });
    if (workload) await this.#watchWorkload(workload).catch((error: unknown) => this.#fail(error, true));
    await Promise.all(this.#reflectors().map(({ synced }) => synced));
    this.#ready = true;
    if (!this.#stopped) this.onChange();
  }

  /** The same by UID, made once for all that ask between two changes. */
  byUid(): ReadonlyMap<string, KnownPod> | undefined {
    const listed = this.list();
    if (!listed || this.#byUid) return listed && this.#byUid;
    this.#byUid = new Map(listed.map((pod) => [pod.uid, pod]));
    return this.#byUid;
  }

  /** The pods that are named now; undefined while that is not known, also when the API server can't be watched. */
  list(): KnownPod[] | undefined {
    if (!this.#ready) return undefined;
    if (!this.#isCurrent()) {
      this.#awaitCurrent();
      return undefined;
    }
    const all = this.#pods.flatMap((reflector) => reflector.list());
    return this.targets.workload ? all.filter((pod) => this.#belongs(pod)) : all;
  }

  /** Why the pods can't be known: the controller may not read them. */
  get refusal(): string | undefined {
    return this.#ready ? undefined : this.#refusal;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#check);
    await Promise.all(this.#reflectors().map((each) => each.stop()));
  }

  #fail(error: unknown, isFinal = false): void {
    if (error instanceof ApiError && error.isForbidden) {
      this.#refusal = error.message;
      if (!this.#stopped) this.onChange();
    }
    if (isFinal) throw error;
    this.onError(error);
  }

  #reflectors(): Reflector<unknown>[] {
    return [...this.#pods, ...(this.#replicaSets ? [this.#replicaSets] : [])] as Reflector<unknown>[];
  }

  #isCurrent(): boolean {
    return this.#reflectors().every(({ isCurrent }) => isCurrent);
  }

  /** Tells of the moment when the pods are known again: a quiet watch does not. */
  #awaitCurrent(): void {
    if (this.#check || this.#stopped) return;
    this.#check = setTimeout(() => {
      this.#check = undefined;
      if (this.#isCurrent()) this.onChange();
      else this.#awaitCurrent();
    }, CHECK_MILLISECONDS);
  }

  #belongs({ ownerUid }: KnownPod): boolean {
    if (ownerUid === undefined || this.#workloadUid === undefined) return false;
    if (ownerUid === this.#workloadUid) return true;
    return this.#replicaSets?.list().some((set) => set.uid === ownerUid && set.ownerUid === this.#workloadUid) ?? false;
  }

  /** The workload is read once: another one made under its name later is another workload. */
  async #watchWorkload({ kind, name }: { kind: string; name: string }): Promise<void> {
    const resource = workloads[kind];
    if (!resource) return;
    const found = await this.client.get(resource, this.namespace, name).catch((error: unknown) => {
      if (error instanceof ApiError && error.isNotFound) return undefined;
      throw error;
    });
    if (!found || this.#stopped) return;
    this.#workloadUid = found.metadata.uid;
    const labelSelector = selectorText(found.spec?.selector ?? {});
    this.#watchPods({ labelSelector });
    if (kind !== 'Deployment') return;
    const project = ({
      metadata,
    }: {
      metadata: { uid?: string; ownerReferences?: { uid: string; controller?: boolean }[] };
    }) => ({
      uid: metadata.uid ?? '',
      ownerUid: metadata.ownerReferences?.find(({ controller }) => controller)?.uid,
    });
    this.#replicaSets = new Reflector({
      client: this.client,
      resource: replicaSets,
      namespace: this.namespace,
      labelSelector,
      project,
      onError: (error) => this.#fail(error),
    });
    this.#replicaSets.start();
  }

  #watchPods(selection: { labelSelector?: string; fieldSelector?: string }): void {
    if (this.#stopped) return;
    const reflector = new Reflector({
      client: this.client,
      resource: pods,
      namespace: this.namespace,
      ...selection,
      project: projectPod,
      onError: (error) => this.#fail(error),
    });
    reflector.onChange(() => {
      this.#byUid = undefined;
      if (this.#ready) this.onChange();
    });
    this.#pods.push(reflector);
    reflector.start();
  }
}
