import type { Json, KubeObject, Store } from '../store/types.js';
import { createEventRecorder, type EventRecorder } from './events.js';
import { createObjectIndex, type ObjectIndex } from './object-index.js';
import { controllerOf, isTerminating, keyOf } from './objects.js';

/** What the controllers share: the store, and the groupings of it that keep each reconcile small. */
export interface ControllerContext {
  store: Store;
  /** Writes events as the named component. */
  recorder(component: string): EventRecorder;
  /** Pods by the uid of their controller; those without one under `orphanKey(namespace)`. */
  podsByController: ObjectIndex;
  podsByNamespace: ObjectIndex;
  podsByNode: ObjectIndex;
  /** The pods with a required anti-affinity, by the namespace it is about; under `everywhere` when it names others. */
  podsWithAntiAffinity: ObjectIndex;
  replicaSetsByController: ObjectIndex;
  stop(): void;
}

/** Builds the shared groupings over a store. */
export function createControllerContext(store: Store): ControllerContext {
  const byController = (object: KubeObject) => controllerOf(object)?.uid ?? orphanKey(object.metadata.namespace ?? '');
  const indexes = {
    podsByController: createObjectIndex(store, 'pods', byController),
    podsByNamespace: createObjectIndex(store, 'pods', (pod) => pod.metadata.namespace),
    podsByNode: createObjectIndex(store, 'pods', (pod) => pod.spec.nodeName || undefined),
    podsWithAntiAffinity: createObjectIndex(store, 'pods', antiAffinityReach),
    replicaSetsByController: createObjectIndex(store, 'replicasets.apps', byController),
  };
  const stop = () => {
    for (const index of Object.values(indexes)) {
      index.stop();
    }
  };
  return { store, recorder: (component) => createEventRecorder(store, component), ...indexes, stop };
}

/** Where `podsWithAntiAffinity` keeps pods whose terms reach beyond their own namespace. */
export const everywhere = '*';

function antiAffinityReach({ metadata, spec }: KubeObject): string | undefined {
  const terms = spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const wide = terms.some(({ namespaces, namespaceSelector }: Json) => namespaceSelector || namespaces?.length > 0);
  return terms.length === 0 ? undefined : wide ? everywhere : metadata.namespace;
}

/** Where an index by controller keeps a namespace's objects that no controller owns. */
export function orphanKey(namespace: string): string {
  return `orphans of ${namespace}`;
}

/** The key of the object's controller when that is of `kind`: which reconcile cares about this dependent. */
export function controllerKey(object: KubeObject, kind: string): string[] {
  const owner = controllerOf(object);
  return owner?.kind === kind ? [`${object.metadata.namespace}/${owner.name}`] : [];
}

/** The object unless it is missing or on its way out: most controllers have nothing to do then. */
export function liveObject(object: KubeObject | undefined): KubeObject | undefined {
  return object === undefined || isTerminating(object) ? undefined : object;
}

/** The keys of all objects of a resource in a namespace. */
export function keysInNamespace(store: Store, resource: string, namespace: string | undefined): string[] {
  return store.list(resource, namespace).map(keyOf);
}
