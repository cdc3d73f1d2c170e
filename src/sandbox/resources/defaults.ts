import type { KubeObject, ResourceName } from '../store/types.js';

/** Fills in, in place, the fields that a real API server defaults for its built-in kinds. */
export function applyDefaults(resource: ResourceName, object: KubeObject): void {
  if (resource === 'namespaces') {
    object.metadata.labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name };
    object.spec ??= { finalizers: ['kubernetes'] };
    object.status ??= { phase: 'Active' };
  }
}
