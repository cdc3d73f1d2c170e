import type { IncomingMessage, ServerResponse } from 'node:http';
import { methodNotAllowed, notImplemented, pathNotFound } from '../api-error.js';
import { isMaster } from '../rbac/request.js';
import type { ResourceType } from '../resources/resource-type.js';
import { authenticate, requireRight } from './authentication.js';
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
import { accessRequestOf } from './request-attributes.js';
import { handleReview } from './reviews.js';
import { handleScale } from './scale.js';
import { handleTokenRequest } from './token-request.js';
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
/** What is asked and answered, and never stored. */
const ON_QUESTION: Record<string, Handler> = { POST: handleReview };
const BELOW: Record<string, Record<string, Handler>> = {
  log: { GET: handleLog },
  eviction: { POST: handleEviction },
  binding: { POST: handleBinding },
  ephemeralcontainers: ON_PART,
  token: { POST: handleTokenRequest },
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
];
const HEALTH = ['/healthz', '/livez', '/readyz'];

/** Answers one request, or throws an ApiError. */
export async function route(
  context: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const path = url.pathname;
  const target = parseTarget(path);
  const user = authenticate(context, request);
  if (!isMaster(user)) {
    requireRight(context, user, accessRequestOf(request, url, target));
  }
  if (path.startsWith(KNOBS_PATH)) {
    await handleKnobs(context, request, response, url);
    return;
  }
  if (answerFixed(context, request, response, path)) {
    return;
  }
  if (target === undefined) {
    throw pathNotFound();
  }
  refuseLeftOut(target);
  const type = context.catalogue.find(target.group, target.version, target.plural);
  if (type === undefined) {
    throw pathNotFound();
  }
  const call = { context, user, type, target, query: url.searchParams, request, response };
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

function refuseLeftOut({ plural, subresource }: Target): void {
  if (LEFT_OUT.includes(`${plural}/${subresource}`)) {
    throw notImplemented(`${plural}/${subresource}`);
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
  if (type.question) {
    return name === undefined ? ON_QUESTION : undefined;
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
  return subresource === 'finalize' ? { PUT: handleUpdate } : BELOW[subresource];
}
