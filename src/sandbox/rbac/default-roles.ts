import type { Json, Store } from '../store/types.js';
import { CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES } from './authorizer.js';
import { AUTHENTICATED, MASTERS, UNAUTHENTICATED } from './request.js';
import type { PolicyRule } from './rules.js';

const apiVersion = 'rbac.authorization.k8s.io/v1';
const LABELS = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
/** A ClusterRole with this label, followed by `admin`, `edit` or `view`, adds its rules to that one. */
const AGGREGATE = 'rbac.authorization.k8s.io/aggregate-to-';

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];
const SCALES = ['deployments/scale', 'replicasets/scale', 'statefulsets/scale'];
const WORKLOADS = ['daemonsets', 'deployments', 'replicasets', 'statefulsets'];
const DISCOVERY = ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'];
const HEALTH = ['/healthz', '/livez', '/readyz', '/version', '/version/'];

/** What a real cluster lets readers of a namespace see, as far as the sandbox has those kinds: no Secrets, no roles. */
const VIEW: PolicyRule[] = [
  rule('', READ, [
    'bindings',
    'configmaps',
    'endpoints',
    'events',
    'namespaces',
    'namespaces/status',
    'pods',
    'pods/log',
    'pods/status',
    'serviceaccounts',
    'services',
    'services/status',
  ]),
  rule('apps', READ, [...WORKLOADS, ...WORKLOADS.map((plural) => `${plural}/status`), ...SCALES]),
  rule('autoscaling', READ, ['horizontalpodautoscalers', 'horizontalpodautoscalers/status']),
  rule('batch', READ, ['jobs', 'jobs/status']),
  rule('discovery.k8s.io', READ, ['endpointslices']),
  rule('networking.k8s.io', READ, ['ingresses', 'ingresses/status', 'networkpolicies']),
  rule('policy', READ, ['poddisruptionbudgets', 'poddisruptionbudgets/status']),
];

const EDIT: PolicyRule[] = [
  rule('', READ, ['pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'secrets', 'services/proxy']),
  rule('', ['impersonate'], ['serviceaccounts']),
  rule('', WRITE, ['pods', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy']),
  rule('', ['create'], ['pods/eviction', 'serviceaccounts/token']),
  rule('', WRITE, ['configmaps', 'events', 'secrets', 'serviceaccounts', 'services', 'services/proxy']),
  rule('apps', WRITE, [...WORKLOADS, ...SCALES]),
  rule('autoscaling', WRITE, ['horizontalpodautoscalers']),
  rule('batch', WRITE, ['jobs']),
  rule('coordination.k8s.io', [...READ, ...WRITE], ['leases']),
  rule('networking.k8s.io', WRITE, ['ingresses', 'networkpolicies']),
  rule('policy', WRITE, ['poddisruptionbudgets']),
];

const ADMIN: PolicyRule[] = [
  rule('authorization.k8s.io', ['create'], ['localsubjectaccessreviews']),
  rule('rbac.authorization.k8s.io', [...READ, ...WRITE], ['rolebindings', 'roles']),
];

function rule(group: string, verbs: string[], resources: string[]): PolicyRule {
  return { apiGroups: [group], resources, verbs };
}

/** The ClusterRoles and bindings that people and tools count on in every cluster; what is there already stays as it is. */
export function createDefaultRoles(store: Store): void {
  const everything = [rule('*', ['*'], ['*']), { nonResourceURLs: ['*'], verbs: ['*'] }];
  createRole(store, 'cluster-admin', everything);
  bind(store, 'cluster-admin', MASTERS);

  const reviews = ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'];
  const basic = [
    rule('authorization.k8s.io', ['create'], reviews),
    rule('authentication.k8s.io', ['create'], ['selfsubjectreviews']),
  ];
  createRole(store, 'system:basic-user', basic);
  bind(store, 'system:basic-user', AUTHENTICATED);
  createRole(store, 'system:discovery', [{ nonResourceURLs: [...DISCOVERY, ...HEALTH], verbs: ['get'] }]);
  bind(store, 'system:discovery', AUTHENTICATED);
  createRole(store, 'system:public-info-viewer', [{ nonResourceURLs: HEALTH, verbs: ['get'] }]);
  bind(store, 'system:public-info-viewer', AUTHENTICATED, UNAUTHENTICATED);

  // Each level holds those below it, as in a real cluster: `view` flows into `edit`, and `edit` into `admin`.
  createRole(store, 'system:aggregate-to-view', VIEW, { [`${AGGREGATE}view`]: 'true' });
  createRole(store, 'system:aggregate-to-edit', EDIT, { [`${AGGREGATE}edit`]: 'true' });
  createRole(store, 'system:aggregate-to-admin', ADMIN, { [`${AGGREGATE}admin`]: 'true' });
  createAggregate(store, 'view', VIEW, { [`${AGGREGATE}edit`]: 'true' });
  createAggregate(store, 'edit', [...EDIT, ...VIEW], { [`${AGGREGATE}admin`]: 'true' });
  createAggregate(store, 'admin', [...ADMIN, ...EDIT, ...VIEW], {});
}

function createAggregate(store: Store, name: string, rules: PolicyRule[], labels: Record<string, string>): void {
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { [`${AGGREGATE}${name}`]: 'true' } }] };
  createRole(store, name, rules, labels, { aggregationRule });
}

function createRole(
  store: Store,
  name: string,
  rules: PolicyRule[],
  labels: Record<string, string> = {},
  more: Record<string, Json> = {},
): void {
  if (store.get(CLUSTER_ROLES, undefined, name) === undefined) {
    const metadata = { name, labels: { ...LABELS, ...labels } };
    store.create(CLUSTER_ROLES, { apiVersion, kind: 'ClusterRole', metadata, rules, ...more });
  }
}

function bind(store: Store, role: string, ...groups: string[]): void {
  if (store.get(CLUSTER_ROLE_BINDINGS, undefined, role) === undefined) {
    store.create(CLUSTER_ROLE_BINDINGS, {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name: role, labels: LABELS },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: groups.map((name) => ({ kind: 'Group', name, apiGroup: 'rbac.authorization.k8s.io' })),
    });
  }
}
