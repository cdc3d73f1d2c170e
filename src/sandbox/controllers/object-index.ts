import type { KubeObject, ResourceName, Store } from '../store/types.js';

const none: ReadonlyMap<string, KubeObject> = new Map();

/** The objects of a resource grouped by a key and kept up to date, so that nobody scans a namespace of 20,000 pods. */
export interface ObjectIndex {
  /** The objects under a key, by uid. */
  get(key: string): ReadonlyMap<string, KubeObject>;
  keys(): Iterable<string>;
  stop(): void;
}

/** Groups the objects of a resource by `keyFor`; an object without a key is left out. */
export function createObjectIndex(
  store: Store,
  resource: ResourceName,
  keyFor: (object: KubeObject) => string | undefined,
): ObjectIndex {
  const groups = new Map<string, Map<string, KubeObject>>();

  function put(object: KubeObject): void {
    const key = keyFor(object);
    if (key === undefined) {
      return;
    }
    const group = groups.get(key) ?? new Map<string, KubeObject>();
    group.set(object.metadata.uid, object);
    groups.set(key, group);
  }

  function remove(object: KubeObject): void {
    const key = keyFor(object);
    const group = key === undefined ? undefined : groups.get(key);
    group?.delete(object.metadata.uid);
    if (group?.size === 0) {
      groups.delete(key!);
    }
  }

  for (const object of store.list(resource)) {
    put(object);
  }
  const stop = store.subscribe(resource, (event) => {
    const before = event.previous;
    if (before !== undefined && (event.type === 'DELETED' || keyFor(before) !== keyFor(event.object))) {
      remove(before);
    }
    if (event.type === 'DELETED') {
      remove(event.object);
    } else {
      put(event.object);
    }
  });
  return { get: (key) => groups.get(key) ?? none, keys: () => groups.keys(), stop };
}
