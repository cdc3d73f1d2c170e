import { randomUUID } from 'node:crypto';
import { alreadyExists, notFound } from '../api-error.js';
import { cloneJson, equalJson } from '../json.js';
import { applyDefaults } from '../resources/defaults.js';
import { checkPreconditions, isRemovable, markForDeletion, terminatingNamespace, timestamp } from './deletion.js';
import { generatedName } from './generated-name.js';
import { History, type HistoryEntry } from './history.js';
import { equalDesired, keepIdentity } from './identity.js';
import type { DeleteOptions, KubeObject, ObjectMeta, ResourceName, Store, StoreEvent } from './types.js';

const DEFAULT_HISTORY_LIMIT = 10_000;
const NAMESPACES = 'namespaces';
const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
/** Kinds whose objects carry no `metadata.generation`. */
const WITHOUT_GENERATION = new Set(
  'configmaps secrets serviceaccounts events endpoints namespaces nodes services leases.coordination.k8s.io'.split(' '),
);

export interface StoreOptions {
  /** The clock of creationTimestamp and deletionTimestamp. */
  now?: () => Date;
  /** How many commits of each resource a watch can catch up from; older ones are a 410. */
  historyLimit?: number;
}

/** What the API server needs of a write beyond the `Store` contract. */
export interface WriteOptions {
  /** Does everything but the commit. */
  dryRun?: boolean;
  /** Looks at the object just before the commit; throws to refuse it. */
  check?: (next: KubeObject, previous: KubeObject | undefined) => void;
}

/** An object to create: the server's part of its metadata is still missing. */
export type NewObject = Omit<KubeObject, 'metadata'> & { metadata: Partial<ObjectMeta> };

type Listener = (event: StoreEvent) => void;

/** The store as the API server sees it: with dry runs, checks, versions and history. */
export interface ServerStore extends Store {
  create(resource: ResourceName, object: NewObject, options?: WriteOptions): KubeObject;
  /** A draft that names another resourceVersion or uid than the stored object's is a 409. */
  update(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    change: (draft: KubeObject) => void,
    options?: WriteOptions,
  ): KubeObject;
  delete(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    options?: DeleteOptions & { dryRun?: boolean },
  ): KubeObject;
  /** The version of the newest commit of any resource. */
  readonly version: number;
  /** Commits of a resource above a version, oldest first; undefined when that history is gone. */
  since(resource: ResourceName, version: number): HistoryEntry[] | undefined;
  /** Forgets all history: watches that start from before now get a 410. */
  compact(): void;
  /** How many objects of a resource there are. */
  count(resource: ResourceName): number;
}

/** An empty cluster's store: nothing in it but the four namespaces every cluster has. */
export function createStore(options: StoreOptions = {}): ServerStore {
  const store = new MemoryStore(options);
  for (const name of SYSTEM_NAMESPACES) {
    store.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  return store;
}

class MemoryStore implements ServerStore {
  /** Resource, then namespace ('' for none), then name. */
  private readonly tables = new Map<ResourceName, Map<string, Map<string, KubeObject>>>();
  private readonly listeners = new Map<ResourceName, Set<Listener>>();
  private readonly pending: { resource: ResourceName; event: StoreEvent }[] = [];
  private readonly history: History;
  private readonly now: () => Date;
  private dispatching = false;
  version = 0;

  constructor({ now = () => new Date(), historyLimit = DEFAULT_HISTORY_LIMIT }: StoreOptions) {
    this.now = now;
    this.history = new History(historyLimit);
  }

  get(resource: ResourceName, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.tables
      .get(resource)
      ?.get(namespace ?? '')
      ?.get(name);
  }

  list(resource: ResourceName, namespace?: string): KubeObject[] {
    const table = this.tables.get(resource);
    if (table === undefined) {
      return [];
    }
    if (namespace !== undefined) {
      return [...(table.get(namespace)?.values() ?? [])];
    }
    return [...table.values()].flatMap((rows) => [...rows.values()]);
  }

  count(resource: ResourceName): number {
    let count = 0;
    for (const rows of this.tables.get(resource)?.values() ?? []) {
      count += rows.size;
    }
    return count;
  }

  create(resource: ResourceName, object: NewObject, options: WriteOptions = {}): KubeObject {
    const created = cloneJson(object) as KubeObject;
    const { metadata } = created;
    const { namespace } = metadata;
    metadata.name ||= generatedName(metadata.generateName, (name) => this.get(resource, namespace, name) !== undefined);
    this.checkNamespace(resource, metadata);
    metadata.uid = randomUUID();
    metadata.creationTimestamp = timestamp(this.now());
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    if (WITHOUT_GENERATION.has(resource)) {
      delete metadata.generation;
    } else {
      metadata.generation = 1;
    }
    applyDefaults(resource, created);
    options.check?.(created, undefined);
    if (this.get(resource, metadata.namespace, metadata.name) !== undefined) {
      throw alreadyExists(resource, metadata.name);
    }
    return options.dryRun ? created : this.commit(resource, 'ADDED', created, undefined);
  }

  update(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    change: (draft: KubeObject) => void,
    options: WriteOptions = {},
  ): KubeObject {
    const previous = this.require(resource, namespace, name);
    const draft = cloneJson(previous);
    change(draft);
    keepIdentity(resource, draft, previous);
    applyDefaults(resource, draft);
    options.check?.(draft, previous);
    const removable = isRemovable(resource, draft);
    if (!removable && equalJson(draft, previous)) {
      return previous;
    }
    if (previous.metadata.generation !== undefined && !equalDesired(draft, previous)) {
      draft.metadata.generation = previous.metadata.generation + 1;
    }
    if (options.dryRun) {
      return draft;
    }
    return this.commit(resource, removable ? 'DELETED' : 'MODIFIED', draft, previous);
  }

  delete(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions & { dryRun?: boolean } = {},
  ): KubeObject {
    const previous = this.require(resource, namespace, name);
    checkPreconditions(resource, previous, options);
    const draft = cloneJson(previous);
    markForDeletion(resource, draft, options, this.now());
    const removable = isRemovable(resource, draft);
    if (options.dryRun || (!removable && equalJson(draft, previous))) {
      return draft;
    }
    if (!removable) {
      return this.commit(resource, 'MODIFIED', draft, previous);
    }
    // An object that goes at once was never seen in deletion, so its last state carries no deletionTimestamp.
    return this.commit(resource, 'DELETED', cloneJson(previous), previous);
  }

  subscribe(resource: ResourceName, listener: Listener): () => void {
    let listeners = this.listeners.get(resource);
    if (listeners === undefined) {
      listeners = new Set();
      this.listeners.set(resource, listeners);
    }
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  since(resource: ResourceName, version: number): HistoryEntry[] | undefined {
    return this.history.since(resource, version);
  }

  compact(): void {
    this.history.compact(this.version);
  }

  private require(resource: ResourceName, namespace: string | undefined, name: string): KubeObject {
    const object = this.get(resource, namespace, name);
    if (object === undefined) {
      throw notFound(resource, name);
    }
    return object;
  }

  private checkNamespace(resource: ResourceName, { namespace, name }: ObjectMeta): void {
    if (namespace === undefined) {
      return;
    }
    const found = this.require(NAMESPACES, undefined, namespace);
    if (found.metadata.deletionTimestamp !== undefined) {
      throw terminatingNamespace(resource, name, namespace);
    }
  }

  private commit(
    resource: ResourceName,
    type: StoreEvent['type'],
    object: KubeObject,
    previous: KubeObject | undefined,
  ): KubeObject {
    this.version += 1;
    object.metadata.resourceVersion = String(this.version);
    const rows = this.rows(resource, object.metadata.namespace ?? '');
    if (type === 'DELETED') {
      rows.delete(object.metadata.name);
    } else {
      rows.set(object.metadata.name, object);
    }
    const event: StoreEvent = previous === undefined ? { type, object } : { type, object, previous };
    this.history.append(resource, { version: this.version, event });
    this.pending.push({ resource, event });
    this.dispatch();
    return object;
  }

  /** Commits made by listeners wait their turn, so that every listener sees all commits in the same order. */
  private dispatch(): void {
    if (this.dispatching) {
      return;
    }
    this.dispatching = true;
    for (let next = this.pending.shift(); next !== undefined; next = this.pending.shift()) {
      for (const listener of [...(this.listeners.get(next.resource) ?? [])]) {
        notify(listener, next.event);
      }
    }
    this.dispatching = false;
  }

  private rows(resource: ResourceName, namespace: string): Map<string, KubeObject> {
    let table = this.tables.get(resource);
    if (table === undefined) {
      table = new Map();
      this.tables.set(resource, table);
    }
    let rows = table.get(namespace);
    if (rows === undefined) {
      rows = new Map();
      table.set(namespace, rows);
    }
    return rows;
  }
}

/** A listener that throws must neither undo a commit that others have seen nor be passed over in silence. */
function notify(listener: Listener, event: StoreEvent): void {
  try {
    listener(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
