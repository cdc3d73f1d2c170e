import { boolean, type Fields, type Infer, integer, list, object, optional, string } from './schema.js';

const bounds = {
  maxTargets: optional(
    integer(
      "maxTargets is how many different targets may be hit; what wants more is refused. Left out: no limit beyond the steps' own.",
      { min: 1, max: 10_000 },
    ),
  ),
  maxPercentOfWorkload: optional(
    integer(
      'maxPercentOfWorkload (1 to 100) is how much of any one workload may be hit at the same time, rounded down. Left out: no limit.',
      { min: 1, max: 100 },
    ),
  ),
  respectDisruptionBudgets: optional(
    boolean(
      'respectDisruptionBudgets refuses to take more pods out of service than their PodDisruptionBudgets allow at that moment, for faults that no server checks them for. Default false: a crash asks nobody either.',
    ),
  ),
  minReady: optional(
    integer(
      'minReady is how many pods of each workload that is hit must stay Ready; what would leave fewer is refused. Left out: no limit.',
      { min: 0, max: 100_000 },
    ),
  ),
} satisfies Fields;

/** What a step may do, on top of what the run may. */
export const stepSafeguards = object(
  'safeguards bound what this step may do, in addition to those of the run.',
  bounds,
);

/** What a run may do. */
export const safeguards = object('safeguards bound what the experiment may do.', {
  ...bounds,
  abortOn: optional(
    list(
      'abortOn names probes of the hypothesis: as soon as one is violated during the fault, the fault is taken back and the run fails. Left out: the fault is held to its end.',
      string('The name of a probe.', { max: 63, min: 1 }),
      { max: 20, set: true },
    ),
  ),
});

/** What a step may do. */
export type StepSafeguards = Infer<typeof stepSafeguards>;
/** What a run may do. */
export type Safeguards = Infer<typeof safeguards>;
