import type { ResourceType } from '../resources/resource-type.js';
import type { KubeObject } from '../store/types.js';

/**
 * What an update makes of an object: `/status` changes the status alone, the main resource everything but a status
 * that is a subresource, and the fields the server owns stay.
 */
export function nextObject(
  type: ResourceType,
  subresource: string | undefined,
  wanted: KubeObject,
  current: KubeObject,
): KubeObject {
  if (subresource === 'status') {
    return statusUpdate(wanted, current);
  }
  if (subresource === 'finalize') {
    return { ...current, metadata: versioned(wanted, current), spec: wanted.spec };
  }
  const { managedFields: _managedFields, ...metadata } = wanted.metadata as KubeObject['metadata'] & {
    managedFields?: unknown;
  };
  const next: KubeObject = { ...wanted, metadata };
  if (type.status) {
    if (current.status === undefined) {
      delete next.status;
    } else {
      next.status = current.status;
    }
  }
  keepServerFields(type, next, current);
  return next;
}

function statusUpdate(wanted: KubeObject, current: KubeObject): KubeObject {
  const next: KubeObject = { ...current, metadata: versioned(wanted, current) };
  if (wanted.status === undefined) {
    delete next.status;
  } else {
    next.status = wanted.status;
  }
  return next;
}

/** The metadata of the present object, with the version and uid that the client meant. */
function versioned(wanted: KubeObject, current: KubeObject): KubeObject['metadata'] {
  const { resourceVersion, uid } = wanted.metadata;
  return { ...current.metadata, resourceVersion, uid };
}

/** Fields that the server filled in and that a client may leave out of an update. */
function keepServerFields(type: ResourceType, next: KubeObject, current: KubeObject): void {
  if (type.resource === 'namespaces') {
    // Only `/finalize` changes these.
    next.spec = { ...next.spec, finalizers: current.spec?.finalizers };
  }
  if (type.resource === 'services' && next.spec?.type !== 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs']) {
      if (next.spec !== undefined && !next.spec[field] && current.spec?.[field]) {
        next.spec = { ...next.spec, [field]: current.spec[field] };
      }
    }
  }
  if (type.resource === 'jobs.batch' && next.spec !== undefined && current.spec?.manualSelector === false) {
    const labels = { ...current.spec.template?.metadata?.labels, ...next.spec.template?.metadata?.labels };
    const template = { ...next.spec.template, metadata: { ...next.spec.template?.metadata, labels } };
    next.spec = { ...next.spec, selector: current.spec.selector, template };
  }
}
