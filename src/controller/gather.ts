import type { Step } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import type { Candidate, NodeFacts, RunObserved, StepFacts } from '../domain/observed.js';
import type { Survey } from '../domain/survey.js';
import { faultOf } from '../faults/index.js';
import { parseDuration } from '../stats/duration.js';
import { plansFor } from './agent-plans.js';
import type { Context } from './context.js';
import type { NodeRecord } from './node-reader.js';

import type { RunMemory } from './run-records.js';

/** What the domain needs to know of a step's fault. */
export function factsOf(step: Step): StepFacts {
  const { fault, params } = faultOf(step);
  const every = fault.repeatEvery?.(params);
  return {
    fault: fault.name,
    oneShot: fault.oneShot,
    by: fault.by,
    removesPods: fault.by === 'ApiServer' && fault.removesPods,
    disrupts: fault.disrupts,
    ...(every !== undefined && { repeatEveryMilliseconds: parseDuration(every) }),
  };
}

/** Puts together all that a decision about a run may look at. */
export function gatherRun(context: Context, run: ExperimentRun, memory: RunMemory): RunObserved {
  const { caches, targets, nodes, prober, surveyor, ledger } = context;
  const { uid } = run.metadata;
  const isProtected = isProtectedNamespace(context, run.metadata.namespace ?? '');
  const unreadable = memory.nodes.length > 0 ? nodes.refusal : undefined;
  const refusal = memory.refusal ?? targets.refusal(uid) ?? surveyor.refusal(uid) ?? unreadable;
  return {
    run,
    ...(refusal && { refusal }),
    facts: Object.fromEntries(run.spec.template.method.map((step) => [step.name, factsOf(step)])),
    problems: memory.problems,
    halts: halts(context),
    candidates: marked(targets.candidates(uid), isProtected),
    spareNodes: targets.spareNodes(run.metadata.uid),
    injections: caches.injectionsOf(uid),
    ...surveyed(surveyor.survey(uid)),
    reservations: ledger.others(uid),
    nodes: nodeFacts(context, run, memory),
    windows: prober.windows(uid),
  };
}

function surveyed(survey: Survey | undefined): { survey?: Survey } {
  return survey ? { survey } : {};
}

/** What is known of the nodes the last decision has asked for. */
function nodeFacts(
  { nodes, sidecars }: Context,
  { metadata, spec }: ExperimentRun,
  memory: RunMemory,
): Map<string, NodeFacts> {
  const facts = new Map<string, NodeFacts>();
  const space = nodes.namespace(metadata.namespace ?? '');
  if (!space) return facts;
  const noSidecars = sidecars ? space.refusal : 'the controller was not told their image (--image or SQUALL_IMAGE)';
  const plansOf = ({ abilities }: NodeRecord) => {
    const key = `${noSidecars ?? ''}\n${abilities}`;
    const plans = memory.plans.get(key) ?? plansFor(spec.template.method, abilities, noSidecars);
    memory.plans.set(key, plans);
    return plans;
  };
  for (const name of memory.nodes) {
    const record = nodes.node(name);
    if (record) facts.set(name, { ...record, ...plansOf(record) });
  }
  return facts;
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
  pods: Record<string, Candidate[]> | undefined,
  isProtected: boolean,
): Record<string, Candidate[]> | undefined {
  if (!pods || !isProtected) return pods;
  return Object.fromEntries(
    Object.entries(pods).map(([step, listed]) => [step, listed.map((pod) => ({ ...pod, protected: true }))]),
  );
}
