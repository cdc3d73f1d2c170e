import {
  boolean,
  defaulted,
  duration,
  enumeration,
  exactlyOne,
  type Infer,
  integer,
  list,
  object,
  optional,
  string,
} from './schema.js';
import { labelSelector } from './selector.js';

/** What targets can be. */
export const targetKinds = ['pods', 'nodes', 'workloads', 'zones'] as const;
/** What targets can be: the field of `targets` that names them. */
export type TargetKind = (typeof targetKinds)[number];

/** The kinds of workloads that pods are picked by and that faults can be put on. */
export const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet'] as const;

const names = (what: string) =>
  optional(
    list(`names lists ${what}s by name.`, string(`The name of a ${what}.`, { max: 253, min: 1 }), {
      max: 20,
      min: 1,
      set: true,
    }),
  );

/** A value of a label: see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const labelValue = '^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$';

const zoneNames = (description: string) =>
  optional(
    list(description, string('The name of a zone.', { max: 63, min: 1, pattern: labelValue }), {
      max: 20,
      min: 1,
      set: true,
    }),
  );

const pods = object(
  "pods says which pods of the run's namespace are candidates. Terminating, completed and not Ready pods never are.",
  {
    selector: optional(labelSelector('selector picks pods by their labels, like the selector of a Deployment.')),
    names: names('pod'),
    workload: optional(
      object('workload picks the pods that belong to one workload.', {
        kind: enumeration('kind of the workload.', workloadKinds),
        name: string('name of the workload.', { max: 253, min: 1 }),
      }),
    ),
    zones: zoneNames(
      'zones leaves only pods on nodes of these zones, by the label `topology.kubernetes.io/zone` of the nodes. Left out: wherever they are.',
    ),
    minAge: defaulted(
      duration(
        'minAge leaves out pods that were created more recently than this. When that leaves none, a run waits up to 15s for them. Default 10s.',
        { zero: true },
      ),
      '10s',
    ),
    unmanaged: defaulted(
      boolean(
        'unmanaged also admits pods that nothing would replace one for one: without a controller, of a DaemonSet, or static. Only faults that take pods away leave these out. Default false.',
      ),
      false,
    ),
  },
  [exactlyOne(['selector', 'names', 'workload'], 'what to pick pods by')],
);

const nodes = object(
  'nodes says which nodes are candidates. Not Ready nodes never are. Unless they are listed in `names`, neither are nodes of the control plane, the node the controller runs on, nor the last Ready node.',
  {
    selector: optional(labelSelector('selector picks nodes by their labels, such as `topology.kubernetes.io/zone`.')),
    names: names('node'),
  },
  [exactlyOne(['selector', 'names'], 'what to pick nodes by')],
);

const workloads = object(
  "workloads says which workloads of the run's namespace are candidates. Those with a rollout in progress never are.",
  {
    kind: enumeration('kind of the workloads.', workloadKinds),
    selector: optional(labelSelector('selector picks workloads by their own labels, not those of their pods.')),
    names: names('workload'),
  },
  [exactlyOne(['selector', 'names'], 'what to pick workloads by')],
);

const zones = object(
  'zones says which zones are candidates, by the label `topology.kubernetes.io/zone` of the nodes. `count` and `percent` count zones; the targets are all of their nodes, but for those that `nodes` would leave out.',
  { names: zoneNames('names lists zones by name. Left out: all zones are candidates.') },
);

/** What a step's fault is applied to. */
export const targets = object(
  'targets says what the fault is applied to. One when neither `count` nor `percent` is given.',
  {
    pods: optional(pods),
    nodes: optional(nodes),
    workloads: optional(workloads),
    zones: optional(zones),
    count: optional(
      integer('count is how many of the candidates are drawn; all of them when there are fewer.', {
        min: 1,
        max: 10_000,
      }),
    ),
    follow: optional(
      boolean(
        'follow also puts the fault on pods that take the place of targets that went away while it lasts: as soon as one of their containers runs, Ready or not, never on more at once than were drawn, and within `safeguards.maxTargets`. For faults of agents that last. Default false.',
      ),
    ),
    percent: optional(
      integer('percent (1 to 100) of the candidates is drawn, rounded down, but at least one.', { min: 1, max: 100 }),
    ),
  },
  [
    exactlyOne([...targetKinds], 'what is to be hit'),
    {
      rule: '!(has(self.count) && has(self.percent))',
      message: 'at most one of `count`, `percent` may be given',
    },
  ],
);

/** What a step's fault is applied to; exactly one of `pods`, `nodes`, `workloads` and `zones` is there. */
export type Targets = Infer<typeof targets>;

/** Which of its fields says what the targets are. */
export function targetKindOf(targets: Targets): TargetKind {
  return targetKinds.find((kind) => targets[kind] !== undefined) ?? 'pods';
}
