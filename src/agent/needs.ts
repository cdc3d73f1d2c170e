import type { Need } from '../faults/fault.js';

/** A right an agent needs, and where. */
export interface AgentNeed extends Need {
  /** `Own`: only in Squall's namespace. `All`: in every namespace, as targets and peers can be in any. */
  namespaces: 'Own' | 'All';
  /** What for. */
  why: string;
}

/**
 * All an agent asks the API server for. RBAC can't narrow any of it to a node; a ValidatingAdmissionPolicy can for the
 * writes to Injections (the label of the node) and Leases (their name).
 */
export const agentNeeds: readonly AgentNeed[] = [
  {
    group: 'squall.dev',
    resource: 'injections',
    verbs: ['get', 'list', 'watch'],
    namespaces: 'Own',
    why: 'what is wanted on its node',
  },
  {
    group: 'squall.dev',
    resource: 'injections/status',
    verbs: ['patch'],
    namespaces: 'Own',
    why: 'how far it is',
  },
  {
    group: 'coordination.k8s.io',
    resource: 'leases',
    verbs: ['get', 'create', 'patch'],
    namespaces: 'Own',
    why: 'whether the controller is alive, and that the agent is',
  },
  {
    group: '',
    resource: 'pods',
    verbs: ['get', 'list'],
    namespaces: 'All',
    why: 'whether a target is still the same pod, and the addresses of peers',
  },
  { group: '', resource: 'services', verbs: ['get'], namespaces: 'All', why: 'the addresses of peers' },
  {
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    verbs: ['list'],
    namespaces: 'All',
    why: 'the addresses of peers',
  },
  { group: '', resource: 'events', verbs: ['create', 'patch'], namespaces: 'All', why: 'what happened to a pod' },
];
