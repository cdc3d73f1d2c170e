import type { Json } from '../kubernetes/resource.js';
import { availableProbe } from './controllers.js';
import type { CrashGround, Witness, Workload } from './crash-ground.js';

const onNodes = (...names: string[]) => ({ targets: { nodes: { names }, count: names.length } });
const onWorkload = (name: Workload) => ({ targets: { workloads: { kind: 'Deployment', names: [name] } } });
const ourTaints = [
  { key: 'gpu', value: 'ours', effect: 'NoSchedule' },
  { key: 'squall.test/new', value: 'ours', effect: 'NoSchedule' },
];

/** Longer than the second to which the API server says when a pod was made. */
const duration = '1200ms';
/** The faults, each of which is put on something of its own. */
const steps = {
  cordon: { name: 'cordon', duration, ...onNodes('n3', 'n6'), nodeCordon: {} },
  taint: { name: 'taint', duration, ...onNodes('n6'), nodeTaint: { taints: ourTaints } },
  drain: { name: 'drain', duration, ...onNodes('n1'), nodeDrain: { gracePeriod: '0s' } },
  expect: { name: 'expect', duration, ...onNodes('n4'), nodeDrain: { gracePeriod: '0s', budget: 'Expect' } },
  scale: { name: 'scale', duration, ...onWorkload('scaled'), scale: { percent: 50 } },
  pause: { name: 'pause', duration, ...onWorkload('paused'), scale: { replicas: 1, autoscaler: 'Pause' } },
  restart: { name: 'restart', duration, ...onWorkload('restarted'), rolloutRestart: {} },
  outage: { name: 'outage', duration, targets: { zones: { names: ['z2'] } }, zoneOutage: {} },
};
/** A step of a run. */
export type StepName = keyof typeof steps;

/** What must have been seen to happen when a run says that a step took effect. */
export const happened: Record<StepName, (witness: Witness, ground: CrashGround) => boolean> = {
  // One of them was cordoned already, so that no more than a note is left on it.
  cordon: ({ cordoned }) => cordoned.has('n3') || cordoned.has('n6'),
  taint: ({ tainted }) => tainted.has('n6'),
  drain: ({ cordoned, deleted }) => cordoned.has('n1') && deleted.get('drained')?.size === 2,
  expect: ({ cordoned }) => cordoned.has('n4'),
  scale: ({ fewest }) => fewest.get('scaled') === 2,
  pause: ({ fewest }) => fewest.get('paused') === 1,
  restart: (_witness, { restarts }) => restarts === 1,
  outage: ({ cordoned, tainted, deleted }) =>
    cordoned.has('n2') && tainted.has('n2') && tainted.has('n5') && deleted.get('lost')?.size === 2,
};

/** What must not happen, however often a controller died. */
export function excesses({ deleted, fewest }: Witness, { restarts }: CrashGround): string[] {
  const limits: Record<Workload, number> = { drained: 2, lost: 2, kept: 0, scaled: 2, paused: 2, restarted: 1 };
  const over = Object.entries(limits).filter(([name, limit]) => (deleted.get(name)?.size ?? 0) > limit);
  return [
    ...over.map(([name]) => `${deleted.get(name)?.size} pods of ${name} were deleted`),
    ...((fewest.get('scaled') ?? 4) < 2 ? [`scaled was scaled to ${fewest.get('scaled')}`] : []),
    ...(restarts > 1 ? [`${restarts} restarts`] : []),
  ];
}

/** All of them. */
export const stepNames = Object.keys(steps) as StepName[];

/** Steps that begin together. */
export const templateOf = (names: readonly StepName[]): Json => ({
  hypothesis: [availableProbe('restarted', 0)],
  method: names.map((name, index) => ({ ...steps[name], ...(index > 0 && { parallel: true }) })),
});
