import { faults } from '../faults/index.js';

/** A right the controller needs, and where. */
export interface ControllerNeed {
  group: string;
  resource: string;
  verbs: string[];
  /** `Own`: only in Squall's namespace. `All`: everywhere. */
  namespaces: 'Own' | 'All';
  /** What for. */
  why: string;
}

const squall = (resource: string, verbs: string[], why: string, namespaces: 'Own' | 'All' = 'All'): ControllerNeed => ({
  group: 'squall.dev',
  resource,
  verbs,
  namespaces,
  why,
});

/**
 * All that the controller asks the API server for, but for what `resource` probes read: see `readableByProbes`. Before it
 * does anything for a run it asks whether the run's service account may do that too.
 */
export const controllerNeeds: readonly ControllerNeed[] = [
  squall('experiments', ['get', 'list', 'watch'], 'what is to be run'),
  squall('experiments/status', ['patch'], 'whether it can be run, and how it ended last'),
  squall(
    'experimentruns',
    ['get', 'list', 'watch', 'create', 'patch', 'delete'],
    'the runs and their finalizer, those that schedules start, and those that are not kept',
  ),
  squall('experimentruns/status', ['patch'], 'how far a run is'),
  squall('safetypolicies', ['get', 'list', 'watch'], 'what must not be done, and the halt'),
  squall('injections', ['get', 'list', 'watch', 'create', 'patch', 'delete'], 'what is put on and taken back', 'Own'),
  squall('injections/status', ['patch'], 'how far it is, where no agent says so', 'Own'),
  {
    group: 'coordination.k8s.io',
    resource: 'leases',
    verbs: ['get', 'list', 'create', 'update', 'patch'],
    namespaces: 'Own',
    why: 'which controller acts, and which nodes have an agent',
  },
  { group: '', resource: 'pods', verbs: ['get', 'list', 'watch'], namespaces: 'All', why: 'to draw targets' },
  {
    group: 'apps',
    resource: 'deployments,replicasets,statefulsets,daemonsets',
    verbs: ['get', 'list', 'watch'],
    namespaces: 'All',
    why: 'which pods belong to a workload',
  },
  {
    group: 'authorization.k8s.io',
    resource: 'subjectaccessreviews,selfsubjectaccessreviews',
    verbs: ['create'],
    namespaces: 'All',
    why: 'to ask what the service account of an experiment may do, and what it may read itself',
  },
  { group: '', resource: 'serviceaccounts', verbs: ['get'], namespaces: 'All', why: 'whether it is there' },
  {
    group: 'policy',
    resource: 'poddisruptionbudgets',
    verbs: ['list'],
    namespaces: 'All',
    why: 'how many pods may be taken out of service',
  },
  {
    group: 'autoscaling',
    resource: 'horizontalpodautoscalers',
    verbs: ['get', 'list', 'watch'],
    namespaces: 'All',
    why: 'which workloads are scaled by something else',
  },
  { group: '', resource: 'services', verbs: ['get'], namespaces: 'All', why: 'where probes and peers are' },
  {
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    verbs: ['list'],
    namespaces: 'All',
    why: 'where probes and peers are',
  },
  {
    group: '',
    resource: 'nodes',
    verbs: ['get', 'list', 'watch'],
    namespaces: 'All',
    why: 'to draw targets, and whether a node was started anew',
  },
  {
    group: '',
    resource: 'pods/ephemeralcontainers',
    verbs: ['patch'],
    namespaces: 'All',
    why: 'to put faults on by sidecars',
  },
  { group: '', resource: 'pods/log', verbs: ['get'], namespaces: 'All', why: 'what sidecars see while they run' },
  {
    group: '',
    resource: 'namespaces',
    verbs: ['get'],
    namespaces: 'All',
    why: 'the Pod Security level of targets, and whether they may be hit',
  },
  { group: '', resource: 'events', verbs: ['create', 'patch'], namespaces: 'All', why: 'to tell what happened' },
  ...faults.flatMap((fault) =>
    fault.needs.map((need) => ({ ...need, namespaces: 'All' as const, why: `the fault ${fault.name}` })),
  ),
];

/** Of what probes may read without anything being added: kinds that say how things are, none that holds what is kept secret. */
export const readableByProbes: readonly Pick<ControllerNeed, 'group' | 'resource'>[] = [
  { group: '', resource: 'pods,services,endpoints,nodes,namespaces,persistentvolumeclaims,replicationcontrollers' },
  { group: 'apps', resource: 'deployments,replicasets,statefulsets,daemonsets' },
  { group: 'batch', resource: 'jobs,cronjobs' },
  { group: 'autoscaling', resource: 'horizontalpodautoscalers' },
  { group: 'policy', resource: 'poddisruptionbudgets' },
  { group: 'discovery.k8s.io', resource: 'endpointslices' },
  { group: 'networking.k8s.io', resource: 'ingresses' },
];
