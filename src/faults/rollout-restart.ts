import { object } from '../api/schema.js';
import { fault } from './fault.js';
import type { ObjectRef } from './step.js';

const schema = object(
  'rolloutRestart has the targets make all their pods anew, as `kubectl rollout restart` does, at the pace that their own update strategy allows. There is nothing to take back. Without a `duration` the step ends when all are Ready again, or after 30s: give one when a rollout takes longer than that and `During` is to last as long.',
  {},
);

/** Has workloads make all their pods anew. */
export const rolloutRestart = fault({
  name: 'rolloutRestart',
  summary: 'Has workloads make all their pods anew, at their own pace.',
  schema,
  rules: [
    {
      rule: "!has(self.rolloutRestart) || !has(self.targets.workloads) || self.targets.workloads.kind != 'ReplicaSet'",
      message:
        '`rolloutRestart` is put on a Deployment, a StatefulSet or a DaemonSet: a ReplicaSet does not update its pods',
      fieldPath: '.targets',
    },
  ],
  example: {},
  targets: ['workloads'],
  disrupts: false,
  oneShot: true,
  by: 'ApiServer',
  removesPods: false,
  needs: [
    { group: 'apps', resource: 'deployments', verbs: ['patch'] },
    { group: 'apps', resource: 'statefulsets', verbs: ['patch'] },
    { group: 'apps', resource: 'daemonsets', verbs: ['patch'] },
  ],
  apply: (_params, { kind, namespace, name, uid }) => [
    {
      do: 'setFields',
      object: { kind: kind as ObjectRef['kind'], namespace, name, uid },
      changes: [{ field: 'restartedAt' }],
    },
  ],
});
