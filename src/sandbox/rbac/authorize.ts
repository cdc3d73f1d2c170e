import { type AccessRequest, accountUser, isMaster, type UserInfo } from './request.js';
import { type PolicyRule, ruleAllows } from './rules.js';

/** A Role or a ClusterRole, as far as rights go. */
export interface RoleObject {
  metadata: { name: string; namespace?: string };
  rules?: PolicyRule[];
}

/** A RoleBinding or a ClusterRoleBinding, as far as rights go. */
export interface BindingObject {
  metadata: { name: string; namespace?: string };
  roleRef: { kind: string; name: string };
  subjects?: SubjectObject[];
}

export interface SubjectObject {
  kind: string;
  name: string;
  /** Of a ServiceAccount; the binding's own when absent. */
  namespace?: string;
}

/** All roles and bindings of a cluster, live or from a snapshot. */
export interface RbacObjects {
  roles: readonly RoleObject[];
  roleBindings: readonly BindingObject[];
  clusterRoles: readonly RoleObject[];
  clusterRoleBindings: readonly BindingObject[];
}

/** An answer, and why: in Kubernetes' own words, empty when no role has anything to say. */
export interface AccessDecision {
  allowed: boolean;
  reason: string;
}

/** Roles and bindings put in order, so that a question costs no more than the asker's own bindings. */
export interface AccessIndex {
  /** By subject: what is granted in the whole cluster. */
  readonly cluster: ReadonlyMap<string, readonly Grant[]>;
  /** By namespace, then by subject. */
  readonly namespaces: ReadonlyMap<string, ReadonlyMap<string, readonly Grant[]>>;
}

/** One binding as it applies to one subject. */
interface Grant {
  rules: readonly PolicyRule[];
  /** Such as `RoleBinding "chaos/shop" of Role "chaos" to ServiceAccount "chaos/shop"`. */
  source: string;
  /** What is wrong with the binding: its role does not exist. */
  problem?: string;
}

/**
 * Decides as the RBAC authorizer of Kubernetes does, from roles and bindings alone (`plugin/pkg/auth/authorizer/rbac`).
 * For more than a few questions about the same objects, see `indexAccess` and `decideAccess`.
 */
export function authorize(objects: RbacObjects, user: UserInfo, request: AccessRequest): AccessDecision {
  return decideAccess(indexAccess(objects), user, request);
}

/** Decides from roles and bindings that have been put in order. */
export function decideAccess(index: AccessIndex, user: UserInfo, request: AccessRequest): AccessDecision {
  if (isMaster(user)) {
    return { allowed: true, reason: '' };
  }
  const problems: string[] = [];
  for (const grant of grantsOf(index, user, 'path' in request ? undefined : request.namespace)) {
    if (grant.rules.some((rule) => ruleAllows(rule, request))) {
      return { allowed: true, reason: `RBAC: allowed by ${grant.source}` };
    }
    if (grant.problem !== undefined) {
      problems.push(grant.problem);
    }
  }
  return { allowed: false, reason: problemText(problems) };
}

function problemText(problems: readonly string[]): string {
  const distinct = [...new Set(problems)];
  const [first] = distinct;
  if (first === undefined) {
    return '';
  }
  return `RBAC: ${distinct.length === 1 ? first : `[${distinct.join(', ')}]`}`;
}

/** The rules that hold for a user in a namespace; for the whole cluster when that is undefined. */
export function rulesFor(index: AccessIndex, user: UserInfo, namespace: string | undefined): PolicyRule[] {
  const everything = [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ];
  const granted = [...grantsOf(index, user, namespace)].flatMap(({ rules }) => rules);
  return isMaster(user) ? everything : granted;
}

/** Cluster-wide grants come first, as in Kubernetes: the first that allows is the reason. */
function* grantsOf(index: AccessIndex, user: UserInfo, namespace: string | undefined): Iterable<Grant> {
  const keys = [userKey(user.name), ...user.groups.map(groupKey)];
  const inNamespace = namespace ? index.namespaces.get(namespace) : undefined;
  for (const grants of [index.cluster, inNamespace]) {
    for (const key of grants === undefined ? [] : keys) {
      yield* grants!.get(key) ?? [];
    }
  }
}

/** Puts roles and bindings in order. */
export function indexAccess(objects: RbacObjects): AccessIndex {
  const rulesOf = new Map<string, readonly PolicyRule[]>();
  for (const { metadata, rules = [] } of objects.clusterRoles) {
    rulesOf.set(roleKey('ClusterRole', metadata.name, undefined), rules);
  }
  for (const { metadata, rules = [] } of objects.roles) {
    rulesOf.set(roleKey('Role', metadata.name, metadata.namespace), rules);
  }
  const cluster = new Map<string, Grant[]>();
  const namespaces = new Map<string, Map<string, Grant[]>>();
  for (const binding of objects.clusterRoleBindings) {
    addGrants(cluster, 'ClusterRoleBinding', binding, rulesOf);
  }
  for (const binding of objects.roleBindings) {
    const { namespace = '' } = binding.metadata;
    const grants = namespaces.get(namespace) ?? new Map<string, Grant[]>();
    namespaces.set(namespace, grants);
    addGrants(grants, 'RoleBinding', binding, rulesOf);
  }
  return { cluster, namespaces };
}

function addGrants(
  grants: Map<string, Grant[]>,
  kind: string,
  { metadata, roleRef, subjects = [] }: BindingObject,
  rulesOf: ReadonlyMap<string, readonly PolicyRule[]>,
): void {
  const { name, namespace } = metadata;
  const rules = rulesOf.get(roleKey(roleRef.kind, roleRef.name, namespace));
  const problem =
    rules === undefined
      ? `${roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(roleRef.name)} not found`
      : undefined;
  const path = namespace === undefined ? name : `${name}/${namespace}`;
  for (const subject of subjects) {
    const key = subjectKey(subject, namespace);
    if (key !== undefined) {
      const role = `${roleRef.kind} ${JSON.stringify(roleRef.name)}`;
      const source = `${kind} ${JSON.stringify(path)} of ${role} to ${describeSubject(subject, namespace)}`;
      const known = grants.get(key) ?? [];
      known.push({ rules: rules ?? [], source, problem });
      grants.set(key, known);
    }
  }
}

function subjectKey({ kind, name, namespace }: SubjectObject, home: string | undefined): string | undefined {
  if (kind === 'User') {
    return userKey(name);
  }
  if (kind === 'Group') {
    return groupKey(name);
  }
  const at = namespace || home;
  return kind === 'ServiceAccount' && at ? userKey(accountUser(at, name)) : undefined;
}

function describeSubject({ kind, name, namespace }: SubjectObject, home: string | undefined): string {
  const at = namespace || home;
  return `${kind} ${JSON.stringify(kind === 'ServiceAccount' && at ? `${name}/${at}` : name)}`;
}

function roleKey(kind: string, name: string, namespace: string | undefined): string {
  return kind === 'ClusterRole' ? `cluster/${name}` : `${namespace}/${kind}/${name}`;
}

function userKey(name: string): string {
  return `user ${name}`;
}

function groupKey(name: string): string {
  return `group ${name}`;
}
