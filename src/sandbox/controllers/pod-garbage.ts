import type { ControllerContext } from './context.js';
import type { Controller } from './controller.js';
import { isTerminating, keyOf, splitKey } from './objects.js';

/** Removes the objects of pods that no kubelet can end: bound to a node that is gone, or terminating and never bound. */
export function podGarbageController({ store, podsByNode }: ControllerContext): Controller {
  function reconcile(key: string): undefined {
    const [namespace, name] = splitKey(key);
    const pod = store.get('pods', namespace, name);
    if (pod === undefined) {
      return;
    }
    const node = pod.spec.nodeName;
    const lost = node ? store.get('nodes', undefined, node) === undefined : isTerminating(pod);
    if (lost) {
      store.delete('pods', namespace, name, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } });
    }
  }

  return {
    watches: {
      nodes: (node, { type }) =>
        type === 'DELETED' ? [...podsByNode.get(node.metadata.name).values()].map(keyOf) : [],
      pods: (pod) => (isTerminating(pod) && !pod.spec.nodeName ? [keyOf(pod)] : []),
    },
    reconcile,
  };
}
