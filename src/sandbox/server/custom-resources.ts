import { typesOf } from '../resources/custom.js';
import { arrayOf } from '../resources/pod-defaults.js';
import type { ResourceType } from '../resources/resource-type.js';
import type { Catalogue } from '../resources/served-kinds.js';
import { timestamp } from '../store/deletion.js';
import type { ServerStore } from '../store/store.js';
import type { Json, KubeObject, StoreEvent } from '../store/types.js';
import type { WatchRegistry } from './watches.js';

const CRDS = 'customresourcedefinitions.apiextensions.k8s.io';
/** Holds a CRD until all objects of its kind are gone. */
const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';

interface Parts {
  store: ServerStore;
  catalogue: Catalogue;
  watches: WatchRegistry;
  now: () => Date;
}

/**
 * Serves the kinds of all CRDs in the store from the moment they are there, and takes a CRD's objects away with it.
 * Returns how to stop.
 */
export function serveCustomResources(parts: Parts): () => void {
  const { store, catalogue, watches } = parts;
  const cleanups = new Map<string, () => void>();
  const stopCleanup = (name: string) => {
    cleanups.get(name)?.();
    cleanups.delete(name);
  };

  const react = ({ type, object, previous }: Pick<StoreEvent, 'type' | 'object' | 'previous'>) => {
    const { name, deletionTimestamp } = object.metadata;
    if (type === 'DELETED') {
      stopCleanup(name);
      catalogue.removeCustom(name);
      watches.finish(name);
    } else if (deletionTimestamp !== undefined) {
      if (!cleanups.has(name)) {
        cleanups.set(name, removeObjects(store, name));
      }
    } else if (previous === undefined || previous.metadata.generation !== object.metadata.generation) {
      establish(parts, object);
    }
  };

  for (const object of store.list(CRDS)) {
    react({ type: 'ADDED', object });
  }
  const unsubscribe = store.subscribe(CRDS, react);
  return () => {
    unsubscribe();
    for (const name of [...cleanups.keys()]) {
      stopCleanup(name);
    }
  };
}

function establish({ store, catalogue, now }: Parts, definition: KubeObject): void {
  const { name } = definition.metadata;
  const outcome = compileTypes(catalogue, definition);
  if (outcome.types !== undefined) {
    catalogue.setCustom(name, outcome.types);
  }
  const { spec } = definition;
  store.update(CRDS, undefined, name, (draft) => {
    const finalizers = draft.metadata.finalizers ?? [];
    draft.metadata.finalizers = finalizers.includes(CLEANUP) ? finalizers : [...finalizers, CLEANUP];
    draft.status ??= {};
    const stored = arrayOf(spec.versions).find((version) => version.storage)?.name;
    draft.status.storedVersions = [...new Set([...(draft.status.storedVersions ?? []), stored])];
    draft.status.acceptedNames = outcome.conflict === undefined ? spec.names : { plural: '', kind: '' };
    draft.status.conditions = conditionsOf(draft.status.conditions, outcome, timestamp(now()));
  });
}

interface Outcome {
  types?: ResourceType[];
  /** Why the names are not accepted. */
  conflict?: string;
  /** Why the schemas can't be used. */
  broken?: string;
}

function compileTypes(catalogue: Catalogue, definition: KubeObject): Outcome {
  const { names, group } = definition.spec;
  const rival = catalogue
    .all()
    .find((type) => type.group === group && type.kind === names.kind && type.plural !== names.plural);
  if (rival !== undefined) {
    return { conflict: `${JSON.stringify(names.kind)} is already in use` };
  }
  try {
    return { types: typesOf(definition) };
  } catch (error) {
    return { broken: (error as Error).message };
  }
}

function conditionsOf(present: Json, { conflict, broken }: Outcome, time: string): Json[] {
  const established = conflict === undefined && broken === undefined;
  const wanted = [
    conflict === undefined
      ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { type: 'NamesAccepted', status: 'False', reason: 'KindConflict', message: conflict },
    established
      ? {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: conflict ?? broken },
  ];
  return wanted.map((condition) => {
    const before = arrayOf(present).find((other) => other.type === condition.type);
    const kept = before?.status === condition.status ? before.lastTransitionTime : time;
    return { ...condition, lastTransitionTime: kept };
  });
}

/** Deletes all objects of a CRD and lets the CRD go with the last of them. Returns how to stop. */
function removeObjects(store: ServerStore, name: string): () => void {
  const release = () => {
    if (store.count(name) === 0 && store.get(CRDS, undefined, name) !== undefined) {
      store.update(CRDS, undefined, name, ({ metadata }) => {
        metadata.finalizers = metadata.finalizers?.filter((finalizer) => finalizer !== CLEANUP);
      });
    }
  };
  const stop = store.subscribe(name, (event) => {
    if (event.type === 'DELETED') {
      release();
    } else if (event.type === 'ADDED') {
      store.delete(name, event.object.metadata.namespace, event.object.metadata.name);
    }
  });
  for (const { metadata } of store.list(name)) {
    store.delete(name, metadata.namespace, metadata.name);
  }
  release();
  return stop;
}
