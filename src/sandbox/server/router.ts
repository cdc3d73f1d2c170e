import type { IncomingMessage, ServerResponse } from 'node:http';
import { methodNotAllowed, notImplemented, pathNotFound } from '../api-error.js';
import type { ResourceType } from '../resources/resource-type.js';
import { handleBinding } from './binding.js';
import { type ResourceCall, type ServerContext, sendJson } from './context.js';
import { handleDelete, handleDeleteCollection } from './delete.js';
import { discover, VERSION } from './discovery.js';
import { handleEviction } from './eviction.js';
import { handleKnobs, KNOBS_PATH } from './knobs-http.js';
import { handleLog } from './log.js';
import { negotiate } from './negotiate.js';
import { OPENAPI_V2_DOCUMENT, OPENAPI_V2_TYPE, openApi } from './openapi.js';
import { booleanOf } from './query.js';
import { handleGet, handleList } from './read.js';
import { parseTarget, type Target } from './request.js';
import { handleScale } from './scale.js';
import { handleWatch } from './watch.js';
import { handleCreate, handlePatch, handleUpdate } from './write.js';

type Handler = (call: ResourceCall) => void | Promise<void>;

const ON_COLLECTION: Record<string, Handler> = {
  GET: (call) => (booleanOf(call.query, 'watch') ? handleWatch(call) : handleList(call)),
  POST: handleCreate,
  DELETE: handleDeleteCollection,
};
const ON_OBJECT: Record<string, Handler> = {
  GET: handleGet,
  PUT: handleUpdate,
  PATCH: handlePatch,
  DELETE: handleDelete,
};
/** Those that change a part of the object and answer with all of it. */
const ON_PART: Record<string, Handler> = { GET: handleGet, PUT: handleUpdate, PATCH: handlePatch };
const ON_SCALE: Record<string, Handler> = { GET: handleScale, PUT: handleScale, PATCH: handleScale };
const ON_POD: Record<string, Record<string, Handler>> = {
  log: { GET: handleLog },
  eviction: { POST: handleEviction },
  binding: { POST: handleBinding },
  ephemeralcontainers: ON_PART,
};
/** What a real server has and the sandbox leaves out, by `plural/subresource`. */
const LEFT_OUT = [
  'pods/exec',
  'pods/attach',
  'pods/portforward',
  'pods/proxy',
  'pods/resize',
  'services/proxy',
  'nodes/proxy',
  'serviceaccounts/token',
];
const REVIEWS = /^(self|local)?subject(access|rules)reviews$/;
const HEALTH = ['/healthz', '/livez', '/readyz'];

/** Answers one request, or throws an ApiError. */
export async function route(
  context: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const path = url.pathname;
  if (path.startsWith(KNOBS_PATH)) {
    await handleKnobs(context, request, response, url);
    return;
  }
  if (answerFixed(context, request, response, path)) {
    return;
  }
  const target = parseTarget(path);
  if (target === undefined) {
    throw pathNotFound();
  }
  refuseLeftOut(target);
  const type = context.catalogue.find(target.group, target.version, target.plural);
  if (type === undefined) {
    throw pathNotFound();
  }
  const call = { context, type, target, query: url.searchParams, request, response };
  const handler = handlerOf(type, target, request.method ?? '');
  // Logs are text, whatever the client says it accepts.
  const representation = target.subresource === 'log' ? 'object' : negotiate(request.headers.accept);
  await handler({ ...call, representation });
}

/** Health, version, discovery and OpenAPI: paths that only GET goes to. */
function answerFixed(
  { catalogue }: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): boolean {
  if (HEALTH.some((health) => path === health || path.startsWith(`${health}/`))) {
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    response.end('ok');
    return true;
  }
  if (path === '/openapi/v2') {
    response.writeHead(200, { 'Content-Type': OPENAPI_V2_TYPE });
    response.end(OPENAPI_V2_DOCUMENT);
    return true;
  }
  const document = path === '/version' ? VERSION : (discover(catalogue, path) ?? openApi(catalogue, path));
  if (document === undefined || parseTarget(path) !== undefined) {
    return false;
  }
  if (request.method !== 'GET') {
    throw methodNotAllowed();
  }
  sendJson(response, 200, document);
  return true;
}

function refuseLeftOut({ group, plural, subresource }: Target): void {
  if (LEFT_OUT.includes(`${plural}/${subresource}`)) {
    throw notImplemented(`${plural}/${subresource}`);
  }
  if (group === 'authorization.k8s.io' && REVIEWS.test(plural)) {
    throw notImplemented('access review');
  }
}

function handlerOf(type: ResourceType, target: Target, method: string): Handler {
  const handlers = handlersOf(type, target);
  if (handlers === undefined) {
    throw pathNotFound();
  }
  const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
  if (handler === undefined) {
    throw methodNotAllowed();
  }
  return handler;
}

function handlersOf(type: ResourceType, { namespace, name, subresource }: Target): Record<string, Handler> | undefined {
  if (namespace !== undefined && !type.namespaced) {
    return undefined;
  }
  if (name === undefined) {
    return ON_COLLECTION;
  }
  if (type.namespaced && namespace === undefined) {
    return undefined;
  }
  if (subresource === undefined) {
    return ON_OBJECT;
  }
  return subresourceHandlers(type, subresource);
}

function subresourceHandlers(type: ResourceType, subresource: string): Record<string, Handler> | undefined {
  if (!type.subresources.some(({ name }) => name === subresource)) {
    return undefined;
  }
  if (subresource === 'status') {
    return ON_PART;
  }
  if (subresource === 'scale') {
    return ON_SCALE;
  }
  return subresource === 'finalize' ? { PUT: handleUpdate } : ON_POD[subresource];
}
