import { isRecord } from '../json.js';
import type { ResourceType } from '../resources/resource-type.js';
import type { Json, KubeObject } from '../store/types.js';

/**
 * What an update makes of an object: `/status` changes the status alone, `/ephemeralcontainers` these, the main resource
 * everything but a status that is a subresource; and the fields the server owns stay.
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
  if (subresource === 'ephemeralcontainers') {
    const spec = { ...current.spec, ephemeralContainers: wanted.spec?.ephemeralContainers };
    return { ...current, metadata: versioned(wanted, current), spec };
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
  const keep = KEPT[type.resource];
  // A spec of a wrong type is left for decoding to refuse.
  if (keep !== undefined && isRecord(next.spec ?? {})) {
    next.spec = keep(next.spec ?? {}, current.spec ?? {});
  }
}

/** By resource: a wanted spec with what it keeps of the present one. */
const KEPT: Record<string, (wanted: Json, current: Json) => Json> = {
  // Only `/finalize` changes these.
  namespaces: (wanted, { finalizers }) => ({ ...wanted, finalizers }),
  services: keepClusterAddress,
  'jobs.batch': keepJobSelector,
};

function keepClusterAddress(wanted: Json, { clusterIP, clusterIPs }: Json): Json {
  if (wanted.type === 'ExternalName' || clusterIP === undefined) {
    return wanted;
  }
  return { ...wanted, clusterIP: wanted.clusterIP || clusterIP, clusterIPs: wanted.clusterIPs ?? clusterIPs };
}

/** The selector of a job, and the labels that go with it, are made by the server. */
function keepJobSelector(wanted: Json, { manualSelector, selector, template }: Json): Json {
  const metadata = wanted.template?.metadata ?? {};
  if (manualSelector || !isRecord(wanted.template) || !isRecord(metadata) || !isRecord(metadata.labels ?? {})) {
    return wanted;
  }
  const labels = { ...template?.metadata?.labels, ...metadata.labels };
  return { ...wanted, selector, template: { ...wanted.template, metadata: { ...metadata, labels } } };
}
