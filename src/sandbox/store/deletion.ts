import { ApiError, conflict } from '../api-error.js';
import type { DeleteOptions, KubeObject, ResourceName } from './types.js';

const DEFAULT_POD_GRACE_SECONDS = 30;

/** What the `propagationPolicy` of a DELETE leaves on the object for the garbage collector to act on. */
const PROPAGATION_FINALIZERS = { Foreground: 'foregroundDeletion', Orphan: 'orphan' } as const;

/** Throws 409 when the object is not the one, or not in the version, that the caller meant to delete. */
export function checkPreconditions(resource: ResourceName, object: KubeObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { metadata } = object;
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`;
    throw conflict(resource, metadata.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`;
    throw conflict(resource, metadata.name, why);
  }
}

/**
 * Writes into a draft what a DELETE asks for: deletionTimestamp, grace period, and finalizers of the propagation
 * policy. What `isRemovable` says of the draft afterwards decides whether the object goes at once.
 */
export function markForDeletion(resource: ResourceName, draft: KubeObject, options: DeleteOptions, now: Date): void {
  applyPropagation(draft, options);
  const grace = graceSeconds(resource, draft, options);
  const { metadata } = draft;
  if (metadata.deletionTimestamp === undefined) {
    setDeadline(draft, grace, now);
    if (metadata.generation !== undefined) {
      metadata.generation += 1;
    }
  } else if (options.gracePeriodSeconds !== undefined && grace < (metadata.deletionGracePeriodSeconds ?? 0)) {
    // A second DELETE can only shorten the grace period, never extend it.
    setDeadline(draft, grace, now);
  }
  if (resource === 'namespaces') {
    draft.status = { ...draft.status, phase: 'Terminating' };
  }
}

/** Whether nothing holds a deleted object any more: no finalizer, and no grace period that a kubelet still has to end. */
export function isRemovable(resource: ResourceName, object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  if (deletionTimestamp === undefined || (deletionGracePeriodSeconds ?? 0) > 0 || (finalizers ?? []).length > 0) {
    return false;
  }
  return resource !== 'namespaces' || (object.spec?.finalizers ?? []).length === 0;
}

function setDeadline(draft: KubeObject, grace: number, now: Date): void {
  draft.metadata.deletionTimestamp = timestamp(new Date(now.getTime() + grace * 1000));
  draft.metadata.deletionGracePeriodSeconds = grace;
}

function graceSeconds(resource: ResourceName, object: KubeObject, options: DeleteOptions): number {
  if (resource !== 'pods') {
    return 0;
  }
  const asked = options.gracePeriodSeconds ?? object.spec?.terminationGracePeriodSeconds ?? DEFAULT_POD_GRACE_SECONDS;
  const finished = object.status?.phase === 'Succeeded' || object.status?.phase === 'Failed';
  if (finished || !object.spec?.nodeName) {
    return 0;
  }
  return asked < 0 ? 1 : asked;
}

function applyPropagation(draft: KubeObject, { propagationPolicy }: DeleteOptions): void {
  if (propagationPolicy === undefined) {
    return;
  }
  const managed: string[] = Object.values(PROPAGATION_FINALIZERS);
  const others = (draft.metadata.finalizers ?? []).filter((finalizer) => !managed.includes(finalizer));
  if (propagationPolicy !== 'Background') {
    others.push(PROPAGATION_FINALIZERS[propagationPolicy]);
  }
  draft.metadata.finalizers = others.length > 0 ? others : undefined;
}

/** 403: nothing new is made in a namespace that is on its way out. */
export function terminatingNamespace(resource: ResourceName, name: string, namespace: string): ApiError {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  return new ApiError(403, 'Forbidden', `${resource} "${name}" is forbidden: ${why}`, {
    name,
    kind: resource,
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  });
}

/** RFC 3339 in whole seconds, the precision of `metav1.Time`. */
export function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
