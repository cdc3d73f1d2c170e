import type { Json, KubeObject } from '../store/types.js';
import type { ControllerContext } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { conditionOf, isTerminating, keyOf, setCondition, splitKey } from './objects.js';
import { tolerationsFor } from './scheduler-rules.js';

const leaseNamespace = 'kube-node-lease';
const checkMilliseconds = 5_000;
const unschedulable = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const unreachable = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' };
const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' };

/**
 * Keeps the taints that follow from a node's state: cordoned, not ready, or its kubelet not heard of. Evicts the pods that
 * do not tolerate a NoExecute taint, or no longer.
 */
export function nodeLifecycleController(context: ControllerContext): Controller {
  const { store, podsByNode } = context;
  const recorder = context.recorder('node-controller');
  /** By node, then by the uid of a pod: when the pod first had to stand a `NoExecute` taint, in milliseconds. */
  const standing = new Map<string, Map<string, number>>();

  function reconcile(key: string): number | undefined {
    const [, name] = splitKey(key);
    const node = store.get('nodes', undefined, name);
    if (node === undefined) {
      standing.delete(name);
      return undefined;
    }
    const checked = updateNode(node);
    const wake = evictIntolerant(checked);
    return Math.min(wake ?? checkMilliseconds, checkMilliseconds);
  }

  function updateNode(node: KubeObject): KubeObject {
    const lost = leaseExpired(node);
    return store.update('nodes', undefined, node.metadata.name, (draft) => {
      if (lost) {
        const message = 'Kubelet stopped posting node status.';
        setCondition(draft.status, { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', message });
      } else if (conditionOf(draft, 'Ready')?.reason === 'NodeStatusUnknown') {
        const message = 'kubelet is posting ready status';
        setCondition(draft.status, { type: 'Ready', status: 'True', reason: 'KubeletReady', message });
      }
      const ready = conditionOf(draft, 'Ready')?.status;
      setTaint(draft, unschedulable, draft.spec?.unschedulable === true);
      setTaint(draft, unreachable, ready === 'Unknown');
      setTaint(draft, notReady, ready === 'False');
    });
  }

  function leaseExpired(node: KubeObject): boolean {
    const lease = store.get('leases.coordination.k8s.io', leaseNamespace, node.metadata.name);
    const renewed = Date.parse(lease?.spec.renewTime ?? node.metadata.creationTimestamp);
    return Date.now() - renewed > (lease?.spec.leaseDurationSeconds ?? 40) * 1000;
  }

  /** Returns when the next toleration runs out, in milliseconds. */
  function evictIntolerant(node: KubeObject): number | undefined {
    const { name } = node.metadata;
    const taints: Json[] = (node.spec?.taints ?? []).filter((taint: Json) => taint.effect === 'NoExecute');
    const before = standing.get(name);
    standing.delete(name);
    if (taints.length === 0) {
      return undefined;
    }
    const since = new Map<string, number>();
    standing.set(name, since);
    let wake: number | undefined;
    for (const pod of [...podsByNode.get(name).values()]) {
      const { uid } = pod.metadata;
      const start = before?.get(uid) ?? Date.now();
      since.set(uid, start);
      const left = start + tolerationOf(pod, taints) - Date.now();
      if (left <= 0 && !isTerminating(pod)) {
        evict(pod);
      } else if (left > 0 && Number.isFinite(left)) {
        wake = Math.min(left, wake ?? left);
      }
    }
    return wake;
  }

  function evict(pod: KubeObject): void {
    const { namespace, name, uid } = pod.metadata;
    recorder.normal(pod, 'TaintManagerEviction', `Marking for deletion Pod ${keyOf(pod)}`);
    store.update('pods', namespace, name, (draft) => {
      const message = 'Taint manager: deleting due to NoExecute taint';
      const reason = 'DeletionByTaintManager';
      setCondition(draft.status, { type: 'DisruptionTarget', status: 'True', reason, message });
    });
    store.delete('pods', namespace, name, { preconditions: { uid } });
  }

  return {
    watches: {
      nodes: ownKey,
      pods: (pod, { previous }) => {
        const bound = pod.spec.nodeName && previous?.spec.nodeName !== pod.spec.nodeName;
        const tainted = bound && store.get('nodes', undefined, pod.spec.nodeName)?.spec?.taints?.length > 0;
        return tainted ? [`/${pod.spec.nodeName}`] : [];
      },
    },
    reconcile,
  };
}

/** For how many milliseconds in all the pod stands the taints: 0 when it does not, infinite when for ever. */
function tolerationOf(pod: KubeObject, taints: readonly Json[]): number {
  const seconds = taints.map((taint) => {
    const [toleration] = tolerationsFor(pod, taint);
    return toleration === undefined ? 0 : (toleration.tolerationSeconds ?? Number.POSITIVE_INFINITY);
  });
  return Math.max(0, Math.min(...seconds)) * 1000;
}

function setTaint(node: KubeObject, { key, effect }: { key: string; effect: string }, wanted: boolean): void {
  node.spec ??= {};
  const taints: Json[] = node.spec.taints ?? [];
  const present = taints.some((taint) => taint.key === key && taint.effect === effect);
  if (wanted === present) {
    return;
  }
  const timeAdded = `${new Date().toISOString().slice(0, 19)}Z`;
  const kept = taints.filter((taint) => taint.key !== key || taint.effect !== effect);
  const next = wanted ? [...kept, { key, effect, timeAdded }] : kept;
  node.spec.taints = next.length > 0 ? next : undefined;
}
