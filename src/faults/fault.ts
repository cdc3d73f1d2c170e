import type { Target } from '../api/injection.js';
import type { Rule, Schema } from '../api/schema.js';
import type { TargetKind } from '../api/targets.js';
import type { Abilities } from './abilities.js';
import type { AgentStep, ApiStep } from './step.js';

/** A right the controller needs to carry out a fault; it ends up in its ClusterRole. */
export interface Need {
  group: string;
  resource: string;
  verbs: string[];
  /** Only with such parameters does the service account need it; undefined: always. */
  when?: (params: unknown) => boolean;
}

/** Something wrong with a fault that its schema can't say. `path` starts in the step: `['processKill', 'pattern']`. */
export interface FaultProblem {
  path: (string | number)[];
  message: string;
}

interface Common<Params> {
  /** The field of a step that asks for it, such as `podKill`. */
  name: string;
  /** One line for the catalogue. */
  summary: string;
  schema: Schema<Params>;
  /** Rules on the step that relate the fault's fields to the step's own. */
  rules: Rule[];
  /** A value of `schema` for the documentation and the contract suite. */
  example: Params;
  /** What it can be put on. */
  targets: readonly TargetKind[];
  /**
   * It takes pods out of service, so that safeguards count them as lost: the targets themselves, or what they hold. What
   * evicts is not meant, for the API server checks budgets there.
   */
  disrupts: boolean | ((params: Params) => boolean);
  /** Its effect is over once it happened: there is nothing to take back. Others need the step to have a `duration`. */
  oneShot: boolean;
  /** The rights it takes to carry it out: the controller's, and for faults of the API server also the service account's. */
  needs: Need[];
  /** What is wrong with parameters that the schema can't say. */
  check?(params: Params): FaultProblem[];
  /**
   * What agents do beside it to the pods on the nodes it is put on, as the field of a step: only where there are agents
   * that can, and to no other effect when there are none.
   */
  companion?(params: Params): Record<string, unknown> | undefined;
  /** How often it is applied anew while the step lasts, as a duration; undefined: once. */
  repeatEvery?(params: Params): string | undefined;
}

/** A fault that the controller carries out through the API server. */
export interface ApiFault<Params = unknown> extends Common<Params> {
  by: 'ApiServer';
  /** It takes pods away, so that those nothing would replace are left out unless `unmanaged` is set. */
  removesPods: boolean;
  /** What to do to one target. Data, never performed here; doing it twice is doing it once. */
  apply(params: Params, target: Target): ApiStep[];
}

/** A fault that an agent carries out inside of the target. */
export interface AgentFault<Params = unknown> extends Common<Params> {
  by: 'Agent';
  /** Whether an ephemeral container in the pod can do it, with NET_ADMIN and nothing else. */
  sidecar: boolean;
  /** What to do to one target where an agent has these abilities. Data, never performed here. */
  plan(params: Params, abilities: Abilities): AgentPlan;
}

/** What an agent would do to a target, or why it can't, in a sentence that says what would help. */
export type AgentPlan = { steps: AgentStep[] } | { refusal: string };

/** One fault: all that is known of it stands in its own file. */
export type Fault<Params = unknown> = ApiFault<Params> | AgentFault<Params>;

/** Checks that the parts of a fault fit together, and forgets the type of its parameters. */
export function fault<Params>(definition: Fault<Params>): Fault {
  return definition as Fault;
}

/** Whether a fault with these parameters takes pods out of service; see `disrupts`. */
export function isDisruptive({ disrupts }: Fault, params: unknown): boolean {
  return typeof disrupts === 'function' ? disrupts(params) : disrupts;
}
