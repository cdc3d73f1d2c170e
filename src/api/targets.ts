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

const podTargets = object(
  "pods says which pods of the run's namespace are candidates. Terminating, completed and not Ready pods never are.",
  {
    selector: optional(labelSelector('selector picks pods by their labels, like the selector of a Deployment.')),
    names: optional(
      list('names lists pods by name.', string('The name of a pod.', { max: 253, min: 1 }), {
        max: 20,
        min: 1,
        set: true,
      }),
    ),
    workload: optional(
      object('workload picks the pods that belong to one workload.', {
        kind: enumeration('kind of the workload.', ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet']),
        name: string('name of the workload.', { max: 253, min: 1 }),
      }),
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

/** What a step's fault is applied to. */
export const targets = object(
  'targets says what the fault is applied to. One pod when neither `count` nor `percent` is given.',
  {
    pods: podTargets,
    count: optional(
      integer('count is how many of the candidates are drawn; all of them when there are fewer.', {
        min: 1,
        max: 10_000,
      }),
    ),
    follow: optional(
      boolean(
        'follow also puts the fault on pods that take the place of targets that went away while it lasts: as soon as one of their containers runs, Ready or not, never on more at once than were drawn, and within `safeguards.maxTargets`. For faults that last. Default false.',
      ),
    ),
    percent: optional(
      integer('percent (1 to 100) of the candidates is drawn, rounded down, but at least one.', { min: 1, max: 100 }),
    ),
  },
  [
    {
      rule: '!(has(self.count) && has(self.percent))',
      message: 'at most one of `count`, `percent` may be given',
    },
  ],
);

/** What a step's fault is applied to. */
export type Targets = Infer<typeof targets>;
