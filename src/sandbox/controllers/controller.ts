import type { KubeObject, ResourceName, Store, StoreEvent } from '../store/types.js';
import { keyOf } from './objects.js';
import { createWorkQueue } from './work-queue.js';

/** A level-triggered loop: events only name what to look at, and `reconcile` looks at all that is there. */
export interface Controller {
  /** For each resource watched: the keys to look at when one of its objects changes. */
  watches: Record<ResourceName, (object: KubeObject, event: StoreEvent) => Iterable<string>>;
  /** Moves the world towards what the key's object asks for. Returns the milliseconds until it must look again, if it must. */
  reconcile(key: string): number | undefined;
}

/** The watch function for the resource a controller is named after. */
export const ownKey = (object: KubeObject): string[] => [keyOf(object)];

/** Runs a controller over what is in the store and over all that will come; returns how to stop it. */
export function runController(store: Store, controller: Controller): () => void {
  const queue = createWorkQueue((key) => controller.reconcile(key));
  const stops: (() => void)[] = [];
  for (const [resource, keys] of Object.entries(controller.watches)) {
    const enqueue = (event: StoreEvent) => {
      for (const key of keys(event.object, event)) {
        queue.add(key);
      }
    };
    stops.push(store.subscribe(resource, enqueue));
    for (const object of store.list(resource)) {
      enqueue({ type: 'ADDED', object });
    }
  }
  return () => {
    queue.stop();
    for (const stop of stops) {
      stop();
    }
  };
}
