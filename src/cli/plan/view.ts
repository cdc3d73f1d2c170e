import type { LabelSelector } from '../../api/selector.js';
import { projectPod } from '../../controller/projections.js';
import type {
  BudgetView,
  ClusterView,
  NodeView,
  Placing,
  PodView,
  ServiceView,
  SpreadTerm,
  WorkloadView,
} from '../../domain/plan/cluster.js';
import type { Json, KubeObject } from '../../kubernetes/resource.js';
import type { Contents } from './contents.js';
import { Owners } from './owners.js';
import { amountsOf, requestsOf } from './quantities.js';
import { rolledAtOnce } from './rollout.js';

const LABEL_ZONE = 'topology.kubernetes.io/zone';
const LABEL_SERVICE = 'kubernetes.io/service-name';
const required = 'requiredDuringSchedulingIgnoredDuringExecution';

/** What a prediction looks at, from what was read. */
export function viewOf(contents: Contents): ClusterView {
  const owners = new Owners(contents);
  const pods = contents.list('pods').map((pod) => podView(pod, owners));
  const unknown = contents.lacks('nodes') ?? contents.lacks('pods');
  return {
    pods,
    nodes: contents.list('nodes').map(nodeView),
    workloads: owners.workloads().map(({ name, object }) => workloadView(name, object)),
    budgets: contents.list('disruptionBudgets').map(budgetView),
    services: servicesOf(contents, pods),
    namespaces: new Map(
      contents.list('namespaces').map(({ metadata }) => [metadata.name ?? '', metadata.labels ?? {}]),
    ),
    ...(unknown !== undefined && { placementUnknown: unknown }),
  };
}

function podView(object: KubeObject, owners: Owners): PodView {
  const { namespace, name, uid, createdAt, node, ready, terminating, completed, managed } = projectPod(object);
  const workload = owners.workloadOf(object);
  return {
    ...{ namespace, name, uid, createdAt, node, ready, terminating, completed },
    labels: object.metadata.labels ?? {},
    ...(workload !== undefined && { workload }),
    replaced: managed,
    placing: placingOf(object.spec ?? {}),
  };
}

function placingOf(spec: Json): Placing {
  const { nodeAffinity, podAffinity, podAntiAffinity }: Json = spec.affinity ?? {};
  const terms = nodeAffinity?.[required]?.nodeSelectorTerms;
  return {
    requests: requestsOf(spec),
    tolerations: spec.tolerations ?? [],
    nodeSelector: spec.nodeSelector ?? {},
    ...(terms && { nodeTerms: terms }),
    affinity: podAffinity?.[required] ?? [],
    antiAffinity: podAntiAffinity?.[required] ?? [],
    spread: (spec.topologySpreadConstraints ?? [])
      .filter(({ whenUnsatisfiable }: Json) => (whenUnsatisfiable ?? 'DoNotSchedule') === 'DoNotSchedule')
      .map((term: Json): SpreadTerm => ({ ...term, maxSkew: term.maxSkew ?? 1 })),
  };
}

function nodeView({ metadata, spec, status }: KubeObject): NodeView {
  const zone = metadata.labels?.[LABEL_ZONE];
  return {
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    ...(zone && { zone }),
    labels: metadata.labels ?? {},
    ready: (status?.conditions ?? []).some(({ type, status: value }: Json) => type === 'Ready' && value === 'True'),
    unschedulable: spec?.unschedulable === true,
    taints: spec?.taints ?? [],
    allocatable: amountsOf(status?.allocatable),
  };
}

function workloadView(workload: string, object: KubeObject): WorkloadView {
  const replicas =
    object.kind === 'DaemonSet' ? (object.status?.desiredNumberScheduled ?? 0) : (object.spec?.replicas ?? 1);
  return {
    namespace: object.metadata.namespace ?? '',
    workload,
    replicas,
    rolledAtOnce: rolledAtOnce(object, replicas),
  };
}

function budgetView({ metadata, spec, status = {} }: KubeObject): BudgetView {
  const isCurrent = (status.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    ...(spec?.selector && { selector: spec.selector as LabelSelector }),
    healthy: status.currentHealthy ?? 0,
    desired: status.desiredHealthy ?? 0,
    // The API server refuses evictions while the status is not that of the spec.
    allowed: isCurrent ? (status.disruptionsAllowed ?? 0) : 0,
  };
}

/** Which Ready pods are behind a Service. */
function servicesOf(contents: Contents, pods: readonly PodView[]): ServiceView[] {
  const known = new Set(pods.map(({ uid }) => uid));
  const behind = new Map<string, Set<string>>();
  for (const { metadata, endpoints = [] } of contents.list('endpointSlices')) {
    const key = `${metadata.namespace}/${metadata.labels?.[LABEL_SERVICE] ?? ''}`;
    const uids = behind.get(key) ?? new Set<string>();
    behind.set(key, uids);
    for (const { conditions, targetRef } of endpoints as Json[])
      if (conditions?.ready !== false && known.has(targetRef?.uid)) uids.add(targetRef.uid);
  }
  return contents.list('services').map(({ metadata }) => ({
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    ready: [...(behind.get(`${metadata.namespace}/${metadata.name}`) ?? [])],
  }));
}
