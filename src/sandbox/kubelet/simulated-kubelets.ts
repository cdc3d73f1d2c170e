import { isFinished, isTerminating, keyOf, splitKey, timestamp } from '../controllers/objects.js';
import { createWorkQueue } from '../controllers/work-queue.js';
import type { AddressPool } from '../network/addresses.js';
import type { Json, KubeObject, Store } from '../store/types.js';
import { podStatus } from './pod-status.js';

/**
 * The kubelets of simulated nodes: a pod becomes Ready at once and goes at once when asked to, and no process ever runs.
 * For tests of scale.
 */
export function startSimulatedKubelets(
  store: Store,
  addresses: AddressPool,
  hostIPs: ReadonlyMap<string, string>,
): () => void {
  const queue = createWorkQueue(reconcile);

  function reconcile(key: string): undefined {
    const [namespace, name] = splitKey(key);
    const pod = store.get('pods', namespace, name);
    const hostIP = pod && hostIPs.get(pod.spec.nodeName);
    if (pod === undefined || hostIP === undefined) {
      return;
    }
    if (isTerminating(pod)) {
      const { uid } = pod.metadata;
      store.delete('pods', namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } });
    } else if (!pod.status?.podIP && !isFinished(pod)) {
      begin(pod, hostIP);
    }
  }

  function begin(pod: KubeObject, hostIP: string): void {
    const podIP = addresses.allocate();
    const startTime = timestamp();
    const containers = pod.spec.containers.map((container: Json) => ({
      name: container.name,
      image: container.image,
      imageID: '',
      containerID: `simulated://${pod.metadata.uid}/${container.name}`,
      state: { running: { startedAt: startTime } },
      lastState: {},
      ready: true,
      started: true,
      restartCount: 0,
    }));
    const others = { initContainers: [], ephemeralContainers: [], outcome: undefined };
    store.update('pods', pod.metadata.namespace, pod.metadata.name, (draft) => {
      const facts = { place: { podIPs: [podIP], hostIP }, startTime, initialized: true, containers };
      draft.status = podStatus(draft, { ...facts, ...others });
    });
  }

  const unsubscribe = store.subscribe('pods', ({ type, object }) => {
    if (!hostIPs.has(object.spec.nodeName)) {
      return;
    }
    if (type !== 'DELETED') {
      queue.add(keyOf(object));
    } else if (object.status?.podIP) {
      addresses.release(object.status.podIP);
    }
  });
  return () => {
    queue.stop();
    unsubscribe();
  };
}
