import { type ExperimentSpec, experimentKind, experimentSpec } from './api/experiment.js';
import { type RunSpec, runKind, runSpec } from './api/experiment-run.js';
import { injectionKind } from './api/injection.js';
import type { Kind } from './api/kind.js';
import { type SafetyPolicySpec, safetyPolicyKind } from './api/safety-policy.js';
import { checkCalendar, checkSchedule } from './domain/schedule/check.js';
import { faults } from './faults/index.js';
import { probes } from './probes/index.js';
import { formatDuration, parseDuration } from './stats/duration.js';
import { checkExpectation } from './stats/expectation.js';

/** A place in an object, from its root, and what is wrong there. */
export interface SpecProblem {
  path: (string | number)[];
  message: string;
}

/** A problem in a line for people: `method[0].duration: …`. */
export function problemText({ path, message }: SpecProblem): string {
  const field = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  return `${field.replace(/^\./, '')}: ${message}`;
}

/**
 * What the schema can't say of an experiment: expressions that don't compile, patterns that are none, times that never come. `root` is where
 * the experiment's spec stands in the object.
 */
export function checkExperiment(spec: ExperimentSpec, root: (string | number)[]): SpecProblem[] {
  const due = spec.schedule ? checkSchedule(spec.schedule, Date.now()) : [];
  const onSchedule = due.map(({ path, message }) => ({ path: [...root, 'schedule', ...path], message }));
  return [...checkHypothesis(spec, root), ...checkMethod(spec, root), ...checkTimeout(spec, root), ...onSchedule];
}

/** A run whose faults last longer than it may could never pass. */
function checkTimeout({ method = [], timeout }: ExperimentSpec, root: (string | number)[]): SpecProblem[] {
  const limit = parseDuration(timeout);
  let begin = 0;
  let end = 0;
  for (const [index, step] of method.entries()) {
    if (!step.parallel) begin = end;
    const own = parseDuration(step.duration ?? '0s');
    end = Math.max(end, begin + own);
    if (own === 0 || begin + own < limit) continue;
    const after = begin === 0 ? '' : `, begun after ${formatDuration(begin)} at the earliest,`;
    const message = `${step.duration}${after} does not fit into \`timeout\`, which is ${timeout}: no run could pass; make this shorter or \`timeout\` longer`;
    return [{ path: [...root, 'method', index, 'duration'], message }];
  }
  return [];
}

function checkMethod({ method = [] }: ExperimentSpec, root: (string | number)[]): SpecProblem[] {
  return method.flatMap((step, index) =>
    faults.flatMap((fault) => {
      const params = (step as unknown as Record<string, unknown>)[fault.name];
      const found = params === undefined ? [] : (fault.check?.(params) ?? []);
      return found.map(({ path, message }) => ({ path: [...root, 'method', index, ...path], message }));
    }),
  );
}

function checkHypothesis({ hypothesis = [] }: ExperimentSpec, root: (string | number)[]): SpecProblem[] {
  return hypothesis.flatMap((entry, index) => [
    ...checkExpectation(entry.expect ?? {}).map(({ field, message }) => ({
      path: [...root, 'hypothesis', index, 'expect', field],
      message,
    })),
    ...probes.flatMap((probe) => {
      const params = (entry as unknown as Record<string, unknown>)[probe.name];
      if (params === undefined) return [];
      const found = probe.check?.(params, entry.expect) ?? [];
      return found.map(({ path, message }) => ({ path: [...root, 'hypothesis', index, ...path], message }));
    }),
  ]);
}

const spec = experimentSpec(faults, probes);

/** All kinds of Squall, put together from the fault and probe catalogues. */
export const kinds: readonly Kind[] = [
  experimentKind(spec, (value) => checkExperiment(value as ExperimentSpec, ['spec'])),
  runKind(runSpec(spec), (value) => checkExperiment((value as RunSpec).template, ['spec', 'template'])),
  injectionKind(faults),
  {
    ...safetyPolicyKind,
    check: (value) =>
      checkCalendar(value as SafetyPolicySpec).map(({ path, message }) => ({ path: ['spec', ...path], message })),
  },
];
