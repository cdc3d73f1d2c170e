import { cloneJson } from '../json.js';
import type { Json, KubeObject } from '../store/types.js';
import { type ControllerContext, controllerKey, orphanKey } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { deploymentStatus } from './deployment-status.js';
import type { EventRecorder } from './events.js';
import { controllerOf, controllerReference, isTerminating, scaledValue, splitKey } from './objects.js';
import { matchesSelector } from './selectors.js';
import { sameTemplate, templateHash } from './template-hash.js';

const revisionAnnotation = 'deployment.kubernetes.io/revision';
const hashLabel = 'pod-template-hash';

/** A deployment with its ReplicaSets, as one reconcile sees them. */
interface Rollout {
  deployment: KubeObject;
  /** The ReplicaSet of the present template; undefined before it is made. */
  current: KubeObject | undefined;
  old: KubeObject[];
}

/** Moves a Deployment's pods to its present template, by rolling over or by stopping the old ones first. */
export function deploymentController(context: ControllerContext): Controller {
  const { store } = context;
  const recorder = context.recorder('deployment-controller');

  function reconcile(key: string): number | undefined {
    const [namespace, name] = splitKey(key);
    const deployment = store.get('deployments.apps', namespace, name);
    if (deployment === undefined) {
      return undefined;
    }
    if (!isTerminating(deployment)) {
      advance(observe(deployment));
    }
    return updateStatus(deployment);
  }

  function observe(deployment: KubeObject): Rollout {
    adoptReplicaSets(context, deployment);
    const owned = [...context.replicaSetsByController.get(deployment.metadata.uid).values()];
    const wanted = withoutHash(deployment.spec.template);
    const current = owned.find((replicaSet) => sameTemplate(withoutHash(replicaSet.spec.template), wanted));
    return { deployment, current, old: owned.filter((replicaSet) => replicaSet !== current) };
  }

  function advance(rollout: Rollout): void {
    const { deployment } = rollout;
    if (deployment.spec.paused) {
      return;
    }
    if (deployment.spec.strategy?.type === 'Recreate') {
      recreate(rollout);
    } else {
      roll(rollout);
    }
    removeHistory(rollout);
  }

  function recreate(rollout: Rollout): void {
    for (const replicaSet of rollout.old) {
      scale(rollout.deployment, replicaSet, 0);
    }
    const oldPodsLeft = rollout.old.some((old) => context.podsByController.get(old.metadata.uid).size > 0);
    if (!oldPodsLeft) {
      const current = ensureCurrent(rollout);
      scale(rollout.deployment, current, rollout.deployment.spec.replicas ?? 1);
    }
  }

  function roll(rollout: Rollout): void {
    const { deployment, old } = rollout;
    const replicas = deployment.spec.replicas ?? 1;
    const { surge, unavailable } = rollingLimits(deployment, replicas);
    let current = ensureCurrent(rollout);
    const room = replicas + surge - total([current, ...old]);
    const present = current.spec.replicas ?? 0;
    current = scale(deployment, current, Math.min(replicas, present + Math.max(0, room)));
    const notYetAvailable = (current.spec.replicas ?? 0) - availableOf(current);
    let removable = total([current, ...old]) - (replicas - unavailable) - notYetAvailable;
    removable = shrink(deployment, old, removable, (replicaSet) => replicas0(replicaSet) - availableOf(replicaSet));
    const available = [current, ...old].reduce((sum, replicaSet) => sum + availableOf(replicaSet), 0);
    shrink(deployment, old, Math.min(removable, available - (replicas - unavailable)), replicas0);
  }

  /** Takes up to `budget` replicas from ReplicaSets, from each at most what `from` allows; returns what is left of it. */
  function shrink(deployment: KubeObject, old: KubeObject[], budget: number, from: (replicaSet: KubeObject) => number) {
    let left = budget;
    for (const [index, replicaSet] of old.entries()) {
      const count = Math.min(left, Math.max(0, from(replicaSet)));
      if (count > 0) {
        old[index] = scale(deployment, replicaSet, replicas0(replicaSet) - count);
        left -= count;
      }
    }
    return left;
  }

  function ensureCurrent(rollout: Rollout): KubeObject {
    const { deployment, old } = rollout;
    const newest = Math.max(0, ...old.map(revisionOf));
    const current = rollout.current ?? createReplicaSet(deployment, newest + 1, old.length > 0);
    const revision = String(Math.max(revisionOf(current), newest + 1));
    rollout.current = store.update(
      'replicasets.apps',
      deployment.metadata.namespace,
      current.metadata.name,
      (draft) => {
        draft.metadata.annotations = { ...draft.metadata.annotations, [revisionAnnotation]: revision };
        draft.spec.minReadySeconds = deployment.spec.minReadySeconds;
      },
    );
    store.update('deployments.apps', deployment.metadata.namespace, deployment.metadata.name, (draft) => {
      draft.metadata.annotations = { ...draft.metadata.annotations, [revisionAnnotation]: revision };
    });
    return rollout.current;
  }

  function createReplicaSet(deployment: KubeObject, revision: number, rolling: boolean): KubeObject {
    const hash = templateHash(deployment.spec.template);
    const template = cloneJson(deployment.spec.template);
    template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [hashLabel]: hash } };
    const replicas = rolling ? 0 : (deployment.spec.replicas ?? 1);
    const created = store.create('replicasets.apps', {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${deployment.metadata.name}-${hash}`,
        namespace: deployment.metadata.namespace,
        labels: template.metadata.labels,
        annotations: { [revisionAnnotation]: String(revision) },
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas,
        minReadySeconds: deployment.spec.minReadySeconds,
        selector: {
          ...deployment.spec.selector,
          matchLabels: { ...deployment.spec.selector?.matchLabels, [hashLabel]: hash },
        },
        template,
      },
    });
    if (replicas > 0) {
      reportScaling(recorder, deployment, created, 0, replicas);
    }
    return created;
  }

  function scale(deployment: KubeObject, replicaSet: KubeObject, replicas: number): KubeObject {
    const { namespace, name } = replicaSet.metadata;
    const before = replicas0(replicaSet);
    if (before === replicas) {
      return replicaSet;
    }
    reportScaling(recorder, deployment, replicaSet, before, replicas);
    return store.update('replicasets.apps', namespace, name, (draft) => {
      draft.spec.replicas = replicas;
    });
  }

  function removeHistory({ deployment, old }: Rollout): void {
    const idle = old.filter((replicaSet) => replicas0(replicaSet) === 0 && (replicaSet.status?.replicas ?? 0) === 0);
    idle.sort((left, right) => revisionOf(right) - revisionOf(left));
    for (const replicaSet of idle.slice(deployment.spec.revisionHistoryLimit ?? 10)) {
      store.delete('replicasets.apps', replicaSet.metadata.namespace, replicaSet.metadata.name);
    }
  }

  function updateStatus(deployment: KubeObject): number | undefined {
    const { current, old } = observe(deployment);
    const { status, wakeMilliseconds } = deploymentStatus(deployment, current, old);
    store.update('deployments.apps', deployment.metadata.namespace, deployment.metadata.name, (draft) => {
      draft.status = status;
    });
    return wakeMilliseconds;
  }

  return {
    watches: {
      'deployments.apps': ownKey,
      'replicasets.apps': (replicaSet) =>
        controllerOf(replicaSet) === undefined
          ? store.list('deployments.apps', replicaSet.metadata.namespace).flatMap(ownKey)
          : controllerKey(replicaSet, 'Deployment'),
      // A Recreate rollout goes on when the last old pod is gone, which its ReplicaSet's status does not tell.
      pods: (pod, event) => (event.type === 'DELETED' ? deploymentOfPod(context, pod) : []),
    },
    reconcile,
  };
}

function deploymentOfPod({ store }: ControllerContext, pod: KubeObject): string[] {
  const owner = controllerOf(pod);
  const replicaSet = owner && store.get('replicasets.apps', pod.metadata.namespace, owner.name);
  return replicaSet === undefined ? [] : controllerKey(replicaSet, 'Deployment');
}

function adoptReplicaSets({ store, replicaSetsByController }: ControllerContext, deployment: KubeObject): void {
  const { namespace } = deployment.metadata;
  for (const replicaSet of [...replicaSetsByController.get(orphanKey(namespace ?? '')).values()]) {
    if (!isTerminating(replicaSet) && matchesSelector(deployment.spec.selector, replicaSet.metadata.labels)) {
      store.update('replicasets.apps', namespace, replicaSet.metadata.name, (draft) => {
        draft.metadata.ownerReferences = [...(draft.metadata.ownerReferences ?? []), controllerReference(deployment)];
      });
    }
  }
}

/** How many pods may be there above, and may be missing below, the wanted count during a rolling update. */
function rollingLimits(deployment: KubeObject, replicas: number): { surge: number; unavailable: number } {
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = scaledValue(maxSurge, replicas, 'up');
  const unavailable = Math.min(replicas, scaledValue(maxUnavailable, replicas, 'down'));
  // Both zero would stand still for ever; the real controller then also lets one pod be missing.
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

function reportScaling(
  recorder: EventRecorder,
  deployment: KubeObject,
  replicaSet: KubeObject,
  from: number,
  to: number,
) {
  const direction = to >= from ? 'up' : 'down';
  const message = `Scaled ${direction} replica set ${replicaSet.metadata.name} from ${from} to ${to}`;
  recorder.normal(deployment, 'ScalingReplicaSet', message);
}

function withoutHash(template: Json): Json {
  const { [hashLabel]: _hash, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

function revisionOf(replicaSet: KubeObject): number {
  return Number(replicaSet.metadata.annotations?.[revisionAnnotation] ?? 0);
}

const replicas0 = (replicaSet: KubeObject): number => replicaSet.spec.replicas ?? 0;
const availableOf = (replicaSet: KubeObject): number => replicaSet.status?.availableReplicas ?? 0;
const total = (replicaSets: KubeObject[]): number => replicaSets.reduce((sum, one) => sum + replicas0(one), 0);
