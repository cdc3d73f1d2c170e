import { badRequest, expired, invalid } from '../api-error.js';
import type { ResourceType } from '../resources/resource-type.js';
import { type Predicate, selectorOf } from '../resources/selector.js';
import type { Json, KubeObject, StoreEvent } from '../store/types.js';
import { toPartial, toTable } from '../table/table.js';
import { asServed, namespaceOf, type ResourceCall } from './context.js';
import { includeObjectOf, type Representation } from './negotiate.js';
import { booleanOf, integerOf } from './query.js';
import { selectedObjects } from './read.js';
import { type Encoder, type WatchEvent, WatchStream } from './watch-stream.js';

const BOOKMARK_INTERVAL_MS = 30_000;
const MIN_TIMEOUT_SECONDS = 1800;
const INITIAL_EVENTS_END = { 'k8s.io/initial-events-end': 'true' };

/** GET with `watch=true`: a stream of events, from a version or from the present. */
export function handleWatch(call: ResourceCall): void {
  const { context, type, query, response } = call;
  const { store, knobs, watches } = context;
  const start = startOf(call);
  const bookmarks = booleanOf(query, 'allowWatchBookmarks');
  const seconds = integerOf(query, 'timeoutSeconds') || MIN_TIMEOUT_SECONDS * (1 + Math.random());
  const filter = eventFilter(namespaceOf(call), selectorOf(type, query));
  const missed = start.version === undefined ? [] : store.since(type.resource, start.version);
  if (missed === undefined && knobs.settings.expiredWatch === 'http') {
    throw tooOld(start.version!);
  }

  const stream = new WatchStream(response, encoder(call));
  if (missed === undefined) {
    stream.fail(tooOld(start.version!).toStatus());
    return;
  }
  const version = () => String(store.version);
  if (start.version === undefined) {
    stream.initial(selectedObjects(call));
  }
  if (start.sendInitialEvents && bookmarks) {
    stream.bookmark(version(), INITIAL_EVENTS_END);
  }
  const forward = (event: StoreEvent) => {
    const visible = filter(event);
    if (visible !== undefined) {
      stream.push(visible);
    }
  };
  for (const { event } of missed) {
    forward(event);
  }
  stream.whenClosed(store.subscribe(type.resource, forward));
  stream.whenClosed(watches.add(type.resource, stream));
  stream.whenClosed(clearing(setTimeout(() => stream.finish(bookmarks ? version() : undefined), seconds * 1000)));
  if (bookmarks) {
    stream.whenClosed(clearing(setInterval(() => stream.bookmark(version()), BOOKMARK_INTERVAL_MS)));
  }
}

function clearing(timer: NodeJS.Timeout): () => void {
  timer.unref();
  return () => clearTimeout(timer);
}

/** Where a watch starts: after a version, or with the present objects when that is undefined. */
function startOf({ query }: ResourceCall): { version?: number; sendInitialEvents: boolean } {
  const text = query.get('resourceVersion') ?? '';
  const sendInitialEvents = booleanOf(query, 'sendInitialEvents');
  if (sendInitialEvents && query.get('resourceVersionMatch') !== 'NotOlderThan') {
    const message = 'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
    throw invalid('ListOptions.meta.k8s.io', '', [
      { reason: 'FieldValueForbidden', field: 'resourceVersionMatch', message },
    ]);
  }
  if (!/^\d{0,15}$/.test(text)) {
    throw badRequest(`Invalid value: ${JSON.stringify(text)}: resourceVersion must be a number`);
  }
  const fromPresent = sendInitialEvents || text === '' || text === '0';
  return { version: fromPresent ? undefined : Number(text), sendInitialEvents };
}

function tooOld(version: number) {
  return expired(`too old resource version: ${version}`);
}

/** What a watcher sees of a commit: an object that leaves its selector is deleted to it, one that enters is added. */
function eventFilter(namespace: string | undefined, selector: Predicate | undefined) {
  return ({ type, object, previous }: StoreEvent): WatchEvent | undefined => {
    if (namespace !== undefined && object.metadata.namespace !== namespace) {
      return undefined;
    }
    if (selector === undefined) {
      return { type, object };
    }
    const before = previous !== undefined && selector(previous);
    const after = type !== 'DELETED' && selector(object);
    if (after) {
      return { type: before ? 'MODIFIED' : 'ADDED', object };
    }
    return before ? { type: 'DELETED', object: lastSeen(object, previous) } : undefined;
  };
}

/** The object as the watcher last knew it, with the version of the event that took it away. */
function lastSeen(object: KubeObject, previous: KubeObject): KubeObject {
  return { ...previous, metadata: { ...previous.metadata, resourceVersion: object.metadata.resourceVersion } };
}

function encoder({ type, representation, query, context }: ResourceCall): Encoder {
  const include = includeObjectOf(query);
  const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`;
  return {
    representation,
    encode(object, first) {
      const served = asServed(type, object);
      if (representation === 'object') {
        return served === object ? cachedJson(object) : JSON.stringify(served);
      }
      if (representation === 'partial') {
        return JSON.stringify(toPartial(served));
      }
      const metadata = { resourceVersion: object.metadata.resourceVersion };
      return JSON.stringify(toTable(type, [served], metadata, include, context.now(), first));
    },
    bookmark: (metadata) => bookmarkObject(type, representation, apiVersion, metadata),
  };
}

function bookmarkObject(type: ResourceType, representation: Representation, apiVersion: string, metadata: Json): Json {
  if (representation === 'table') {
    const { resourceVersion } = metadata;
    return toTable(type, [], { resourceVersion }, 'None', new Date(), false);
  }
  const head =
    representation === 'object'
      ? { apiVersion, kind: type.kind }
      : { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata' };
  return { ...head, metadata: { ...metadata, creationTimestamp: null } };
}

/** Committed objects never change, so all watchers of one can share its text. */
const jsonCache = new WeakMap<KubeObject, string>();

function cachedJson(object: KubeObject): string {
  let text = jsonCache.get(object);
  if (text === undefined) {
    text = JSON.stringify(object);
    jsonCache.set(object, text);
  }
  return text;
}
