import { defaulted, enumeration, exactlyOne, integer, object, optional } from '../api/schema.js';
import { fault } from './fault.js';
import type { FieldChange, ObjectRef } from './step.js';

const schema = object(
  'scale sets how many replicas the targets have, and back to what they had in the end. A workload that somebody else scales meanwhile is left as they want it.',
  {
    replicas: optional(integer('replicas the workload is to have.', { min: 0, max: 10_000 })),
    percent: optional(
      integer('percent of the replicas it has, rounded down: with 50, of 3 there is 1 left.', { min: 0, max: 1_000 }),
    ),
    autoscaler: defaulted(
      enumeration(
        'autoscaler says what becomes of a HorizontalPodAutoscaler, which would scale the workload back. `Refuse`: a workload that has one is no candidate. `Pause`: both its bounds are set to what the workload is scaled to (at least 1; one that is scaled to 0 is left alone by autoscalers), and restored in the end. Default `Refuse`.',
        ['Refuse', 'Pause'],
      ),
      'Refuse',
    ),
  },
  [exactlyOne(['replicas', 'percent'], 'how many replicas to leave')],
);

/** Scales workloads. */
export const scale = fault({
  name: 'scale',
  summary: 'Scales workloads, and back.',
  schema,
  rules: [
    {
      rule: "!has(self.scale) || !has(self.targets.workloads) || self.targets.workloads.kind != 'DaemonSet'",
      message:
        '`scale` is put on a Deployment, a StatefulSet or a ReplicaSet: a DaemonSet has as many pods as there are nodes',
      fieldPath: '.targets',
    },
  ],
  example: { percent: 50, autoscaler: 'Refuse' as const },
  targets: ['workloads'],
  disrupts: true,
  oneShot: false,
  by: 'ApiServer',
  removesPods: false,
  needs: [
    { group: 'apps', resource: 'deployments', verbs: ['patch'] },
    { group: 'apps', resource: 'statefulsets', verbs: ['patch'] },
    { group: 'apps', resource: 'replicasets', verbs: ['patch'] },
    {
      group: 'autoscaling',
      resource: 'horizontalpodautoscalers',
      verbs: ['patch'],
      when: (params) => (params as { autoscaler?: string }).autoscaler === 'Pause',
    },
  ],
  apply: ({ replicas, percent = 100, autoscaler }, { kind, namespace, name, uid }) => {
    const to = replicas === undefined ? { percent } : { count: replicas };
    const changes: FieldChange[] = [{ field: 'replicas', to }];
    if (autoscaler === 'Pause') changes.push({ field: 'autoscalerBounds', to });
    return [{ do: 'setFields', object: { kind: kind as ObjectRef['kind'], namespace, name, uid }, changes }];
  },
});
