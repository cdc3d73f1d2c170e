import { horizontalPodAutoscalers } from '../../controller/api-steps/objects.js';
import { experimentRuns, injections, safetyPolicies } from '../../controller/resources.js';
import {
  daemonSets,
  deployments,
  endpointSlices,
  type KubeObject,
  leases,
  namespaces,
  nodes,
  podDisruptionBudgets,
  pods,
  type Resource,
  replicaSets,
  serviceAccounts,
  services,
  statefulSets,
} from '../../kubernetes/resource.js';
import { type Picks, podPicks } from './picks.js';

const rbac = (plural: string, kind: string, namespaced: boolean): Resource => ({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural,
  kind,
  namespaced,
});

/** A kind of object that plans are made from. */
export interface PlanKind {
  resource: Resource;
  /** `Cluster`: all there are, for pods fit on nodes whatever namespace they are of; `System`: those of Squall's own namespace. */
  from: 'Cluster' | 'Namespace' | 'System';
  /** What a plan can't say without it. */
  why: string;
  /** The fields that are kept, beside name, namespace and UID; nothing else is. */
  keep: Picks;
  /** Those that no plan needs. */
  unless?: (object: KubeObject) => boolean;
}

const workload: Picks = {
  metadata: {
    labels: true,
    annotations: 'squall',
    generation: true,
    ownerReferences: true,
    creationTimestamp: true,
    deletionTimestamp: true,
  },
  spec: {
    replicas: true,
    selector: true,
    strategy: true,
    updateStrategy: true,
    paused: true,
    template: { metadata: { labels: true } },
  },
  status: {
    replicas: true,
    readyReplicas: true,
    updatedReplicas: true,
    availableReplicas: true,
    observedGeneration: true,
    currentRevision: true,
    updateRevision: true,
    desiredNumberScheduled: true,
    updatedNumberScheduled: true,
    numberReady: true,
    numberAvailable: true,
  },
};

/** Everything that plans are made from, in the order of a snapshot. Never Secrets, ConfigMaps, or what containers are given. */
export const planKinds = {
  namespaces: {
    resource: namespaces,
    from: 'Cluster',
    why: 'which namespaces are protected or allowed',
    keep: { metadata: { labels: true } },
  },
  nodes: {
    resource: nodes,
    from: 'Cluster',
    why: 'where pods fit',
    keep: {
      metadata: { labels: true, annotations: 'squall', creationTimestamp: true, deletionTimestamp: true },
      spec: { unschedulable: true, taints: true },
      status: { allocatable: true, conditions: { type: true, status: true }, nodeInfo: { bootID: true } },
    },
  },
  pods: { resource: pods, from: 'Cluster', why: 'what would be hit, and what is on nodes', keep: podPicks },
  deployments: { resource: deployments, from: 'Namespace', why: 'which pods belong to a workload', keep: workload },
  replicaSets: {
    resource: replicaSets,
    from: 'Namespace',
    why: 'which pods belong to a workload',
    keep: workload,
    // What a Deployment keeps of former revisions.
    unless: ({ metadata, spec, status }) =>
      metadata.ownerReferences !== undefined && spec?.replicas === 0 && !status?.replicas,
  },
  statefulSets: { resource: statefulSets, from: 'Namespace', why: 'which pods belong to a workload', keep: workload },
  daemonSets: { resource: daemonSets, from: 'Namespace', why: 'which pods belong to a workload', keep: workload },
  disruptionBudgets: {
    resource: podDisruptionBudgets,
    from: 'Namespace',
    why: 'how many pods may be disrupted',
    keep: {
      metadata: { generation: true },
      spec: true,
      status: {
        observedGeneration: true,
        currentHealthy: true,
        desiredHealthy: true,
        disruptionsAllowed: true,
        expectedPods: true,
      },
    },
  },
  autoscalers: {
    resource: horizontalPodAutoscalers,
    from: 'Namespace',
    why: 'what would fight a fault that scales',
    keep: { spec: { scaleTargetRef: true, minReplicas: true, maxReplicas: true } },
  },
  services: {
    resource: services,
    from: 'Namespace',
    why: 'which Services lose their endpoints',
    keep: { spec: { selector: true, type: true } },
  },
  endpointSlices: {
    resource: endpointSlices,
    from: 'Namespace',
    why: 'which Services lose their endpoints',
    keep: {
      metadata: { labels: ['kubernetes.io/service-name'] },
      addressType: true,
      endpoints: { conditions: true, targetRef: { kind: true, name: true, namespace: true, uid: true } },
    },
  },
  serviceAccounts: {
    resource: serviceAccounts,
    from: 'Namespace',
    why: 'what experiments may do',
    keep: {},
  },
  roles: {
    resource: rbac('roles', 'Role', true),
    from: 'Namespace',
    why: 'what experiments may do',
    keep: { rules: true },
  },
  roleBindings: {
    resource: rbac('rolebindings', 'RoleBinding', true),
    from: 'Namespace',
    why: 'what experiments may do',
    keep: { roleRef: true, subjects: true },
  },
  clusterRoles: {
    resource: rbac('clusterroles', 'ClusterRole', false),
    from: 'Cluster',
    why: 'what experiments may do',
    keep: { rules: true },
  },
  clusterRoleBindings: {
    resource: rbac('clusterrolebindings', 'ClusterRoleBinding', false),
    from: 'Cluster',
    why: 'what experiments may do',
    keep: { roleRef: true, subjects: true },
  },
  leases: {
    resource: leases,
    from: 'System',
    why: 'which nodes have an agent',
    keep: {
      metadata: { annotations: 'squall' },
      spec: { holderIdentity: true, renewTime: true, leaseDurationSeconds: true },
    },
  },
  policies: { resource: safetyPolicies, from: 'Cluster', why: 'what must not be done', keep: { spec: true } },
  runs: {
    resource: experimentRuns,
    from: 'Cluster',
    why: 'what other runs hold',
    keep: {
      metadata: { finalizers: true },
      spec: { template: { method: true } },
      status: { finishTime: true, verdict: true, reason: true, steps: { name: true, state: true } },
    },
    unless: ({ status }) => status?.finishTime !== undefined,
  },
  injections: {
    resource: injections,
    from: 'System',
    why: 'what other runs hold',
    keep: {
      metadata: { labels: true },
      spec: true,
      status: { targets: { uid: true, state: true } },
    },
  },
} as const satisfies Record<string, PlanKind>;

/** One of the kinds that plans are made from. */
export type PlanKindName = keyof typeof planKinds;
