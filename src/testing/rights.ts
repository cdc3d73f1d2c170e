import { parse } from 'yaml';
import { roles } from '../cli/install/roles.js';
import { installCrds } from '../cli/install-crds.js';
import { ensureNamespace } from '../cli/start-controller.js';
import { ensure } from '../kubernetes/apply.js';
import { Client } from '../kubernetes/client.js';
import type { ClusterConfig } from '../kubernetes/cluster-config.js';
import type { KubeObject } from '../kubernetes/resource.js';
import { createTransport } from '../kubernetes/transport.js';
import type { TestCluster } from './controllers.js';
import { clusterAs, clusterAsAccount } from './identities.js';
import { until } from './scripted-server.js';

const RBAC = 'rbac.authorization.k8s.io';

/** Installs Squall's kinds, its namespace and its roles, and says how a controller connects with these rights and no others. */
export async function install(test: TestCluster): Promise<ClusterConfig> {
  const { client, systemNamespace } = test.connection;
  await installCrds(client);
  await ensureNamespace(test.connection);
  for (const object of roles(systemNamespace, false)) await ensure(client, object);
  const filled = () => test.cluster.store.get(`clusterroles.${RBAC}`, undefined, 'squall-probes')?.rules?.length > 0;
  await until(filled, 'what probes may read');
  return clusterAsAccount(test.cluster.url, systemNamespace, 'squall-controller');
}

/**
 * The client of someone who may do everything that a team is ever given in its namespace: `admin` of it, and all verbs
 * on Squall's kinds there, their status included.
 */
export async function namespaceAdmin(test: TestCluster, user: string, namespace: string): Promise<Client> {
  const subjects = [{ apiGroup: RBAC, kind: 'User', name: user }];
  const own = { name: `squall-of-${user}`, namespace };
  const bound = (name: string, kind: string, role: string): KubeObject => ({
    apiVersion: `${RBAC}/v1`,
    kind: 'RoleBinding',
    metadata: { name, namespace },
    roleRef: { apiGroup: RBAC, kind, name: role },
    subjects,
  });
  await apply(test, [
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'Role',
      metadata: own,
      rules: [{ apiGroups: ['squall.dev'], resources: ['*'], verbs: ['*'] }],
    },
    bound(own.name, 'Role', own.name),
    bound(`admin-${user}`, 'ClusterRole', 'admin'),
  ]);
  const transport = createTransport(clusterAs(test.cluster.url, user), { userAgent: user, qps: 1_000, burst: 1_000 });
  test.onStop(async () => transport.close());
  return new Client(transport);
}

/** Applies objects, or those of a list in YAML, as the admin of the cluster. */
export async function apply(test: TestCluster, objects: readonly KubeObject[] | string): Promise<void> {
  const all: readonly KubeObject[] = typeof objects === 'string' ? parse(objects).items : objects;
  for (const object of all) await ensure(test.client, object);
}
