import type { Client } from '../src/kubernetes/client.js';
import type { KubeObject, Resource } from '../src/kubernetes/resource.js';
import type { WatchEvent } from '../src/kubernetes/transport.js';

/** Long enough for everything that is waited for; a benchmark that hangs says so. */
const PATIENCE_MILLISECONDS = 120_000;

/** Tells when something is first seen on a watch. */
export interface Sightings {
  /** Resolves at the first event from now on that is wanted; rejects when the watch ends, or none came within two minutes. */
  next(wanted: (event: WatchEvent) => boolean): Promise<KubeObject>;
  stop(): void;
}

/** Watches the objects of one kind in a namespace, from what is there now on. */
export async function openSightings(client: Client, resource: Resource, namespace: string): Promise<Sightings> {
  const abort = new AbortController();
  const { resourceVersion } = await client.list(resource, { namespace, limit: 1 });
  const events = client.watch(resource, { namespace, resourceVersion, signal: abort.signal });
  const waiting = new Set<{ wanted(event: WatchEvent): boolean; resolve(object: KubeObject): void }>();
  const over = follow(events, (event) => {
    for (const waiter of waiting) {
      if (!waiter.wanted(event)) continue;
      waiting.delete(waiter);
      waiter.resolve(event.object);
    }
  });
  over.catch(() => {});
  return {
    next: (wanted) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`nothing was seen of ${resource.plural} in time`)),
          PATIENCE_MILLISECONDS,
        );
        const done = (object: KubeObject) => {
          clearTimeout(timer);
          resolve(object);
        };
        waiting.add({ wanted, resolve: done });
        over.catch(reject);
      }),
    stop: () => abort.abort(),
  };
}

async function follow(events: AsyncIterable<WatchEvent>, take: (event: WatchEvent) => void): Promise<never> {
  for await (const event of events) take(event);
  throw new Error('the watch ended before what it was opened for was seen');
}
