import { agentNeeds } from '../../agent/needs.js';
import { LABEL_FOR_PROBES, LABEL_PART_OF, PART_OF } from '../../api/labels.js';
import { controllerNeeds, readableByProbes } from '../../controller/needs.js';
import type { KubeObject } from '../../kubernetes/resource.js';

/** A right in the form both lists of needs share. */
interface Right {
  group: string;
  /** One resource, or several separated by commas. */
  resource: string;
  verbs: readonly string[];
  namespaces: 'Own' | 'All';
}

/** On every object of the installation. */
export const labels = (component: string) => ({
  'app.kubernetes.io/name': 'squall',
  'app.kubernetes.io/component': component,
  [LABEL_PART_OF]: PART_OF,
});

/** The service accounts and their rights: no more than the code says it needs. */
export function roles(namespace: string, agents: boolean): KubeObject[] {
  return [
    ...accountWithRights('controller', namespace, controllerNeeds),
    ...probeRoles(namespace),
    ...(agents ? accountWithRights('agent', namespace, agentNeeds) : []),
  ];
}

function accountWithRights(component: string, namespace: string, needs: readonly Right[]): KubeObject[] {
  const name = `squall-${component}`;
  const rbac = 'rbac.authorization.k8s.io';
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  const rights = (where: Right['namespaces']) => needs.filter(({ namespaces }) => namespaces === where).map(rule);
  const everywhere = { name, labels: labels(component) };
  const own = { ...everywhere, namespace };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: own },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: everywhere, rules: rights('All') },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: everywhere,
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
      subjects,
    },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: own, rules: rights('Own') },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: own,
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects,
    },
  ];
}

/**
 * What probes may read: a ClusterRole that grows with every ClusterRole that carries the label, so that other kinds take
 * no change to what is installed; see https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
 */
function probeRoles(namespace: string): KubeObject[] {
  const rbac = 'rbac.authorization.k8s.io';
  const name = 'squall-probes';
  const metadata = { name, labels: labels('controller') };
  return [
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata,
      // Its rules are the cluster's to fill in; given here, they would be emptied with every update.
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [LABEL_FOR_PROBES]: 'true' } }] },
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: `${name}-common`, labels: { ...labels('controller'), [LABEL_FOR_PROBES]: 'true' } },
      rules: readableByProbes.map((what) => rule({ ...what, verbs: ['get', 'list'], namespaces: 'All' })),
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: 'squall-controller', namespace }],
    },
  ];
}

function rule({ group, resource, verbs }: Right) {
  return { apiGroups: [group], resources: resource.split(','), verbs: [...verbs] };
}
