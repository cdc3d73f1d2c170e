import type { ServerClock } from './clock.js';
import { Discovery } from './discovery.js';
import { ApiError } from './errors.js';
import {
  apiVersionOf,
  collectionPath,
  type Json,
  type KubeObject,
  objectPath,
  pods,
  type Resource,
} from './resource.js';
import type { Query, RequestOptions, Transport, WatchEvent } from './transport.js';

export { UnknownKindError } from './discovery.js';

/** Settings every call takes. */
export type CallOptions = Pick<RequestOptions, 'signal' | 'timeoutMs' | 'priority' | 'repeat' | 'permit'>;

/** What to list. */
export interface ListOptions extends CallOptions {
  /** Default: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Objects per page. */
  limit?: number;
  /** Token of the next page. */
  continue?: string;
  resourceVersion?: string;
}

/** One page of a list. */
export interface Page<T extends KubeObject = KubeObject> {
  items: T[];
  /** The version of the whole snapshot: where a watch goes on. */
  resourceVersion: string;
  /** Token of the next page; `''` on the last one. */
  continue: string;
  /** True when the snapshot of the pages before expired: forget these, the list starts again with this page. */
  restarted: boolean;
}

/** Settings of a write. */
export interface WriteOptions extends CallOptions {
  /** Only when the object still has this version; otherwise ApiError `isConflict`. */
  resourceVersion?: string | undefined;
  /** Who `managedFields` name as the writer. Default `squall`. */
  fieldManager?: string;
  subresource?: string;
}

/** An operation of a JSON patch (RFC 6902). */
export interface JsonPatchOperation {
  op: 'add' | 'remove' | 'replace' | 'test' | 'move' | 'copy';
  path: string;
  from?: string;
  value?: unknown;
}

/** Settings of a delete. */
export interface DeleteOptions extends CallOptions {
  /** Only when the object has this UID; otherwise ApiError `isConflict`. */
  uid?: string;
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

const defaultPageSize = 500;
const maxRestarts = 5;

/** Reads and writes objects as plain JSON. Every method throws ApiError or TransportError. */
export class Client {
  readonly #discovery = new Discovery();

  constructor(readonly transport: Transport) {}

  /** The API server's time. */
  get clock(): ServerClock {
    return this.transport.clock;
  }

  /** Reads one object; `namespace` is ignored for cluster-scoped resources. */
  async get<T extends KubeObject = KubeObject>(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    options: CallOptions = {},
  ): Promise<T> {
    return this.#call(options, { method: 'GET', path: objectPath(resource, namespace, name) });
  }

  /** Reads one page. Items get the `apiVersion` and `kind` that lists leave out. */
  async list<T extends KubeObject = KubeObject>(resource: Resource, options: ListOptions = {}): Promise<Page<T>> {
    const { namespace, labelSelector, fieldSelector, limit, resourceVersion } = options;
    const query = { labelSelector, fieldSelector, limit, resourceVersion, continue: options.continue };
    const list = await this.#call<Json>(options, { method: 'GET', path: collectionPath(resource, namespace), query });
    const kind = typeof list.kind === 'string' ? list.kind.replace(/List$/, '') : resource.kind;
    const items = (list.items ?? []).map((item: T) => ({
      ...item,
      apiVersion: apiVersionOf(resource),
      kind: item.kind ?? kind,
    }));
    return {
      items,
      resourceVersion: list.metadata?.resourceVersion ?? '',
      continue: list.metadata?.continue ?? '',
      restarted: false,
    };
  }

  /**
   * Reads all pages of one consistent snapshot, 500 objects each unless `limit` says otherwise. When the snapshot
   * expires half-way the list starts again, and the first page of the new one has `restarted`.
   */
  async *listAll<T extends KubeObject = KubeObject>(
    resource: Resource,
    options: Omit<ListOptions, 'continue'> = {},
  ): AsyncGenerator<Page<T>> {
    let token = '';
    let restarts = 0;
    let restarted = false;
    do {
      try {
        const page: Page<T> = await this.list(resource, {
          ...options,
          limit: options.limit ?? defaultPageSize,
          ...(token === '' ? {} : { continue: token }),
        });
        yield { ...page, restarted };
        restarted = false;
        token = page.continue;
      } catch (error) {
        restarts += 1;
        if (token === '' || restarts > maxRestarts || !(error instanceof ApiError && error.isExpired)) throw error;
        restarted = true;
        token = '';
      }
    } while (restarted || token !== '');
  }

  /** Watches a collection from a resource version on, with bookmarks; ends when the server closes in order. */
  watch<T extends KubeObject = KubeObject>(
    resource: Resource,
    options: Omit<ListOptions, 'limit' | 'continue'> & { timeoutSeconds?: number; watchdogMs?: number } = {},
  ): AsyncIterable<WatchEvent<T>> {
    const { namespace, labelSelector, fieldSelector, resourceVersion, timeoutSeconds, watchdogMs, signal } = options;
    return this.transport.watch({
      path: collectionPath(resource, namespace),
      query: { labelSelector, fieldSelector, resourceVersion, timeoutSeconds, allowWatchBookmarks: true },
      ...(signal ? { signal } : {}),
      ...(watchdogMs === undefined ? {} : { watchdogMs }),
    }) as AsyncIterable<WatchEvent<T>>;
  }

  /** Creates an object in the namespace of its metadata. */
  async create<T extends KubeObject>(resource: Resource, object: T, options: WriteOptions = {}): Promise<T> {
    const { namespace } = object.metadata;
    if (resource.namespaced && !namespace)
      throw new Error(`A namespace is needed to create ${resource.plural}/${object.metadata.name}.`);
    const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
    return this.#call(options, {
      method: 'POST',
      path: collectionPath(resource, namespace),
      query: manager(options),
      body,
    });
  }

  /** Replaces an object whole; with its `metadata.resourceVersion` only when it still has that version. */
  async replace<T extends KubeObject>(resource: Resource, object: T, options: WriteOptions = {}): Promise<T> {
    const path = objectPath(resource, object.metadata.namespace, object.metadata.name ?? '', options.subresource);
    const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
    return this.#call(options, { method: 'PUT', path, query: manager(options), body });
  }

  /** Patches an object: an array is a JSON patch (RFC 6902), an object a merge patch (RFC 7386). */
  async patch<T extends KubeObject = KubeObject>(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    patch: Json | JsonPatchOperation[],
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#call(options, {
      method: 'PATCH',
      path: objectPath(resource, namespace, name, options.subresource),
      query: manager(options),
      contentType: Array.isArray(patch) ? 'application/json-patch+json' : 'application/merge-patch+json',
      body: withVersion(patch, options.resourceVersion),
    });
  }

  /** Sets the whole status: what it does not hold is gone. */
  async replaceStatus<T extends KubeObject = KubeObject>(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    status: Json,
    resourceVersion?: string,
    options: CallOptions = {},
  ): Promise<T> {
    const patch: JsonPatchOperation[] = [{ op: 'add', path: '/status', value: status }];
    return this.patch(resource, namespace, name, patch, { ...options, resourceVersion, subresource: 'status' });
  }

  /** Merges into the status; `null` removes a field. */
  async patchStatus<T extends KubeObject = KubeObject>(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    status: Json,
    resourceVersion?: string,
    options: CallOptions = {},
  ): Promise<T> {
    return this.patch(resource, namespace, name, { status }, { ...options, resourceVersion, subresource: 'status' });
  }

  /** Deletes an object. Repeated after a lost answer it may throw `isNotFound`: then it is gone. */
  async delete(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    await this.#call(options, {
      method: 'DELETE',
      path: objectPath(resource, namespace, name),
      body: deleteOptions(options),
    });
  }

  /** The last line of a container's log; parsed when it is JSON. Of a line that is too long only the beginning. */
  async lastLine(
    namespace: string,
    name: string,
    { container, limitBytes }: { container: string; limitBytes: number },
    options: CallOptions = {},
  ): Promise<Json> {
    const path = objectPath(pods, namespace, name, 'log');
    return this.#call(options, { method: 'GET', path, query: { container, tailLines: 1, limitBytes } });
  }

  /**
   * Evicts a pod, which respects its PodDisruptionBudgets.
   * @throws ApiError `isDisruptionBudget` when a budget forbids it now; this is not tried again
   */
  async evict(namespace: string, name: string, options: Omit<DeleteOptions, 'propagationPolicy'> = {}): Promise<void> {
    const body = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace },
      deleteOptions: deleteOptions(options),
    };
    await this.#call(options, { method: 'POST', path: objectPath(pods, namespace, name, 'eviction'), body });
  }

  /**
   * Finds where a kind is served. Remembered; asked again when a kind is missing, as it may have been added since.
   * @param apiVersion such as `apps/v1`
   * @throws UnknownKindError when the cluster does not serve it
   */
  async discover(apiVersion: string, kind: string, options: CallOptions = {}): Promise<Resource> {
    return this.#discovery.find(apiVersion, kind, (path) => this.#call(options, { method: 'GET', path }));
  }

  async #call<T = Json>(
    { signal, timeoutMs, priority, repeat, permit }: CallOptions,
    request: RequestOptions,
  ): Promise<T> {
    const options = { ...request };
    if (signal) options.signal = signal;
    if (timeoutMs !== undefined) options.timeoutMs = timeoutMs;
    if (priority) options.priority = priority;
    if (repeat !== undefined) options.repeat = repeat;
    if (permit) options.permit = permit;
    return (await this.transport.request(options)).body as T;
  }
}

function manager({ fieldManager }: WriteOptions): Query {
  return { fieldManager: fieldManager ?? 'squall' };
}

/** A replaced resource version makes the server compare it (409); a `test` of it would answer 422. */
function withVersion(patch: Json, resourceVersion: string | undefined): Json {
  if (resourceVersion === undefined) return patch;
  if (Array.isArray(patch))
    return [{ op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion }, ...patch];
  return { ...patch, metadata: { ...patch.metadata, resourceVersion } };
}

function deleteOptions({ uid, gracePeriodSeconds, propagationPolicy }: DeleteOptions): Json {
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(uid === undefined ? {} : { preconditions: { uid } }),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
  };
}
