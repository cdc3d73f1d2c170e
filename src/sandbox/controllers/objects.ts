import type { Json, KubeObject, ObjectMeta, OwnerReference } from '../store/types.js';

/** Now as the API server writes times: RFC 3339, UTC, whole seconds. */
export function timestamp(milliseconds = Date.now()): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

/** Now as a MicroTime, which must have exactly six fractional digits (Lease, Event). */
export function microTimestamp(milliseconds = Date.now()): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}

/** A work-queue key: `namespace/name`, or `/name` for an object of the cluster. */
export function keyOf(object: { metadata: Partial<ObjectMeta> }): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

/** What `keyOf` put together. The namespace is undefined for an object of the cluster. */
export function splitKey(key: string): [namespace: string | undefined, name: string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash) || undefined, key.slice(slash + 1)];
}

/** The one owner that manages the object, if any. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** The reference by which `owner` manages the objects it creates. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Whether the object was asked to go and is still there. */
export function isTerminating(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

/** Whether the pod has run to its end, well or badly. */
export function isFinished(pod: KubeObject): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Whether the pod counts towards the replicas of its owner. */
export function isActive(pod: KubeObject): boolean {
  return !isTerminating(pod) && !isFinished(pod);
}

/** The condition of that type, if the object has it. */
export function conditionOf(object: KubeObject, type: string): Json {
  return object.status?.conditions?.find((condition: Json) => condition.type === type);
}

/** Whether the pod's `Ready` condition is true. */
export function isReady(pod: KubeObject): boolean {
  return conditionOf(pod, 'Ready')?.status === 'True';
}

/** Milliseconds until a pod counts as available: 0 when it does, undefined when it is not even Ready. */
export function availableIn(pod: KubeObject, minReadySeconds = 0): number | undefined {
  const ready = conditionOf(pod, 'Ready');
  if (ready?.status !== 'True') {
    return undefined;
  }
  if (minReadySeconds === 0) {
    return 0;
  }
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - Date.now());
}

/** What `setCondition` sets. */
export interface ConditionUpdate {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason?: string;
  message?: string;
  [field: string]: Json;
}

/** Sets a condition in `status.conditions`; `lastTransitionTime` moves only when the status flips. */
export function setCondition(status: Json, update: ConditionUpdate): void {
  status.conditions ??= [];
  const index = status.conditions.findIndex((condition: Json) => condition.type === update.type);
  const before = index < 0 ? undefined : status.conditions[index];
  const lastTransitionTime = before?.status === update.status ? before.lastTransitionTime : timestamp();
  const after = { ...update, lastTransitionTime };
  if (index < 0) {
    status.conditions.push(after);
  } else {
    status.conditions[index] = after;
  }
}

/** A replica count given as a number or as a percentage of `total`. */
export function scaledValue(value: number | string | undefined, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'string' && value.endsWith('%')) {
    const share = (Number.parseFloat(value) * total) / 100;
    return round === 'up' ? Math.ceil(share) : Math.floor(share);
  }
  return Number(value ?? 0);
}
