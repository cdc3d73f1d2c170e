import type { BudgetView, ClusterView, NodeView, Placing, PodView, WorkloadView } from '../domain/plan/cluster.js';

/** What decides where a pod may run: nothing but what is given. */
export function aPlacing(overrides: Partial<Placing> = {}): Placing {
  return { requests: {}, tolerations: [], nodeSelector: {}, affinity: [], antiAffinity: [], spread: [], ...overrides };
}

/** A Ready pod of the Deployment `web`, with one core asked for. */
export function aPodView(name: string, overrides: Partial<PodView> = {}): PodView {
  return {
    namespace: 'shop',
    name,
    uid: `uid-${name}`,
    createdAt: 0,
    labels: { app: 'web' },
    node: 'n1',
    workload: 'Deployment/web',
    ready: true,
    terminating: false,
    completed: false,
    replaced: true,
    placing: aPlacing({ requests: { cpu: 1 } }),
    ...overrides,
  };
}

/** A Ready node with 4 cores, in a zone of its own: `n1` is in `z1`. */
export function aNodeView(name: string, overrides: Partial<NodeView> = {}): NodeView {
  const zone = `z${name.slice(1)}`;
  return {
    name,
    uid: `uid-${name}`,
    zone,
    labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone },
    ready: true,
    unschedulable: false,
    taints: [],
    allocatable: { cpu: 4, pods: 110 },
    ...overrides,
  };
}

/** A disruption budget for all pods of `web`. */
export function aBudgetView(overrides: Partial<BudgetView> = {}): BudgetView {
  const selector = { matchLabels: { app: 'web' } };
  return { namespace: 'shop', name: 'web', selector, healthy: 3, desired: 2, allowed: 1, ...overrides };
}

/** A workload of three pods, of which a rollout takes one at a time. */
export function aWorkloadView(overrides: Partial<WorkloadView> = {}): WorkloadView {
  return { namespace: 'shop', workload: 'Deployment/web', replicas: 3, rolledAtOnce: 1, ...overrides };
}

/** Three nodes with a pod of `web` on each, and nothing else. */
export function aClusterView(overrides: Partial<ClusterView> = {}): ClusterView {
  return {
    pods: ['n1', 'n2', 'n3'].map((node) => aPodView(`web-${node}`, { node })),
    nodes: ['n1', 'n2', 'n3'].map((name) => aNodeView(name)),
    workloads: [aWorkloadView()],
    budgets: [],
    services: [],
    namespaces: new Map([['shop', {}]]),
    ...overrides,
  };
}
