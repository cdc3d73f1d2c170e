import type { KubeObject } from '../store/types.js';
import { type ControllerContext, controllerKey } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { availableIn, isActive, isFinished, isReady, isTerminating, splitKey } from './objects.js';
import { claimPods, countReady, createPod, deletePod } from './owned-pods.js';
import { templateHash } from './template-hash.js';

const hashLabel = 'controller-revision-hash';

/** Keeps pods `name-0` to `name-(replicas - 1)`, made and removed one after another unless the policy is Parallel. */
export function statefulSetController(context: ControllerContext): Controller {
  const { store } = context;
  const recorder = context.recorder('statefulset-controller');

  function reconcile(key: string): number | undefined {
    const [namespace, name] = splitKey(key);
    const set = store.get('statefulsets.apps', namespace, name);
    if (set === undefined) {
      return undefined;
    }
    const hash = templateHash(set.spec.template);
    if (!isTerminating(set)) {
      advance(set, hash);
    }
    return updateStatus(set, hash);
  }

  function advance(set: KubeObject, hash: string): void {
    const pods = new Map(claimPods(context, set).map((pod) => [ordinalOf(set, pod), pod]));
    if (fill(set, pods, hash) && shrink(set, pods)) {
      update(set, pods, hash);
    }
  }

  /** Makes the missing pods in order; returns whether all are there and, when ordered, available. */
  function fill(set: KubeObject, pods: Map<number, KubeObject>, hash: string): boolean {
    const ordered = set.spec.podManagementPolicy !== 'Parallel';
    for (let ordinal = 0; ordinal < (set.spec.replicas ?? 1); ordinal += 1) {
      const pod = pods.get(ordinal);
      if (pod === undefined) {
        createOrdinal(set, ordinal, hash);
      } else if (isFinished(pod) && !isTerminating(pod)) {
        deletePod(store, recorder, set, pod);
      }
      const settled = pod !== undefined && isActive(pod) && availableIn(pod, set.spec.minReadySeconds) === 0;
      if (ordered && !settled) {
        return false;
      }
    }
    return true;
  }

  function createOrdinal(set: KubeObject, ordinal: number, hash: string): void {
    const name = `${set.metadata.name}-${ordinal}`;
    const labels = {
      [hashLabel]: `${set.metadata.name}-${hash}`,
      'statefulset.kubernetes.io/pod-name': name,
      'apps.kubernetes.io/pod-index': String(ordinal),
    };
    createPod(store, recorder, set, {
      metadata: { name, labels },
      spec: { hostname: name, subdomain: set.spec.serviceName },
    });
  }

  /** Removes pods above the wanted number, the highest first; returns whether none is left. */
  function shrink(set: KubeObject, pods: Map<number, KubeObject>): boolean {
    const surplus = [...pods.keys()].filter((ordinal) => ordinal >= (set.spec.replicas ?? 1)).sort((a, b) => b - a);
    const count = set.spec.podManagementPolicy === 'Parallel' ? surplus.length : 1;
    for (const ordinal of surplus.slice(0, count)) {
      removeOnce(set, pods.get(ordinal)!);
    }
    return surplus.length === 0;
  }

  /** Replaces pods of older templates, the highest first and one at a time. */
  function update(set: KubeObject, pods: Map<number, KubeObject>, hash: string): void {
    if (set.spec.updateStrategy?.type === 'OnDelete') {
      return;
    }
    const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
    const revision = `${set.metadata.name}-${hash}`;
    for (const ordinal of [...pods.keys()].filter((one) => one >= partition).sort((a, b) => b - a)) {
      const pod = pods.get(ordinal)!;
      if (pod.metadata.labels?.[hashLabel] !== revision) {
        removeOnce(set, pod);
        return;
      }
      if (!isReady(pod)) {
        return;
      }
    }
  }

  function removeOnce(set: KubeObject, pod: KubeObject): void {
    if (!isTerminating(pod)) {
      deletePod(store, recorder, set, pod);
    }
  }

  function updateStatus(set: KubeObject, hash: string): number | undefined {
    const pods = claimPods(context, set).filter((pod) => !isFinished(pod));
    const { ready, available, wakeMilliseconds } = countReady(pods, set.spec.minReadySeconds);
    const updateRevision = `${set.metadata.name}-${hash}`;
    const updated = pods.filter((pod) => pod.metadata.labels?.[hashLabel] === updateRevision).length;
    store.update('statefulsets.apps', set.metadata.namespace, set.metadata.name, (draft) => {
      const complete = updated === pods.length && pods.length === (set.spec.replicas ?? 1);
      const currentRevision = complete ? updateRevision : (draft.status?.currentRevision ?? updateRevision);
      draft.status = {
        ...draft.status,
        replicas: pods.length,
        readyReplicas: ready || undefined,
        availableReplicas: available,
        updatedReplicas: updated || undefined,
        currentReplicas: pods.filter((pod) => pod.metadata.labels?.[hashLabel] === currentRevision).length || undefined,
        currentRevision,
        updateRevision,
        collisionCount: 0,
        observedGeneration: set.metadata.generation,
      };
    });
    return wakeMilliseconds;
  }

  return {
    watches: { 'statefulsets.apps': ownKey, pods: (pod) => controllerKey(pod, 'StatefulSet') },
    reconcile,
  };
}

function ordinalOf(set: KubeObject, pod: KubeObject): number {
  return Number(pod.metadata.name.slice(set.metadata.name.length + 1));
}
