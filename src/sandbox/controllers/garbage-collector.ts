import { equalJson } from '../json.js';
import type { KubeObject, OwnerReference, ResourceName, Store, StoreEvent } from '../store/types.js';
import { isTerminating } from './objects.js';
import { type KnownKind, kindOfDefinition, knownKinds } from './resource-names.js';
import { createWorkQueue } from './work-queue.js';

const foreground = 'foregroundDeletion';
const orphan = 'orphan';
const crds = 'customresourcedefinitions.apiextensions.k8s.io';

/** Where an object is; the uid tells it from a namesake. */
interface Place {
  resource: ResourceName;
  namespace: string | undefined;
  name: string;
}

/**
 * Deletes what has lost all its owners, and carries out the Foreground and Orphan policies. As in a real cluster an
 * owner is looked for in the namespace of its dependent (or in the cluster): one in another namespace is an absent one.
 */
export function startGarbageCollector(store: Store): () => void {
  const places = new Map<string, Place>();
  const dependents = new Map<string, Set<string>>();
  const watched = new Map<ResourceName, () => void>();
  const kinds = new Map<string, KnownKind>();
  const queue = createWorkQueue(reconcile);

  function watch(known: KnownKind): void {
    const { resource } = known;
    kinds.set(`${known.group}/${known.kind}`, known);
    // Events own nothing and are owned by nothing, and they are the most frequent objects of all.
    if (resource === 'events' || watched.has(resource)) {
      return;
    }
    watched.set(
      resource,
      store.subscribe(resource, (event) => learn(resource, event)),
    );
    for (const object of store.list(resource)) {
      learn(resource, { type: 'ADDED', object });
    }
  }

  function learn(resource: ResourceName, { type, object, previous }: StoreEvent): void {
    const { uid, namespace, name, ownerReferences } = object.metadata;
    if (type === 'DELETED') {
      for (const dependent of dependents.get(uid) ?? []) {
        queue.add(dependent);
      }
      unlink(uid, previous?.metadata.ownerReferences);
      unlink(uid, ownerReferences);
      places.delete(uid);
      return;
    }
    places.set(uid, { resource, namespace, name });
    if (previous !== undefined && !equalJson(previous.metadata.ownerReferences, ownerReferences)) {
      unlink(uid, previous.metadata.ownerReferences);
    }
    for (const owner of ownerReferences ?? []) {
      const known = dependents.get(owner.uid) ?? new Set();
      dependents.set(owner.uid, known.add(uid));
    }
    if (needsLook(object, previous)) {
      queue.add(uid);
    }
  }

  function unlink(uid: string, owners: OwnerReference[] | undefined): void {
    for (const owner of owners ?? []) {
      const known = dependents.get(owner.uid);
      known?.delete(uid);
      if (known?.size === 0) {
        dependents.delete(owner.uid);
      }
      // An owner that waits for its dependents may have waited for this one.
      if (places.has(owner.uid)) {
        queue.add(owner.uid);
      }
    }
  }

  function reconcile(uid: string): undefined {
    const place = places.get(uid);
    const object = place && store.get(place.resource, place.namespace, place.name);
    if (place === undefined || object?.metadata.uid !== uid) {
      return;
    }
    const finalizers = object.metadata.finalizers ?? [];
    if (isTerminating(object) && finalizers.includes(orphan)) {
      orphanDependents(uid);
      removeFinalizer(place, orphan);
    } else if (isTerminating(object) && finalizers.includes(foreground)) {
      deleteDependents(place, uid);
    } else if (!isTerminating(object)) {
      collect(place, object);
    }
  }

  function orphanDependents(uid: string): void {
    for (const [place] of dependentsOf(uid)) {
      store.update(place.resource, place.namespace, place.name, (draft) =>
        dropOwners(draft, (owner) => owner.uid === uid),
      );
    }
  }

  function deleteDependents(place: Place, uid: string): void {
    for (const [, dependent] of dependentsOf(uid)) {
      queue.add(dependent.metadata.uid);
    }
    const blocking = dependentsOf(uid).some(([, dependent]) =>
      dependent.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
    );
    if (!blocking) {
      removeFinalizer(place, foreground);
    }
  }

  /** Deletes an object none of whose owners will stay; otherwise takes away the references that lead nowhere. */
  function collect(place: Place, object: KubeObject): void {
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0) {
      return;
    }
    const found = owners.map((owner) => findOwner(owner, object.metadata.namespace));
    const solid = found.some((owner) => owner !== undefined && !waitsForDependents(owner));
    if (solid) {
      const gone = (owner: OwnerReference) => !found.some((one) => one?.metadata.uid === owner.uid);
      if (owners.some(gone)) {
        store.update(place.resource, place.namespace, place.name, (draft) => dropOwners(draft, gone));
      }
      return;
    }
    const hasDependents = (dependents.get(object.metadata.uid)?.size ?? 0) > 0;
    const waiting = found.some((owner) => owner !== undefined);
    store.delete(place.resource, place.namespace, place.name, {
      preconditions: { uid: object.metadata.uid },
      propagationPolicy: waiting && hasDependents ? 'Foreground' : 'Background',
    });
  }

  function findOwner(owner: OwnerReference, namespace: string | undefined): KubeObject | undefined {
    const group = owner.apiVersion.includes('/') ? owner.apiVersion.split('/')[0] : '';
    const known = kinds.get(`${group}/${owner.kind}`);
    const found = known && store.get(known.resource, known.namespaced ? namespace : undefined, owner.name);
    return found?.metadata.uid === owner.uid ? found : undefined;
  }

  function dependentsOf(uid: string): [Place, KubeObject][] {
    return [...(dependents.get(uid) ?? [])].flatMap((dependent): [Place, KubeObject][] => {
      const place = places.get(dependent);
      const object = place && store.get(place.resource, place.namespace, place.name);
      return place === undefined || object === undefined ? [] : [[place, object]];
    });
  }

  function removeFinalizer({ resource, namespace, name }: Place, finalizer: string): void {
    store.update(resource, namespace, name, (draft) => {
      draft.metadata.finalizers = draft.metadata.finalizers?.filter((one) => one !== finalizer);
    });
  }

  for (const known of knownKinds(store)) {
    watch(known);
  }
  const stopDefinitions = store.subscribe(crds, ({ object }) => watch(kindOfDefinition(object)));
  return () => {
    queue.stop();
    stopDefinitions();
    for (const stop of watched.values()) {
      stop();
    }
  };
}

function needsLook(object: KubeObject, previous: KubeObject | undefined): boolean {
  if (previous === undefined) {
    return (object.metadata.ownerReferences ?? []).length > 0 || isTerminating(object);
  }
  return (
    isTerminating(object) !== isTerminating(previous) ||
    !equalJson(object.metadata.finalizers, previous.metadata.finalizers) ||
    !equalJson(object.metadata.ownerReferences, previous.metadata.ownerReferences)
  );
}

function waitsForDependents(owner: KubeObject): boolean {
  return isTerminating(owner) && (owner.metadata.finalizers ?? []).includes(foreground);
}

function dropOwners(draft: KubeObject, drop: (owner: OwnerReference) => boolean): void {
  const kept = (draft.metadata.ownerReferences ?? []).filter((owner) => !drop(owner));
  draft.metadata.ownerReferences = kept.length > 0 ? kept : undefined;
}
