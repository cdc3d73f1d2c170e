import type { Target } from '../api/injection.js';
import type { Rule, Schema } from '../api/schema.js';
import type { Step } from './step.js';

/** A right the controller needs to carry out a fault; it ends up in its ClusterRole. */
export interface Need {
  group: string;
  resource: string;
  verbs: string[];
}

/** One fault: all that is known of it stands in its own file. */
export interface Fault<Params = unknown> {
  /** The field of a step that asks for it, such as `podKill`. */
  name: string;
  /** One line for the catalogue. */
  summary: string;
  schema: Schema<Params>;
  /** Rules on the step that relate the fault's fields to the step's own. */
  rules: Rule[];
  /** A value of `schema` for the documentation and the contract suite. */
  example: Params;
  /** Its effect is over once it happened: there is nothing to take back. */
  oneShot: boolean;
  needs: Need[];
  /** What to do to one target. Data, never performed here; doing it twice is doing it once. */
  apply(params: Params, target: Target): Step[];
  /** How often it is applied anew while the step lasts, as a duration; undefined: once. */
  repeatEvery?(params: Params): string | undefined;
}

/** Checks that the parts of a fault fit together, and forgets the type of its parameters. */
export function fault<Params>(definition: Fault<Params>): Fault {
  return definition as Fault;
}
