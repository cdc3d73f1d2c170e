import { createHash } from 'node:crypto';
import type { Step } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import { MAX_TARGETS_PER_INJECTION, type Target } from '../api/injection.js';
import type { NewInjection, Pod, StepFacts } from './observed.js';

/**
 * The name of an injection. All injections live in one namespace while runs of equal name may exist in two, so a few
 * characters of the run's UID stand at the end.
 */
export function injectionName(run: ExperimentRun, step: string, round: number, part: number): string {
  const mark = createHash('sha256').update(run.metadata.uid).digest('hex').slice(0, 6);
  return `${run.metadata.name}-${step}-api-${round}-${part}-${mark}`;
}

/** The injections that put a step's fault on these pods, in parts of at most 100. */
export function injectionsFor(
  run: ExperimentRun,
  step: Step,
  { fault, oneShot }: StepFacts,
  round: number,
  pods: readonly Pod[],
): NewInjection[] {
  const parts = Math.ceil(pods.length / MAX_TARGETS_PER_INJECTION);
  const params = (step as unknown as Record<string, unknown>)[fault];
  return Array.from({ length: parts }, (_, part) => {
    const slice = pods.slice(part * MAX_TARGETS_PER_INJECTION, (part + 1) * MAX_TARGETS_PER_INJECTION);
    return {
      name: injectionName(run, step.name, round, part),
      held: !oneShot,
      spec: {
        run: { namespace: run.metadata.namespace ?? '', name: run.metadata.name, uid: run.metadata.uid },
        step: step.name,
        round,
        part,
        parts,
        state: 'Pending',
        targets: slice.map(asTarget),
        [fault]: params,
      },
    };
  });
}

function asTarget({ namespace, name, uid }: Pod): Target {
  return { namespace, name, uid };
}
