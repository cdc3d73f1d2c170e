import type { Step } from '../../api/experiment.js';
import type { Finding, Removed } from '../../api/experiment-run.js';
import { ROLE_HINT } from '../../domain/authorization.js';
import { removalWords } from '../../domain/draw.js';
import { groups } from '../../domain/groups.js';
import type { Candidate } from '../../domain/observed.js';
import type { ClusterView } from '../../domain/plan/cluster.js';
import { type Concern, concernsOf } from '../../domain/plan/concerns.js';
import {
  type BudgetForecast,
  type Forecast,
  forecast,
  type PlaceForecast,
  type WorkloadForecast,
} from '../../domain/plan/forecast.js';
import { type Drawn, foresee, type StepDraw } from '../../domain/plan/foresee.js';
import type { Placement } from '../../domain/plan/placement.js';
import { faultOf } from '../../faults/index.js';
import type { EmptyNode, Step as FaultStep } from '../../faults/step.js';
import { PlanAgents } from './agents.js';
import type { PlanRights } from './authorization.js';
import { PlanCandidates } from './candidates.js';
import type { Contents } from './contents.js';
import { controllerLed } from './controller-pod.js';
import { drainOf, effectsOf, type Surroundings, stepsFor, type TargetSteps } from './effects.js';
import { planKinds } from './kinds.js';
import { PlanKnowledge, type PlannedExperiment } from './observed.js';
import { viewOf } from './view.js';

/** An object by what people know it by. */
export interface PlanObject {
  kind: string;
  /** `''` for a node. */
  namespace: string;
  name: string;
  uid: string;
  node?: string;
  zone?: string;
  /** As `Deployment/web`. */
  workload?: string;
}

/** A target, and what would be done to it. */
export interface PlanTarget extends PlanObject {
  /** Who would do it: the controller through the API server, the agent of its node, or a sidecar; undefined: nobody can. */
  by?: 'ApiServer' | 'Node' | 'Sidecar';
  /** What would be done, as data. */
  steps: FaultStep[];
  /** Why it can't be done; undefined: it can. */
  refusal?: string;
}

/** What would be drawn for a step of the method. */
export interface PlanStep {
  name: string;
  fault: string;
  /** How many objects its targets name, and how many of them could be drawn. */
  matched: number;
  candidates: number;
  removed: Removed;
  targets: PlanTarget[];
  /** What later rounds would draw, as far as nothing becomes Ready between them. */
  later: PlanObject[];
  /** All others that are named, and why each would not be hit. */
  others: (PlanObject & { why: keyof Removed | 'notDrawn' })[];
}

/** What is foretold of the steps that are on together. */
export interface PlanMoment {
  steps: readonly string[];
  workloads: WorkloadForecast[];
  nodes: PlaceForecast[];
  zones: PlaceForecast[];
  budgets: BudgetForecast[];
  /** Evictions that disruption budgets hold back. */
  heldBack: { namespace: string; budget: string; pods: string[]; blocked: boolean }[];
  /** Whether what is made anew finds a node. */
  placements: Placement[];
}

/** What a run of an experiment would do if it started now: a part of the interface. */
export interface Plan {
  namespace: string;
  experiment: string;
  /** `Run`: it would run. `Refused`: it would end before anything is hit. */
  outcome: 'Run' | 'Refused';
  refusals: Finding[];
  seed: number;
  /** When the targets are drawn, RFC 3339; later than the cluster was read when all that a step names is too young. */
  drawnAt: string;
  /** The service account, as `shop/chaos`. */
  account: string;
  missingRights: readonly string[];
  /** What would grant them, as YAML; `''`: nothing is missing. */
  role: string;
  steps: PlanStep[];
  moments: PlanMoment[];
  concerns: Concern[];
  /** What could not be found out, in sentences. */
  unknown: string[];
}

/** Without these a plan may be wrong, and says so; what it says of pods and nodes themselves is told elsewhere. */
const weighty = [
  'namespaces',
  'deployments',
  'disruptionBudgets',
  'autoscalers',
  'leases',
  'policies',
  'injections',
  'runs',
  'services',
  'endpointSlices',
] as const;

/** Makes plans for one cluster that was read. */
export class Planner {
  readonly #view: ClusterView;
  readonly #candidates: PlanCandidates;
  readonly #agents: PlanAgents;
  readonly #knowledge: PlanKnowledge;

  constructor(readonly contents: Contents) {
    this.#view = viewOf(contents);
    this.#candidates = new PlanCandidates(contents);
    this.#agents = new PlanAgents(contents);
    this.#knowledge = new PlanKnowledge(contents);
  }

  /** What a run of an experiment would do if it started when the cluster was read. */
  plan(experiment: PlannedExperiment, rights: PlanRights): Plan {
    const observed = this.#knowledge.observed(experiment, {
      candidates: this.#candidates,
      agents: this.#agents,
      rights,
    });
    const foreseen = foresee(observed, this.contents.readAt);
    const { method } = experiment.spec;
    const surroundings = {
      contents: this.contents,
      protectionIn: (namespace: string) => this.#knowledge.protectionIn(namespace),
    };
    const drawn = method.map((step, index) => {
      const found = foreseen.steps[index] as StepDraw;
      const plans = found.targets.map((target) => stepsFor(step, target, this.#agents));
      return { step, found, plans };
    });
    const together = groups(method).map((group) => ({
      steps: group.map(({ name }) => name),
      effects: drawn
        .filter(({ step }) => group.includes(step))
        .flatMap(({ step, found, plans }) => effectsOf(step, found, plans, surroundings)),
    }));
    const forecasts = forecast(this.#view, together);
    const refusals = [
      ...foreseen.refusals,
      ...drawn.flatMap(({ step, plans }) => drainRefusals(step, plans, surroundings)),
    ];
    return {
      namespace: experiment.namespace,
      experiment: experiment.name,
      outcome: refusals.length === 0 ? 'Run' : 'Refused',
      refusals: refusals.map(({ reason, message }) => ({ reason, message: message.replace(ROLE_HINT, '') })),
      seed: experiment.seed,
      drawnAt: new Date(foreseen.drawnAt).toISOString(),
      account: rights.account,
      missingRights: rights.missing,
      role: rights.role,
      steps: drawn.map(({ step, found, plans }) => planStep(step, found, plans)),
      moments: forecasts.map(momentOf),
      concerns: distinct([
        ...this.#controllerConcern(),
        ...forecasts.flatMap((each) => concernsOf(this.#view, each)),
        ...drawn.flatMap(({ step, plans }) => unheldDrains(step, plans, forecasts, surroundings)),
      ]),
      unknown: this.#unknown(rights),
    };
  }

  #controllerConcern(): Concern[] {
    if (this.contents.lacks('leases') || controllerLed(this.contents)) return [];
    return [{ kind: 'NoController', message: 'no controller leads, so that nothing would be carried out yet' }];
  }

  #unknown({ unknown }: PlanRights): string[] {
    const { contents } = this;
    const placement = this.#view.placementUnknown;
    return [
      ...(unknown ? [unknown] : []),
      ...(placement ? [`where pods would fit: ${placement}`] : []),
      ...weighty.flatMap((kind) => {
        const why = contents.lacks(kind);
        return why ? [`${planKinds[kind].why}: ${why}`] : [];
      }),
    ];
  }
}

function drainsOf(plans: readonly TargetSteps[]): EmptyNode[] {
  const steps = plans.flatMap((plan) => ('steps' in plan ? plan.steps : []));
  return steps.filter((each): each is EmptyNode => each.do === 'emptyNode');
}

/** Drains that disruption budgets are to hold back, and none would: the hypothesis would be violated. */
function unheldDrains(
  step: Step,
  plans: readonly TargetSteps[],
  forecasts: readonly Forecast[],
  surroundings: Surroundings,
): Concern[] {
  const heldBack = forecasts
    .filter(({ steps }) => steps.includes(step.name))
    .flatMap((each) => each.heldBack.flatMap(({ pods }) => pods.map(({ node }) => node)));
  return drainsOf(plans)
    .filter(({ node, budget }) => budget === 'Expect' && !heldBack.includes(node))
    .filter((drain) => drainOf(drain, surroundings).refusal === undefined)
    .map(({ node }) => ({
      kind: 'NotHeldBack',
      message: `no PodDisruptionBudget would hold back the drain of node ${node}, and step '${step.name}' expects one to`,
    }));
}

/** What a drain that may not touch one of the pods is refused for, once it is tried: nothing of that node is touched. */
function drainRefusals(step: Step, plans: readonly TargetSteps[], surroundings: Surroundings): Finding[] {
  return drainsOf(plans).flatMap((drain) => {
    const { refusal } = drainOf(drain, surroundings);
    const message = `Step '${step.name}' can't be put on node ${drain.node}: ${refusal}`;
    return refusal === undefined ? [] : [{ reason: 'NotSupported' as const, message }];
  });
}

function planStep(step: Step, found: StepDraw, plans: readonly TargetSteps[]): PlanStep {
  const { fault } = faultOf(step);
  return {
    name: found.step,
    fault: found.fault,
    matched: found.matched,
    candidates: found.candidates,
    removed: found.removed,
    targets: found.targets.map((target, index) => planTarget(target, plans[index] ?? { steps: [] }, fault.by)),
    later: found.later.map(objectOf),
    others: found.others.map(({ candidate, why }) => ({ ...objectOf(candidate), why })),
  };
}

function planTarget({ candidate, agent }: Drawn, plan: TargetSteps, by: 'ApiServer' | 'Agent'): PlanTarget {
  const done = 'steps' in plan ? { steps: plan.steps } : { steps: [], refusal: plan.refusal };
  const who = by === 'ApiServer' ? by : agent;
  return { ...objectOf(candidate), ...(who && { by: who }), ...done };
}

function objectOf({ kind = 'Pod', namespace, name, uid, node, zone, workload }: Candidate): PlanObject {
  return {
    kind,
    namespace,
    name,
    uid,
    ...(node !== '' && node !== name && { node }),
    ...(zone !== undefined && { zone }),
    ...(workload !== undefined && { workload }),
  };
}

function momentOf({ steps, workloads, nodes, zones, budgets, heldBack, placements }: Forecast): PlanMoment {
  return {
    steps,
    workloads,
    nodes,
    zones,
    budgets,
    heldBack: heldBack.map(({ budget, pods, blocked }) => ({
      namespace: budget.namespace,
      budget: budget.name,
      pods: pods.map(({ name }) => name),
      blocked,
    })),
    placements,
  };
}

function distinct(concerns: readonly Concern[]): Concern[] {
  return [...new Map(concerns.map((concern) => [concern.message, concern])).values()];
}

/** Why an object that is named would not be hit, in words. */
export function whyNotWords(why: keyof Removed | 'notDrawn'): string {
  return why === 'notDrawn' ? 'not drawn with this seed' : removalWords(why);
}
