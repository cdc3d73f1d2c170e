import { BUILT_IN_TYPES } from '../resources/built-in.js';
import type { Json, KubeObject, ResourceName, Store } from '../store/types.js';

const crds = 'customresourcedefinitions.apiextensions.k8s.io';

/** A kind as the garbage collector and the namespace controller know it. */
export interface KnownKind {
  resource: ResourceName;
  group: string;
  kind: string;
  namespaced: boolean;
}

const builtIn: readonly KnownKind[] = BUILT_IN_TYPES.map(({ resource, group, kind, namespaced }) => ({
  resource,
  group,
  kind,
  namespaced,
}));

/** All kinds of the cluster at this moment: the built-in ones and those of CRDs. */
export function knownKinds(store: Store): KnownKind[] {
  return [...builtIn, ...store.list(crds).map(kindOfDefinition)];
}

/** What a CRD defines. */
export function kindOfDefinition({ metadata, spec }: KubeObject): KnownKind {
  const { group, names, scope }: Json = spec;
  return { resource: metadata.name, group, kind: names.kind, namespaced: scope === 'Namespaced' };
}

/** The resources whose objects live in namespaces. */
export function namespacedResources(store: Store): ResourceName[] {
  return knownKinds(store).flatMap(({ resource, namespaced }) => (namespaced ? [resource] : []));
}
