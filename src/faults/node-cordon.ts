import { object } from '../api/schema.js';
import { fault } from './fault.js';

const schema = object(
  'nodeCordon makes the targets unschedulable: no new pods come, those that are there stay. Nodes that were cordoned before stay so.',
  {},
);

/** Cordons nodes, and uncordons those that were not cordoned before. */
export const nodeCordon = fault({
  name: 'nodeCordon',
  summary: 'Cordons nodes: no new pods come, those that are there stay.',
  schema,
  rules: [],
  example: {},
  targets: ['nodes'],
  disrupts: false,
  oneShot: false,
  by: 'ApiServer',
  removesPods: false,
  needs: [{ group: '', resource: 'nodes', verbs: ['patch'] }],
  apply: (_params, { name, uid }) => [
    {
      do: 'setFields',
      object: { kind: 'Node', namespace: '', name, uid },
      changes: [{ field: 'unschedulable', to: true }],
    },
  ],
});
