import { conflict, staleVersion } from '../api-error.js';
import { equalJson } from '../json.js';
import type { KubeObject, ResourceName } from './types.js';

/**
 * Puts back what no update can change. Throws 409 when the draft names another version or uid: it was made from another
 * object.
 */
export function keepIdentity(resource: ResourceName, draft: KubeObject, previous: KubeObject): void {
  const { name, namespace, uid, resourceVersion, creationTimestamp, generation } = previous.metadata;
  const meant = draft.metadata;
  if (meant.uid && meant.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${meant.uid}, UID in object meta: ${uid}`;
    throw conflict(resource, name, why);
  }
  if (meant.resourceVersion && meant.resourceVersion !== resourceVersion) {
    throw staleVersion(resource, name);
  }
  const { deletionTimestamp, deletionGracePeriodSeconds } = previous.metadata;
  Object.assign(meant, { name, namespace, uid, resourceVersion, creationTimestamp, generation });
  Object.assign(meant, { deletionTimestamp, deletionGracePeriodSeconds });
}

/** Whether everything but metadata and status is the same: what `generation` counts changes of. */
export function equalDesired(left: KubeObject, right: KubeObject): boolean {
  const desired = ({ metadata: _metadata, status: _status, ...rest }: KubeObject) => rest;
  return equalJson(desired(left), desired(right));
}
