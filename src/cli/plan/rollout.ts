import type { Json, KubeObject } from '../../kubernetes/resource.js';

/**
 * How many pods of a workload a rollout takes out of service at the same time, at most; see
 * https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment and its like of the others.
 */
export function rolledAtOnce({ kind, spec }: KubeObject, replicas: number): number {
  if (kind === 'Deployment') return ofDeployment(spec?.strategy, replicas);
  const { type = 'RollingUpdate', rollingUpdate } = spec?.updateStrategy ?? {};
  if (kind === 'ReplicaSet' || type === 'OnDelete') return 0;
  return Math.min(replicas, Math.max(1, share(rollingUpdate?.maxUnavailable ?? 1, replicas, Math.ceil)));
}

function ofDeployment(strategy: Json, replicas: number): number {
  if (strategy?.type === 'Recreate') return replicas;
  const unavailable = share(strategy?.rollingUpdate?.maxUnavailable ?? '25%', replicas, Math.floor);
  const surge = share(strategy?.rollingUpdate?.maxSurge ?? '25%', replicas, Math.ceil);
  // With neither, the controller takes one down so as to get on.
  return Math.min(replicas, unavailable === 0 && surge === 0 ? 1 : unavailable);
}

/** A number, or a percentage of the replicas. */
function share(value: unknown, replicas: number, round: (value: number) => number): number {
  const percent = /^(\d+)%$/.exec(String(value))?.[1];
  return percent === undefined ? Number(value) || 0 : round((replicas * Number(percent)) / 100);
}
