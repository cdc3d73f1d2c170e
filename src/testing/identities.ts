import { type ClusterConfig, clusterAt } from '../kubernetes/cluster-config.js';
import type { PolicyRule } from '../sandbox/rbac/rules.js';
import type { Store } from '../sandbox/store/types.js';

const apiVersion = 'rbac.authorization.k8s.io/v1';
const TEN_YEARS_SECONDS = 315_360_000;

/** A cluster as the admin of a sandbox sees it who impersonates a user in groups (`kubectl --as`, `--as-group`). */
export function clusterAs(server: string, user: string, groups: string[] = []): ClusterConfig {
  const headers = { 'Impersonate-User': user, ...(groups.length > 0 ? { 'Impersonate-Group': groups } : {}) };
  return { ...clusterAt(server), credentials: async () => ({ headers, tls: {} }) };
}

/** A cluster as one of its service accounts sees it, with a token of its own. The account must exist. */
export async function clusterAsAccount(server: string, namespace: string, name: string): Promise<ClusterConfig> {
  // Some tests move the clock by hours.
  const Authorization = `Bearer ${await tokenOf(server, namespace, name, undefined, TEN_YEARS_SECONDS)}`;
  return { ...clusterAt(server, namespace), credentials: async () => ({ headers: { Authorization }, tls: {} }) };
}

/** A token of a service account of a sandbox; at will bound to a pod, or for other than an hour. */
export async function tokenOf(
  server: string,
  namespace: string,
  name: string,
  pod?: string,
  expirationSeconds?: number,
): Promise<string> {
  const boundObjectRef = pod === undefined ? undefined : { kind: 'Pod', apiVersion: 'v1', name: pod };
  const response = await fetch(`${server}/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ spec: { boundObjectRef, expirationSeconds } }),
  });
  const body = (await response.json()) as { status?: { token?: string }; message?: string };
  if (!body.status?.token) throw new Error(`no token for ${namespace}/${name}: ${body.message}`);
  return body.status.token;
}

/** Makes a service account in a sandbox's store, unless it is there. */
export function createAccount(store: Store, namespace: string, name: string): void {
  if (store.get('serviceaccounts', namespace, name) === undefined)
    store.create('serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } });
}

/** Lets a service account (`namespace/name`) do something in a namespace: a Role and a RoleBinding of a generated name. */
export function grantTo(store: Store, account: string, namespace: string, rules: PolicyRule[]): void {
  const role = store.create('roles.rbac.authorization.k8s.io', {
    apiVersion,
    kind: 'Role',
    metadata: { namespace, generateName: 'granted-' },
    rules,
  });
  const { name } = role.metadata;
  store.create('rolebindings.rbac.authorization.k8s.io', {
    apiVersion,
    kind: 'RoleBinding',
    metadata: { namespace, name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [subjectOf(account)],
  });
}

/** Lets a service account (`namespace/name`) do something everywhere: a ClusterRole and a ClusterRoleBinding. */
export function grantEverywhere(store: Store, account: string, rules: PolicyRule[]): void {
  const role = store.create('clusterroles.rbac.authorization.k8s.io', {
    apiVersion,
    kind: 'ClusterRole',
    metadata: { generateName: 'granted-' },
    rules,
  });
  const { name } = role.metadata;
  store.create('clusterrolebindings.rbac.authorization.k8s.io', {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [subjectOf(account)],
  });
}

/** Lets every service account do everything: for tests that are about something else. */
export function allowEverything(store: Store): void {
  store.create('clusterrolebindings.rbac.authorization.k8s.io', {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'every-account-may-do-everything' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:serviceaccounts' }],
  });
}

function subjectOf(account: string) {
  const [namespace, name] = account.split('/');
  return { kind: 'ServiceAccount', namespace, name };
}
