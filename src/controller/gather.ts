import type { Step } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import { checkExperiment } from '../catalogue.js';
import type { RunObserved, StepFacts } from '../domain/observed.js';
import { faultOf } from '../faults/index.js';
import { parseDuration } from '../stats/duration.js';
import type { Context } from './context.js';
import type { KnownPod } from './projections.js';

/** What the domain needs to know of a step's fault. */
export function factsOf(step: Step): StepFacts {
  const { fault, params } = faultOf(step);
  const every = fault.repeatEvery?.(params);
  return {
    fault: fault.name,
    oneShot: fault.oneShot,
    ...(every !== undefined && { repeatEveryMilliseconds: parseDuration(every) }),
  };
}

/** Puts together all that a decision about a run may look at. */
export function gatherRun(context: Context, run: ExperimentRun): RunObserved {
  const { caches, targets, prober, namespace } = context;
  const { template } = run.spec;
  const isProtected = protectedNamespaces(context, namespace).has(run.metadata.namespace ?? '');
  return {
    run,
    facts: Object.fromEntries(template.method.map((step) => [step.name, factsOf(step)])),
    problems: checkExperiment(template, []).map(({ path, message }) => `${path.join('.')}: ${message}`),
    halts: halts(context),
    pods: marked(targets.pods(run.metadata.uid), isProtected),
    injections: caches.injectionsOf(run.metadata.uid),
    windows: prober.windows(run.metadata.uid),
  };
}

function halts({ caches }: Context): string[] {
  return caches.policies
    .list()
    .flatMap(({ metadata, spec }) => (spec.halt ? [`policy ${metadata.name}: ${spec.halt.reason}`] : []))
    .sort();
}

function protectedNamespaces({ caches }: Context, own: string): Set<string> {
  const named = caches.policies.list().flatMap(({ spec }) => spec.protectedNamespaces ?? []);
  return new Set(['kube-system', own, ...named]);
}

function marked(
  pods: Record<string, KnownPod[]> | undefined,
  isProtected: boolean,
): Record<string, KnownPod[]> | undefined {
  if (!pods || !isProtected) return pods;
  return Object.fromEntries(
    Object.entries(pods).map(([step, listed]) => [step, listed.map((pod) => ({ ...pod, protected: true }))]),
  );
}
