import { cloneJson } from '../json.js';
import type { Json, KubeObject } from '../store/types.js';
import { scaledValue, setCondition } from './objects.js';

const defaultProgressSeconds = 600;

/**
 * The status of a Deployment from that of its ReplicaSets, with the conditions Available and Progressing, and when a
 * rollout that stands still must be looked at again.
 */
export function deploymentStatus(
  deployment: KubeObject,
  current: KubeObject | undefined,
  old: KubeObject[],
): { status: Json; wakeMilliseconds: number | undefined } {
  const all = current === undefined ? old : [current, ...old];
  const sum = (field: string) => all.reduce((count, replicaSet) => count + (replicaSet.status?.[field] ?? 0), 0);
  const replicas = sum('replicas');
  const available = sum('availableReplicas');
  const wanted = deployment.spec.replicas ?? 1;
  const status: Json = {
    ...cloneJson(deployment.status ?? {}),
    observedGeneration: deployment.metadata.generation,
    replicas: replicas || undefined,
    updatedReplicas: current?.status?.replicas || undefined,
    readyReplicas: sum('readyReplicas') || undefined,
    availableReplicas: available || undefined,
    unavailableReplicas: Math.max(0, Math.max(wanted, total(all)) - available) || undefined,
  };
  setCondition(status, availableCondition(deployment, available, wanted));
  const wakeMilliseconds = setProgressing(deployment, status, current);
  return { status, wakeMilliseconds };
}

function total(replicaSets: KubeObject[]): number {
  return replicaSets.reduce((count, replicaSet) => count + (replicaSet.spec.replicas ?? 0), 0);
}

function availableCondition(deployment: KubeObject, available: number, wanted: number) {
  const recreate = deployment.spec.strategy?.type === 'Recreate';
  const { maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {};
  const needed = wanted - (recreate ? 0 : Math.min(wanted, scaledValue(maxUnavailable, wanted, 'down')));
  return available >= needed
    ? {
        type: 'Available',
        status: 'True' as const,
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False' as const,
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

/** Whether a rollout has arrived: every wanted pod is of the present template and available, and no other is left. */
function isComplete(deployment: KubeObject, status: Json): boolean {
  const wanted = deployment.spec.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted
  );
}

/** Whether the rollout moved since the status was last written: more new pods, fewer old ones, more available ones. */
function hasProgressed(before: Json, after: Json): boolean {
  const oldPods = (status: Json) => (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    oldPods(after) < oldPods(before) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0) ||
    before?.observedGeneration !== after.observedGeneration
  );
}

function setProgressing(deployment: KubeObject, status: Json, current: KubeObject | undefined): number | undefined {
  const name = current?.metadata.name ?? deployment.metadata.name;
  const before = status.conditions.find((condition: Json) => condition.type === 'Progressing');
  if (isComplete(deployment, status)) {
    progress(status, before, 'True', 'NewReplicaSetAvailable', `ReplicaSet "${name}" has successfully progressed.`);
    return undefined;
  }
  // A finished rollout stays finished when pods are lost later: only a new template starts a new one.
  if (before?.reason === 'NewReplicaSetAvailable' && (status.updatedReplicas ?? 0) === (status.replicas ?? 0)) {
    return undefined;
  }
  if (before === undefined || hasProgressed(deployment.status, status)) {
    progress(status, before, 'True', 'ReplicaSetUpdated', `ReplicaSet "${name}" is progressing.`, true);
  }
  return checkDeadline(deployment, status, name);
}

function progress(status: Json, before: Json, value: 'True' | 'False', reason: string, message: string, moved = false) {
  const lastUpdateTime =
    moved || before?.reason !== reason ? new Date().toISOString().replace(/\.\d+Z$/, 'Z') : before.lastUpdateTime;
  setCondition(status, { type: 'Progressing', status: value, reason, message, lastUpdateTime });
}

function checkDeadline(deployment: KubeObject, status: Json, name: string): number | undefined {
  const condition = status.conditions.find((one: Json) => one.type === 'Progressing');
  if (deployment.spec.paused || condition.reason === 'ProgressDeadlineExceeded') {
    return undefined;
  }
  const seconds = deployment.spec.progressDeadlineSeconds ?? defaultProgressSeconds;
  const left = Date.parse(condition.lastUpdateTime) + seconds * 1000 - Date.now();
  if (left > 0) {
    return left;
  }
  const message = `ReplicaSet "${name}" has timed out progressing.`;
  progress(status, condition, 'False', 'ProgressDeadlineExceeded', message);
  return undefined;
}
