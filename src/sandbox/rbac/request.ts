/** Who asks: what authentication found out, or what a SubjectAccessReview says. */
export interface UserInfo {
  /** Such as `system:serviceaccount:shop:chaos`; empty when only groups are asked about. */
  name: string;
  groups: readonly string[];
  uid?: string;
  extra?: Record<string, string[]>;
}

/** What is asked for, as Kubernetes' authorizers see it: a resource, or a path that is none. */
export type AccessRequest = ResourceRequest | PathRequest;

/** A request for a resource. */
export interface ResourceRequest {
  /** Such as `list`; verbs that no server knows (`inject`) are as good as others. */
  verb: string;
  /** The API group; empty for the core one. */
  group: string;
  /** The plural, such as `pods`. */
  resource: string;
  subresource?: string;
  /** Absent for the whole cluster. */
  namespace?: string;
  /** Absent when no single object is named. */
  name?: string;
}

/** A request for a path that is no resource, such as `/healthz`. */
export interface PathRequest {
  /** The HTTP method in lower case. */
  verb: string;
  path: string;
}

/** Members of this group may do everything, whatever roles say. */
export const MASTERS = 'system:masters';
/** Everybody who gave credentials. */
export const AUTHENTICATED = 'system:authenticated';
export const UNAUTHENTICATED = 'system:unauthenticated';
export const ANONYMOUS = 'system:anonymous';

const ACCOUNT_PREFIX = 'system:serviceaccount:';

/** The name a service account has as a user. */
export function accountUser(namespace: string, name: string): string {
  return `${ACCOUNT_PREFIX}${namespace}:${name}`;
}

/** The groups that every service account of a namespace is in, besides `system:authenticated`. */
export function accountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}

/** The service account that a user is; undefined for other users. */
export function accountOf(user: string): { namespace: string; name: string } | undefined {
  const parts = user.startsWith(ACCOUNT_PREFIX) ? user.slice(ACCOUNT_PREFIX.length).split(':') : [];
  const [namespace, name] = parts;
  return parts.length === 2 && namespace && name ? { namespace, name } : undefined;
}

/** Whether the user is beyond all roles. */
export function isMaster({ groups }: UserInfo): boolean {
  return groups.includes(MASTERS);
}

/** What the user can't do, as Kubernetes words it (apiserver `forbiddenMessage`). */
export function refusalOf({ name }: UserInfo, request: AccessRequest): string {
  const user = JSON.stringify(name);
  if ('path' in request) {
    return `User ${user} cannot ${request.verb} path ${JSON.stringify(request.path)}`;
  }
  const { verb, group, resource, subresource, namespace } = request;
  const what = subresource ? `${resource}/${subresource}` : resource;
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope';
  return `User ${user} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`;
}
