import type { KubeObject } from '../store/types.js';
import type { ControllerContext } from './context.js';
import { type Controller, ownKey } from './controller.js';
import {
  controllerOf,
  isActive,
  isReady,
  isTerminating,
  keyOf,
  scaledValue,
  setCondition,
  splitKey,
} from './objects.js';
import { matchesSelector } from './selectors.js';

/** How long an eviction that was granted counts as under way when its pod has not begun to go (as the real controller). */
const evictionPatienceMilliseconds = 120_000;

const scaleResources: Record<string, string> = {
  ReplicaSet: 'replicasets.apps',
  Deployment: 'deployments.apps',
  StatefulSet: 'statefulsets.apps',
};

/** Keeps the status of PodDisruptionBudgets: how many pods may be evicted now without breaking the budget. */
export function disruptionController({ store, podsByNamespace }: ControllerContext): Controller {
  function reconcile(key: string): number | undefined {
    const [namespace, name] = splitKey(key);
    const budget = store.get('poddisruptionbudgets.policy', namespace, name);
    if (budget === undefined) {
      return undefined;
    }
    const pods = [...podsByNamespace.get(namespace ?? '').values()].filter(
      (pod) => isActive(pod) && matchesSelector(budget.spec.selector, pod.metadata.labels),
    );
    const orphan = countsOwners(budget) ? pods.find(hasUnknownController) : undefined;
    if (orphan !== undefined) {
      reportFailure(budget, `found no controllers for pod ${JSON.stringify(orphan.metadata.name)}`);
      return undefined;
    }
    const { expected, desired } = wantedHealthy(budget, pods);
    const disrupted = evictionsUnderWay(budget, pods);
    const healthy = pods.filter((pod) => isReady(pod) && disrupted[pod.metadata.name] === undefined).length;
    const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0;
    store.update('poddisruptionbudgets.policy', namespace, name, (draft) => {
      draft.status = {
        ...draft.status,
        currentHealthy: healthy,
        desiredHealthy: desired,
        disruptedPods: Object.keys(disrupted).length > 0 ? disrupted : undefined,
        disruptionsAllowed: allowed,
        expectedPods: expected,
        observedGeneration: budget.metadata.generation,
      };
      setCondition(draft.status, {
        type: 'DisruptionAllowed',
        status: allowed > 0 ? 'True' : 'False',
        reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
        message: '',
        observedGeneration: budget.metadata.generation,
      });
    });
    return Object.keys(disrupted).length > 0 ? evictionPatienceMilliseconds : undefined;
  }

  /** As the real one's `failSafe`: a budget that can't be worked out allows nothing. */
  function reportFailure(budget: KubeObject, message: string): void {
    store.update('poddisruptionbudgets.policy', budget.metadata.namespace, budget.metadata.name, (draft) => {
      draft.status = { ...draft.status, disruptionsAllowed: 0 };
      setCondition(draft.status, { type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message });
    });
  }

  /** Owned by a controller whose replicas can't be looked up: a DaemonSet, a Job, or one that is gone. */
  function hasUnknownController(pod: KubeObject): boolean {
    return controllerOf(pod) !== undefined && ownerScale(pod) === undefined;
  }

  function wantedHealthy({ spec }: KubeObject, pods: KubeObject[]): { expected: number; desired: number } {
    if (spec.maxUnavailable !== undefined && spec.maxUnavailable !== null) {
      const expected = expectedFromOwners(pods);
      return { expected, desired: Math.max(0, expected - scaledValue(spec.maxUnavailable, expected, 'up')) };
    }
    const minimum = spec.minAvailable ?? 1;
    const expected = typeof minimum === 'string' ? expectedFromOwners(pods) : pods.length;
    return { expected, desired: scaledValue(minimum, expected, 'up') };
  }

  /** The sum of what the pods' owners want: a percentage of the pods that happen to be there would shrink with losses. */
  function expectedFromOwners(pods: KubeObject[]): number {
    const scales = new Map<string, number>();
    for (const pod of pods) {
      const scale = ownerScale(pod);
      // Pods that nobody owns count for nothing here, as in a real cluster.
      if (scale !== undefined) {
        scales.set(scale.uid, scale.replicas);
      }
    }
    return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
  }

  function ownerScale(pod: KubeObject): { uid: string; replicas: number } | undefined {
    const namespace = pod.metadata.namespace;
    let owner = controllerOf(pod);
    let replicas: number | undefined;
    let uid = '';
    while (owner !== undefined) {
      const resource = scaleResources[owner.kind];
      const found = resource && store.get(resource, namespace, owner.name);
      if (!found || found.metadata.uid !== owner.uid) {
        break;
      }
      replicas = found.spec.replicas ?? 1;
      uid = found.metadata.uid;
      owner = controllerOf(found);
    }
    return replicas === undefined ? undefined : { uid, replicas };
  }

  const budgetsOf = (pod: KubeObject): string[] =>
    store
      .list('poddisruptionbudgets.policy', pod.metadata.namespace)
      .filter((budget) => matchesSelector(budget.spec.selector, pod.metadata.labels))
      .map(keyOf);

  const budgetsOfNamespace = (object: KubeObject): string[] =>
    store.list('poddisruptionbudgets.policy', object.metadata.namespace).map(keyOf);

  return {
    watches: {
      'poddisruptionbudgets.policy': ownKey,
      pods: (pod, { previous }) => [...budgetsOf(pod), ...(previous === undefined ? [] : budgetsOf(previous))],
      'deployments.apps': budgetsOfNamespace,
      'statefulsets.apps': budgetsOfNamespace,
    },
    reconcile,
  };
}

/** Whether the budget is a share of what the owners of its pods want, rather than a number of pods. */
function countsOwners({ spec }: KubeObject): boolean {
  return (spec.maxUnavailable ?? undefined) !== undefined || typeof spec.minAvailable === 'string';
}

/** The evictions granted whose pods still look healthy, so that the same permission is not given twice. */
function evictionsUnderWay(budget: KubeObject, pods: KubeObject[]): Record<string, string> {
  const waiting = new Set(pods.filter((pod) => !isTerminating(pod)).map((pod) => pod.metadata.name));
  const since = Date.now() - evictionPatienceMilliseconds;
  const granted = Object.entries<string>(budget.status?.disruptedPods ?? {});
  return Object.fromEntries(granted.filter(([name, time]) => waiting.has(name) && Date.parse(time) > since));
}
