import { boolean, defaulted, duration, enumeration, object, optional } from '../api/schema.js';
import { parseDuration } from '../stats/duration.js';
import { fault } from './fault.js';

const schema = object(
  'nodeDrain cordons the targets and evicts their pods, as `kubectl drain` does: those of DaemonSets and static pods are left, and so are protected ones. Refused evictions are asked for again until the step ends. Nodes that were not cordoned before are uncordoned at the end.',
  {
    gracePeriod: optional(
      duration("gracePeriod between SIGTERM and SIGKILL, in whole seconds. Left out: each pod's own.", {
        zero: true,
        wholeSeconds: true,
      }),
    ),
    unmanaged: defaulted(
      boolean(
        'unmanaged also evicts pods that nothing would replace: without a controller, or of a DaemonSet that is gone. A node that has such pods is refused otherwise, and not touched. Default false.',
      ),
      false,
    ),
    emptyDirData: defaulted(
      boolean(
        'emptyDirData also evicts pods with an emptyDir, whose data is lost. A node that has such pods is refused otherwise, and not touched. Default false.',
      ),
      false,
    ),
    budget: defaulted(
      enumeration(
        'budget says what PodDisruptionBudgets are to do. `Respect`: the drain is to go through as they allow it. `Expect`: they are what is tested, and must hold it back; a drain that goes through violates the hypothesis. Default `Respect`.',
        ['Respect', 'Expect'],
      ),
      'Respect',
    ),
  },
);

/** Cordons nodes and evicts their pods through the Eviction API, which keeps disruption budgets (KEP-85). */
export const nodeDrain = fault({
  name: 'nodeDrain',
  summary: 'Cordons nodes and evicts their pods, as `kubectl drain` does.',
  schema,
  rules: [],
  example: { gracePeriod: '10s', unmanaged: false, emptyDirData: false, budget: 'Respect' },
  targets: ['nodes'],
  disrupts: false,
  oneShot: false,
  by: 'ApiServer',
  removesPods: false,
  needs: [
    { group: '', resource: 'nodes', verbs: ['patch'] },
    { group: '', resource: 'pods/eviction', verbs: ['create'] },
  ],
  apply: ({ gracePeriod, ...params }, { name, uid }) => [
    {
      do: 'setFields',
      object: { kind: 'Node', namespace: '', name, uid },
      changes: [{ field: 'unschedulable', to: true }],
    },
    {
      do: 'emptyNode',
      node: name,
      uid,
      by: 'Evict',
      ...(gracePeriod !== undefined && { gracePeriodSeconds: parseDuration(gracePeriod) / 1000 }),
      ...params,
    },
  ],
});
