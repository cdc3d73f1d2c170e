import type { IncomingMessage } from 'node:http';
import type { AccessRequest } from '../rbac/request.js';
import { booleanOf } from './query.js';
import type { Target } from './request.js';

const VERBS: Record<string, string> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
const NAME_FIELD = /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/;

/** What a request asks a right for, as `RequestInfo` of a real server reads it from method and path alone. */
export function accessRequestOf(request: IncomingMessage, url: URL, target: Target | undefined): AccessRequest {
  const method = request.method ?? '';
  if (target === undefined) {
    return { verb: method.toLowerCase(), path: url.pathname };
  }
  const { group, plural: resource, subresource } = target;
  // A namespace is in itself, so that a Role in it can speak of it.
  const ownNamespace = group === '' && resource === 'namespaces' ? target.name : undefined;
  const namespace = target.namespace ?? ownNamespace;
  const verb = VERBS[method] ?? method.toLowerCase();
  const scope = { group, resource, subresource, namespace };
  if (target.name !== undefined) {
    return { ...scope, verb, name: target.name };
  }
  if (verb === 'get') {
    const list = booleanOf(url.searchParams, 'watch') ? 'watch' : 'list';
    return { ...scope, verb: list, name: NAME_FIELD.exec(url.searchParams.get('fieldSelector') ?? '')?.[1] };
  }
  return { ...scope, verb: verb === 'delete' ? 'deletecollection' : verb };
}
