import { boolean, defaulted, duration, object } from '../api/schema.js';
import { parseDuration } from '../stats/duration.js';
import { fault } from './fault.js';

/** Marks the nodes of a zone that is out. */
const TAINT = 'squall.dev/zone-outage';

const schema = object(
  'zoneOutage takes whole zones out: their nodes are cordoned and tainted `squall.dev/zone-outage`, and their pods killed without asking disruption budgets. Pods of DaemonSets, static and protected ones are left. What was there of cordons and taints is restored at the end.',
  {
    gracePeriod: defaulted(
      duration(
        'gracePeriod between SIGTERM and SIGKILL, in whole seconds. Default 0s: a zone that is lost leaves no time.',
        { zero: true, wholeSeconds: true },
      ),
      '0s',
    ),
    partition: defaulted(
      boolean(
        "partition also cuts the pods of the run's namespace that are on these nodes off from all others while they are still there, such as those of DaemonSets: where the nodes have agents that can. It is shown as a step of its own, and takes the right to inject `partition`. Default true.",
      ),
      true,
    ),
  },
);

/** Loses all nodes of a zone at once: closed to new pods, and emptied as by a crash. */
export const zoneOutage = fault({
  name: 'zoneOutage',
  summary: 'Takes all nodes of a zone out of service and kills their pods.',
  schema,
  rules: [],
  example: { gracePeriod: '0s', partition: true },
  targets: ['zones'],
  disrupts: true,
  oneShot: false,
  by: 'ApiServer',
  removesPods: false,
  needs: [
    { group: '', resource: 'nodes', verbs: ['patch'] },
    { group: '', resource: 'pods', verbs: ['delete'] },
  ],
  companion: ({ partition }) => (partition ? { partition: { direction: 'Both', includeKubelet: false } } : undefined),
  apply: ({ gracePeriod }, { name, uid }) => [
    {
      do: 'setFields',
      object: { kind: 'Node', namespace: '', name, uid },
      changes: [
        { field: 'unschedulable', to: true },
        { field: 'taint', key: TAINT, effect: 'NoSchedule' },
      ],
    },
    {
      do: 'emptyNode',
      node: name,
      uid,
      by: 'Delete',
      gracePeriodSeconds: parseDuration(gracePeriod) / 1000,
      unmanaged: true,
      emptyDirData: true,
      budget: 'Respect',
    },
  ],
});
