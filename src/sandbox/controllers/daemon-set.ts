import type { Json, KubeObject } from '../store/types.js';
import { type ControllerContext, controllerKey } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { isActive, isFinished, isTerminating, keyOf, scaledValue, splitKey } from './objects.js';
import { claimPods, countReady, createPod, deletePod } from './owned-pods.js';
import { matchesNode, tolerates } from './scheduler-rules.js';
import { templateHash } from './template-hash.js';

const hashLabel = 'controller-revision-hash';
/** What every daemon pod tolerates, so that it stays on a node in trouble (k8s `AddOrUpdateDaemonPodTolerations`). */
const daemonTolerations = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  ...['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable'].map((condition) => ({
    key: `node.kubernetes.io/${condition}`,
    operator: 'Exists',
    effect: 'NoSchedule',
  })),
];

/** Keeps one pod on every node that the template allows. */
export function daemonSetController(context: ControllerContext): Controller {
  const { store } = context;
  const recorder = context.recorder('daemonset-controller');

  function reconcile(key: string): number | undefined {
    const [namespace, name] = splitKey(key);
    const set = store.get('daemonsets.apps', namespace, name);
    if (set === undefined) {
      return undefined;
    }
    const hash = templateHash(set.spec.template);
    if (!isTerminating(set)) {
      place(set, hash);
      replaceOld(set, hash);
    }
    return updateStatus(set, hash);
  }

  function place(set: KubeObject, hash: string): void {
    const byNode = podsByNode(set);
    for (const node of store.list('nodes')) {
      const pods = byNode.get(node.metadata.name) ?? [];
      byNode.delete(node.metadata.name);
      const { shouldRun, mayStay } = wishes(set, node);
      if (shouldRun && pods.length === 0) {
        createDaemon(set, node.metadata.name, hash);
      }
      for (const pod of pods.slice(mayStay ? 1 : 0).concat(pods.slice(0, 1).filter(isFinished))) {
        remove(set, pod);
      }
    }
  }

  /** Of what the template asks only the node's name is new: the scheduler then has one node to choose from. */
  function createDaemon(set: KubeObject, node: string, hash: string): void {
    const spec = set.spec.template.spec;
    const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node] }];
    const nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] },
    };
    createPod(store, recorder, set, {
      metadata: { labels: { [hashLabel]: hash } },
      spec: {
        affinity: { ...spec.affinity, nodeAffinity },
        tolerations: [...(spec.tolerations ?? []), ...daemonTolerations],
      },
    });
  }

  function replaceOld(set: KubeObject, hash: string): void {
    if (set.spec.updateStrategy?.type === 'OnDelete') {
      return;
    }
    const pods = claimPods(context, set).filter(isActive);
    const old = pods.filter((pod) => pod.metadata.labels?.[hashLabel] !== hash);
    const desired = store.list('nodes').filter((node) => wishes(set, node).shouldRun).length;
    const limit = scaledValue(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, desired, 'up');
    const { available } = countReady(pods, set.spec.minReadySeconds);
    for (const pod of old.slice(0, Math.max(0, limit - (desired - available)))) {
      remove(set, pod);
    }
  }

  function remove(set: KubeObject, pod: KubeObject): void {
    if (!isTerminating(pod)) {
      deletePod(store, recorder, set, pod);
    }
  }

  function podsByNode(set: KubeObject): Map<string, KubeObject[]> {
    const groups = new Map<string, KubeObject[]>();
    for (const pod of claimPods(context, set)) {
      const node = nodeOf(pod);
      groups.set(node, [...(groups.get(node) ?? []), pod]);
    }
    return groups;
  }

  function updateStatus(set: KubeObject, hash: string): number | undefined {
    const nodes = new Set(
      store.list('nodes').flatMap((node) => (wishes(set, node).shouldRun ? [node.metadata.name] : [])),
    );
    const all = claimPods(context, set).filter(isActive);
    const pods = all.filter((pod) => nodes.has(nodeOf(pod)));
    const { ready, available, wakeMilliseconds } = countReady(pods, set.spec.minReadySeconds);
    store.update('daemonsets.apps', set.metadata.namespace, set.metadata.name, (draft) => {
      draft.status = {
        ...draft.status,
        desiredNumberScheduled: nodes.size,
        currentNumberScheduled: pods.filter((pod) => pod.spec.nodeName).length,
        numberMisscheduled: all.length - pods.length,
        updatedNumberScheduled: pods.filter((pod) => pod.metadata.labels?.[hashLabel] === hash).length || undefined,
        numberReady: ready,
        numberAvailable: available || undefined,
        numberUnavailable: nodes.size - available || undefined,
        observedGeneration: set.metadata.generation,
      };
    });
    return wakeMilliseconds;
  }

  const all = () => store.list('daemonsets.apps').map(keyOf);
  return {
    watches: {
      'daemonsets.apps': ownKey,
      pods: (pod) => controllerKey(pod, 'DaemonSet'),
      nodes: all,
    },
    reconcile,
  };
}

/**
 * Whether the set starts a pod on the node, and whether one that is there stays (k8s `NodeShouldRunDaemonPod`): a cordon
 * does not matter to it, a `NoSchedule` taint keeps new pods off, and a `NoExecute` taint drives out those that run.
 */
function wishes(set: KubeObject, node: KubeObject): { shouldRun: boolean; mayStay: boolean } {
  const spec = set.spec.template.spec;
  const pod = { spec: { ...spec, tolerations: [...(spec.tolerations ?? []), ...daemonTolerations] } } as KubeObject;
  if (!matchesNode(node, pod)) {
    return { shouldRun: false, mayStay: false };
  }
  const effects = (node.spec?.taints ?? [])
    .filter((taint: Json) => !tolerates(pod, taint))
    .map(({ effect }: Json) => effect);
  const mayStay = !effects.includes('NoExecute');
  return { shouldRun: mayStay && !effects.includes('NoSchedule'), mayStay };
}

/** The node a daemon pod is on, or is meant for while it waits for the scheduler. */
function nodeOf(pod: KubeObject): string {
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return pod.spec.nodeName || required?.nodeSelectorTerms[0]?.matchFields?.[0]?.values[0] || '';
}
