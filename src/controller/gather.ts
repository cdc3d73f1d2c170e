import type { Step } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import type { RunObserved, StepFacts } from '../domain/observed.js';
import { faultOf } from '../faults/index.js';
import { parseDuration } from '../stats/duration.js';
import type { Context } from './context.js';
import type { KnownPod } from './projections.js';
import type { RunMemory } from './run-records.js';

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
export function gatherRun(context: Context, run: ExperimentRun, memory: RunMemory): RunObserved {
  const { caches, targets, prober } = context;
  const { template } = run.spec;
  const isProtected = isProtectedNamespace(context, run.metadata.namespace ?? '');
  const refusal = memory.refusal ?? targets.refusal(run.metadata.uid);
  return {
    run,
    ...(refusal && { refusal }),
    facts: Object.fromEntries(template.method.map((step) => [step.name, factsOf(step)])),
    problems: memory.problems,
    halts: halts(context),
    pods: marked(targets.pods(run.metadata.uid), isProtected),
    injections: caches.injectionsOf(run.metadata.uid),
    windows: prober.windows(run.metadata.uid),
  };
}

/** The policies that halt everything now, in words. */
export function halts({ caches }: Context): string[] {
  return caches.policies
    .list()
    .flatMap(({ metadata, spec }) => (spec.halt ? [`policy ${metadata.name}: ${spec.halt.reason}`] : []))
    .sort();
}

/** Whether no fault may reach a namespace: kube-system, Squall's own, or one that a policy names. */
export function isProtectedNamespace({ caches, namespace: own }: Context, namespace: string): boolean {
  if (namespace === 'kube-system' || namespace === own) return true;
  return caches.policies.list().some(({ spec }) => spec.protectedNamespaces?.includes(namespace));
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
