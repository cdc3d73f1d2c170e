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
 * All that the controller asks the API server for, but for `get` and `list` of what `resource` probes read: which that is
 * only the experiments say.
 */
export const controllerNeeds: readonly ControllerNeed[] = [
  squall('experiments', ['get', 'list', 'watch'], 'what is to be run'),
  squall('experiments/status', ['patch'], 'whether it can be run, and how it ended last'),
  squall('experimentruns', ['get', 'list', 'watch', 'patch'], 'the runs, and their finalizer'),
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
  { group: '', resource: 'namespaces', verbs: ['get'], namespaces: 'All', why: 'the Pod Security level of targets' },
  { group: '', resource: 'events', verbs: ['create', 'patch'], namespaces: 'All', why: 'to tell what happened' },
  ...faults.flatMap((fault) =>
    fault.needs.map((need) => ({ ...need, namespaces: 'All' as const, why: `the fault ${fault.name}` })),
  ),
];
