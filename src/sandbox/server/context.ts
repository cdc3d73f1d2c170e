import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Knobs } from '../knobs.js';
import type { Authorizer } from '../rbac/authorizer.js';
import type { UserInfo } from '../rbac/request.js';
import { apiVersionOf, type ResourceType } from '../resources/resource-type.js';
import type { Catalogue } from '../resources/served-kinds.js';
import type { ServerStore } from '../store/store.js';
import type { KubeObject } from '../store/types.js';
import { toPartial, toTable } from '../table/table.js';
import type { LogSource } from './log-source.js';
import { contentTypeOf, includeObjectOf, type Representation } from './negotiate.js';
import type { Target } from './request.js';
import type { Snapshots } from './snapshots.js';
import type { Tokens } from './tokens.js';
import type { WatchRegistry } from './watches.js';

/** What every handler of one server shares. */
export interface ServerContext {
  store: ServerStore;
  catalogue: Catalogue;
  knobs: Knobs;
  snapshots: Snapshots;
  watches: WatchRegistry;
  authorizer: Authorizer;
  tokens: Tokens;
  logs?: LogSource;
  now: () => Date;
}

/** One request for a resource, with its kind looked up. */
export interface ResourceCall {
  context: ServerContext;
  /** Who sends it. */
  user: UserInfo;
  type: ResourceType;
  target: Target;
  query: URLSearchParams;
  representation: Representation;
  request: IncomingMessage;
  response: ServerResponse;
}

/** Sends a JSON answer. Warnings go into `Warning` headers (RFC 7234, code 299), as a real API server's do. */
export function sendJson(
  response: ServerResponse,
  code: number,
  body: unknown,
  contentType = 'application/json',
  warnings: readonly string[] = [],
): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.setHeader('Content-Type', contentType);
  response.setHeader('Content-Length', bytes.length);
  if (warnings.length > 0) {
    response.setHeader(
      'Warning',
      warnings.map((text) => `299 - ${JSON.stringify(headerSafe(text))}`),
    );
  }
  response.writeHead(code);
  response.end(bytes);
}

/** Sends one object in the form that the client asked for. */
export function sendObject(call: ResourceCall, code: number, stored: KubeObject, warnings: string[] = []): void {
  const { response, representation, type } = call;
  const object = asServed(type, stored);
  const contentType = contentTypeOf(representation, false);
  if (representation === 'table') {
    const metadata = { resourceVersion: object.metadata.resourceVersion };
    const table = toTable(type, [object], metadata, includeObjectOf(call.query), call.context.now());
    sendJson(response, code, table, contentType, warnings);
  } else {
    sendJson(response, code, representation === 'partial' ? toPartial(object) : object, contentType, warnings);
  }
}

/** A stored object in the version the client speaks. */
export function asServed(type: ResourceType, stored: KubeObject): KubeObject {
  return type.toServed === undefined ? stored : type.toServed(stored);
}

/** What a client sent, in the version it is stored in. */
export function asStored(type: ResourceType, served: KubeObject): KubeObject {
  return type.toStored === undefined ? served : type.toStored(served);
}

/** The namespace to look in: none for kinds that have none. */
export function namespaceOf({ type, target }: ResourceCall): string | undefined {
  return type.namespaced ? target.namespace : undefined;
}

/** `apps/v1` and `DeploymentList` as the head of a list. */
export function listHead(type: ResourceType): { apiVersion: string; kind: string } {
  return { apiVersion: apiVersionOf(type), kind: type.listKind };
}

function headerSafe(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
