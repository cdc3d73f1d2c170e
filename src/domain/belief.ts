import type { ExperimentRun, RunStatus, StepStatus } from '../api/experiment-run.js';
import type { Injection } from '../api/injection.js';
import { ANNOTATION_VERDICT, FINALIZER } from '../api/labels.js';
import { tally, targetStates } from './progress.js';

/**
 * What a controller that has not written a run's status itself may believe of it. Whoever may write a status in their
 * namespace can write anything into it; the run's metadata, and the injections in Squall's own namespace, they can't
 * change with that. So everything that decides whom to hit, and whether something was hit, is taken from these:
 *
 * - Without the finalizer nothing was ever begun, and there is nothing to go on from.
 * - An end that the annotation does not confirm has not come yet.
 * - A baseline counts only once a fault was asked for, because only then it was surely measured.
 * - Targets, rounds and effects are those of the injections.
 */
export function believed({ metadata, status }: ExperimentRun, injections: readonly Injection[]): RunStatus | undefined {
  if (!status) return undefined;
  if (!metadata.finalizers?.includes(FINALIZER)) return hasEnded({ metadata, status }) ? status : {};
  if (hasEnded({ metadata, status })) return status;
  const { finishTime: _finish, verdict: _verdict, reason: _reason, ...open } = status;
  const isBegun = injections.some(({ spec }) => spec.state !== 'Pending');
  const unproven = isBegun ? ['Succeeded'] : ['Succeeded', 'BaselineHeld', 'Injected'];
  return {
    ...open,
    ...(open.conditions && { conditions: open.conditions.filter(({ type }) => !unproven.includes(type)) }),
    ...(open.selection && {
      selection: open.selection.map((each) => ({ ...each, chosen: chosen(each.step, injections) })),
    }),
    ...(open.steps && { steps: open.steps.map((step) => seen(step, injections)) }),
  };
}

/**
 * Whether a run is over. A verdict that claims that something was learnt needs the annotation. One who takes that off a
 * finished run, or puts an older copy of it back, must not have it run again: what bears all traces of an execution and
 * has been let go of is over too.
 */
export function hasEnded({ metadata, status }: Pick<ExperimentRun, 'metadata' | 'status'>): boolean {
  if (!status?.finishTime) return false;
  const isHeld = metadata.finalizers?.includes(FINALIZER) ?? false;
  const claims = isHeld || status.verdict === 'Passed' || status.verdict === 'Failed';
  return !claims || isConfirmed({ metadata, status }) || (!isHeld && wasExecuted(status));
}

/** Whether the controller itself has confirmed the verdict: a status alone may be anybody's. */
export function isConfirmed({ metadata, status }: Pick<ExperimentRun, 'metadata' | 'status'>): boolean {
  return status?.verdict !== undefined && metadata.annotations?.[ANNOTATION_VERDICT] === status.verdict;
}

function wasExecuted({ seed, selection, steps, conditions }: RunStatus): boolean {
  const isConcluded = conditions?.some(({ type }) => type === 'Succeeded') ?? false;
  return seed !== undefined && isConcluded && (selection?.length ?? 0) > 0 && (steps?.length ?? 0) > 0;
}

function chosen(step: string, injections: readonly Injection[]): number {
  const first = injections.filter(({ spec }) => spec.step === step && spec.round === 0);
  return first.reduce((sum, { spec }) => sum + spec.targets.length, 0);
}

function seen(step: StepStatus, injections: readonly Injection[]): StepStatus {
  const own = injections.filter(({ spec }) => spec.step === step.name);
  const { hit, effective } = tally(targetStates(own));
  const begun = own.filter(({ spec }) => spec.state !== 'Pending').map(({ spec }) => spec.round + 1);
  return {
    ...step,
    rounds: Math.max(step.rounds, ...begun),
    hit: new Set(hit.map(({ uid }) => uid)).size,
    effective,
  };
}
