import type { IncomingMessage } from 'node:http';
import { ApiError, forbiddenRequest, unauthorized } from '../api-error.js';
import {
  type AccessRequest,
  ANONYMOUS,
  AUTHENTICATED,
  accountGroups,
  accountOf,
  isMaster,
  MASTERS,
  UNAUTHENTICATED,
  type UserInfo,
} from '../rbac/request.js';
import type { ServerContext } from './context.js';
import { DEFAULT_AUDIENCE } from './tokens.js';

/** Who connects without credentials: only programs of this machine can, and they own the sandbox. */
const ADMIN: UserInfo = { name: 'system:admin', groups: [MASTERS, AUTHENTICATED] };
const EXTRA_PREFIX = 'impersonate-extra-';

/**
 * Who sends a request: the admin without a token, the service account of a bearer token, or whom one of these
 * impersonates. Throws 401 for credentials that are not good, 403 for an impersonation without the right to it.
 */
export function authenticate(context: ServerContext, request: IncomingMessage): UserInfo {
  const user = ownUser(context, request.headers.authorization);
  return isImpersonating(request) ? impersonated(context, user, request) : user;
}

function ownUser({ tokens }: ServerContext, authorization: string | undefined): UserInfo {
  if (authorization === undefined) {
    return ADMIN;
  }
  const [scheme, token] = authorization.trim().split(/\s+/);
  const owner = scheme?.toLowerCase() === 'bearer' && token ? tokens.verify(token) : undefined;
  if (!owner?.audiences.includes(DEFAULT_AUDIENCE)) {
    throw unauthorized();
  }
  return owner.user;
}

function isImpersonating({ headers }: IncomingMessage): boolean {
  for (const name in headers) {
    if (name.startsWith('impersonate-')) {
      return true;
    }
  }
  return false;
}

/** As `WithImpersonation` of a real server: each name, group, uid and extra field takes a right of its own. */
function impersonated(context: ServerContext, user: UserInfo, request: IncomingMessage): UserInfo {
  const headers = request.headersDistinct;
  const [name] = headers['impersonate-user'] ?? [];
  const wished = headers['impersonate-group'] ?? [];
  const [uid] = headers['impersonate-uid'] ?? [];
  const extra = extraOf(headers);
  if (!name) {
    const what = JSON.stringify({ groups: wished, uid, extra });
    throw new ApiError(500, 'InternalError', `Internal error occurred: requested ${what} without impersonating a user`);
  }
  const account = accountOf(name);
  const require = (
    group: string,
    resource: string,
    of: string,
    more: { namespace?: string; subresource?: string } = {},
  ) => requireRight(context, user, { verb: 'impersonate', group, resource, name: of, ...more });
  if (account === undefined) {
    require('', 'users', name);
  } else {
    require('', 'serviceaccounts', account.name, { namespace: account.namespace });
  }
  for (const group of wished) {
    require('', 'groups', group);
  }
  if (uid !== undefined) {
    require('authentication.k8s.io', 'uids', uid);
  }
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) {
      require('authentication.k8s.io', 'userextras', value, { subresource: key });
    }
  }
  return { name, uid, groups: groupsOf(name, wished), extra };
}

function groupsOf(name: string, wished: readonly string[]): string[] {
  const account = accountOf(name);
  const groups = account !== undefined && wished.length === 0 ? accountGroups(account.namespace) : [...wished];
  const standing = name === ANONYMOUS ? UNAUTHENTICATED : AUTHENTICATED;
  const known = groups.some((group) => group === AUTHENTICATED || group === UNAUTHENTICATED);
  return known ? groups : [...groups, standing];
}

function extraOf(headers: NodeJS.Dict<string[]>): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [name, values = []] of Object.entries(headers)) {
    if (name.startsWith(EXTRA_PREFIX)) {
      extra[unescaped(name.slice(EXTRA_PREFIX.length))] = values;
    }
  }
  return extra;
}

/** Keys are percent-encoded; one that can't be decoded is taken as it is, as by a real server. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** Throws the 403 of a real server when no role lets the user do that. */
export function requireRight({ authorizer }: ServerContext, user: UserInfo, request: AccessRequest): void {
  if (isMaster(user)) {
    return;
  }
  const { allowed, reason } = authorizer.decide(user, request);
  if (!allowed) {
    throw forbiddenRequest(user, request, reason);
  }
}
