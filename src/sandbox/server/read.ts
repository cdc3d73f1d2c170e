import { ApiError, badRequest, expired, notFound } from '../api-error.js';
import { selectorOf } from '../resources/selector.js';
import type { KubeObject } from '../store/types.js';
import { toPartial, toTable } from '../table/table.js';
import { asServed, listHead, namespaceOf, type ResourceCall, sendJson, sendObject } from './context.js';
import { contentTypeOf, includeObjectOf } from './negotiate.js';
import { integerOf } from './query.js';
import type { Page } from './snapshots.js';

/** GET of one object. */
export function handleGet(call: ResourceCall): void {
  sendObject(call, 200, requireObject(call));
}

/** The object the path names. Throws 404. */
export function requireObject(call: ResourceCall): KubeObject {
  const { context, type, target } = call;
  const object = context.store.get(type.resource, namespaceOf(call), target.name!);
  if (object === undefined) {
    throw notFound(type.resource, target.name!);
  }
  return object;
}

/** GET of a collection: all of it, or a page of a consistent snapshot. */
export function handleList(call: ResourceCall): void {
  const { response, type, query, representation, context } = call;
  const selected = Boolean(query.get('labelSelector') || query.get('fieldSelector'));
  const { objects, version, token, remaining } = takePage(call);
  const served = objects.map((object) => asServed(type, object));
  const metadata = {
    resourceVersion: String(version),
    continue: token,
    // With a selector a real server does not know how many are left either.
    remainingItemCount: token !== undefined && !selected ? remaining : undefined,
  };
  const contentType = contentTypeOf(representation, true);
  if (representation === 'table') {
    sendJson(response, 200, toTable(type, served, metadata, includeObjectOf(query), context.now()), contentType);
  } else if (representation === 'partial') {
    const head = { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' };
    sendJson(response, 200, { ...head, metadata, items: served.map(toPartial) }, contentType);
  } else {
    sendJson(response, 200, { ...listHead(type), metadata, items: served }, contentType);
  }
}

function takePage(call: ResourceCall): Page {
  const { context, type, query } = call;
  const { store, snapshots } = context;
  const limit = integerOf(query, 'limit') ?? 0;
  const token = query.get('continue');
  const scope = JSON.stringify([
    type.resource,
    namespaceOf(call),
    query.get('labelSelector'),
    query.get('fieldSelector'),
  ]);
  if (token) {
    return snapshots.next(token, scope, limit);
  }
  checkVersion(query, store.version);
  const objects = selectedObjects(call).sort(compareKeys);
  return limit === 0
    ? { objects, version: store.version, remaining: 0 }
    : snapshots.first(objects, store.version, scope, limit);
}

/** The objects of the collection that the request's selectors pick, in no particular order. */
export function selectedObjects(call: ResourceCall): KubeObject[] {
  const { context, type, query } = call;
  const selector = selectorOf(type, query);
  const all = context.store.list(type.resource, namespaceOf(call));
  return selector === undefined ? all : all.filter(selector);
}

/** The `resourceVersion` of a list: the sandbox only has the present, which is what `0` and "not older than" allow. */
function checkVersion(query: URLSearchParams, current: number): void {
  const wanted = integerOf(query, 'resourceVersion') ?? 0;
  const match = query.get('resourceVersionMatch');
  if (match !== null && match !== 'Exact' && match !== 'NotOlderThan') {
    throw badRequest(`resourceVersionMatch must be Exact or NotOlderThan, not ${JSON.stringify(match)}`);
  }
  if (wanted > current) {
    const message = `Too large resource version: ${wanted}, current: ${current}`;
    const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
    throw new ApiError(504, 'Timeout', message, { causes, retryAfterSeconds: 1 });
  }
  if (match === 'Exact' && wanted !== current) {
    throw expired('The resourceVersion for the provided list is too old.');
  }
}

/** The order of keys in etcd: by namespace, then by name. */
function compareKeys(left: KubeObject, right: KubeObject): number {
  const [a, b] = [left.metadata, right.metadata];
  const inNamespace = compareText(a.namespace ?? '', b.namespace ?? '');
  return inNamespace === 0 ? compareText(a.name, b.name) : inNamespace;
}

function compareText(left: string, right: string): number {
  if (left === right) {
    return 0;
  }
  return left < right ? -1 : 1;
}
