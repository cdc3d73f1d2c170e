import type { KubeObject } from '../store/types.js';
import { type ControllerContext, controllerKey, keysInNamespace } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { controllerOf, isActive, isTerminating, splitKey } from './objects.js';
import { claimPods, compareForDeletion, countReady, createPod, deletePod } from './owned-pods.js';
import { matchesSelector } from './selectors.js';

/** As many pods as are made or deleted in one turn, so that requests to the API server do not wait long meanwhile. */
const burst = 250;

/** Keeps as many pods as `spec.replicas` says, made from the template. */
export function replicaSetController(context: ControllerContext): Controller {
  const { store } = context;
  const recorder = context.recorder('replicaset-controller');

  function reconcile(key: string): number | undefined {
    const [namespace, name] = splitKey(key);
    const replicaSet = store.get('replicasets.apps', namespace, name);
    if (replicaSet === undefined) {
      return undefined;
    }
    const active = claimPods(context, replicaSet).filter(isActive);
    const missing = isTerminating(replicaSet) ? 0 : (replicaSet.spec.replicas ?? 1) - active.length;
    try {
      resize(replicaSet, active, missing);
    } finally {
      updateStatus(replicaSet);
    }
    return Math.abs(missing) > burst ? 1 : nextAvailability(replicaSet);
  }

  function resize(replicaSet: KubeObject, active: KubeObject[], missing: number): void {
    for (let count = 0; count < Math.min(missing, burst); count += 1) {
      createPod(store, recorder, replicaSet);
    }
    const surplus = missing < 0 ? active.sort(compareForDeletion).slice(0, Math.min(-missing, burst)) : [];
    for (const pod of surplus) {
      deletePod(store, recorder, replicaSet, pod);
    }
  }

  function ownedPods(replicaSet: KubeObject): KubeObject[] {
    return [...context.podsByController.get(replicaSet.metadata.uid).values()].filter(isActive);
  }

  function updateStatus(replicaSet: KubeObject): void {
    const pods = ownedPods(replicaSet);
    const { ready, available } = countReady(pods, replicaSet.spec.minReadySeconds);
    const wanted = replicaSet.spec.template.metadata?.labels;
    store.update('replicasets.apps', replicaSet.metadata.namespace, replicaSet.metadata.name, (draft) => {
      draft.status = {
        ...draft.status,
        replicas: pods.length,
        fullyLabeledReplicas: pods.filter((pod) => matchesSelector({ matchLabels: wanted }, pod.metadata.labels))
          .length,
        readyReplicas: ready || undefined,
        availableReplicas: available || undefined,
        observedGeneration: replicaSet.metadata.generation,
      };
    });
  }

  function nextAvailability(replicaSet: KubeObject): number | undefined {
    return countReady(ownedPods(replicaSet), replicaSet.spec.minReadySeconds).wakeMilliseconds;
  }

  return {
    watches: {
      'replicasets.apps': ownKey,
      pods: (pod, event) => [
        ...controllerKey(pod, 'ReplicaSet'),
        ...(event.previous === undefined ? [] : controllerKey(event.previous, 'ReplicaSet')),
        ...(controllerOf(pod) === undefined ? keysInNamespace(store, 'replicasets.apps', pod.metadata.namespace) : []),
      ],
    },
    reconcile,
  };
}
