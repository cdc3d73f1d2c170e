import type { Step } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import type { Candidate, NodeFacts, RunObserved, StepFacts } from '../domain/observed.js';
import { type Fault, isDisruptive } from '../faults/fault.js';
import { faultOf } from '../faults/index.js';
import type { FieldChange } from '../faults/step.js';
import { parseDuration } from '../stats/duration.js';
import { plansFor } from './agent-plans.js';
import type { Context } from './context.js';
import type { NodeRecord } from './node-reader.js';
import type { RunMemory } from './run-records.js';
import { Protection, policiesOf, runNamespace } from './safeguards/protection.js';

/** What the domain needs to know of a step's fault. */
export function factsOf(step: Step): StepFacts {
  const { fault, params } = faultOf(step);
  const every = fault.repeatEvery?.(params);
  const changes = workloadChanges(fault, params);
  const scalesTo = changes.find((change) => change.field === 'replicas')?.to;
  return {
    fault: fault.name,
    oneShot: fault.oneShot,
    by: fault.by,
    removesPods: fault.by === 'ApiServer' && fault.removesPods,
    disrupts: isDisruptive(fault, params),
    ...(every !== undefined && { repeatEveryMilliseconds: parseDuration(every) }),
    ...(scalesTo && { scalesTo }),
    ...(changes.some(({ field }) => field === 'autoscalerBounds') && { pausesAutoscaler: true }),
    ...drainFacts(fault, params),
  };
}

function drainFacts(fault: Fault, params: unknown): Pick<StepFacts, 'evicts' | 'heldBack'> {
  if (fault.by !== 'ApiServer' || !fault.targets.includes('nodes')) return {};
  const steps = fault.apply(params, { kind: 'Node', namespace: '', name: '', uid: '' });
  const drains = steps.filter((step) => step.do === 'emptyNode' && step.by === 'Evict');
  return {
    ...(drains.length > 0 && { evicts: true }),
    ...(drains.some((step) => step.do === 'emptyNode' && step.budget === 'Expect') && { heldBack: true }),
  };
}

/** What a fault changes of the workload that it is put on. */
function workloadChanges(fault: Fault, params: unknown): FieldChange[] {
  if (fault.by !== 'ApiServer' || !fault.targets.includes('workloads')) return [];
  const steps = fault.apply(params, { kind: 'Deployment', namespace: '', name: '', uid: '' });
  return steps.flatMap((step) => (step.do === 'setFields' ? step.changes : []));
}

/** Puts together all that a decision about a run may look at. */
export function gatherRun(context: Context, run: ExperimentRun, memory: RunMemory): RunObserved {
  const { caches, targets, nodes, prober, surveyor, ledger } = context;
  const { uid } = run.metadata;
  const unreadable = memory.nodes.length > 0 ? nodes.refusal : undefined;
  const refusal = memory.refusal ?? targets.refusal(uid) ?? surveyor.refusal(uid) ?? unreadable;
  return {
    run,
    ...(refusal && { refusal }),
    facts: Object.fromEntries(run.spec.template.method.map((step) => [step.name, factsOf(step)])),
    problems: memory.problems,
    halts: halts(context),
    candidates: marked(context, run, targets.candidates(uid)),
    spareNodes: targets.spareNodes(run.metadata.uid),
    injections: caches.injectionsOf(uid),
    ...surveyed(context, uid),
    reservations: ledger.others(uid),
    nodes: nodeFacts(context, run, memory),
    windows: prober.windows(uid),
  };
}

/** The last look; policies are known as they are now. */
function surveyed(context: Context, uid: string): Pick<RunObserved, 'survey' | 'surveyFailure'> {
  const survey = context.surveyor.survey(uid);
  const surveyFailure = context.surveyor.failure(uid);
  return {
    ...(survey && { survey: { ...survey, policies: policiesOf(context) } }),
    ...(surveyFailure !== undefined && { surveyFailure }),
  };
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

export { isProtectedNamespace } from './safeguards/protection.js';

/** The candidates with what policies and the labels of the run's namespace say of them. */
function marked(
  context: Context,
  { metadata }: ExperimentRun,
  candidates: Record<string, Candidate[]> | undefined,
): Record<string, Candidate[]> | undefined {
  if (!candidates) return undefined;
  const protection = new Protection(context, runNamespace(context, metadata));
  if (protection.isIdle) return candidates;
  const steps = Object.entries(candidates);
  return Object.fromEntries(steps.map(([step, listed]) => [step, listed.map((each) => protection.mark(each))]));
}
