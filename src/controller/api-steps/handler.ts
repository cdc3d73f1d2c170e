import type { Injection, Target } from '../../api/injection.js';
import type { Outcome } from '../../domain/injection.js';
import type { ApiStep } from '../../faults/step.js';
import type { Client } from '../../kubernetes/client.js';

/** Where a step is performed. */
export interface Surroundings {
  client: Client;
  injection: Injection;
  target: Target;
  /** Eight hex digits that stand for this injection, target and step: what marks the change as ours. */
  mark: string;
  /** Asked right before every write that adds to the fault; what it throws ends the step, and nothing more is done. */
  permit(): void;
  /** Whether nothing may be hit in a namespace. */
  isProtected(namespace: string): boolean;
}

/** What was there before, as plain JSON; `undefined` for a step that has nothing to restore. */
export type Undo = unknown;

/** What a look at a step that was applied has shown. */
export interface Inspection {
  /** The change is there; `false` when somebody else has taken it away. */
  on: boolean;
  /** It was seen to have the effect that the fault promises. */
  effective: boolean;
  /** How far a step that takes its time is. */
  progress?: { done: number; total: number; refused: number; waiting?: string };
  /** When to look again, in milliseconds from now. */
  after?: number;
  /** There is more to do: when `after` is over `apply` is called again, and then `inspect`. */
  unfinished?: true;
}

/**
 * Performs one kind of step through the API server. Every method can be called again after the process died in the middle
 * of it, and doing it twice is doing it once. A method throws what leaves open what came of it; see `NotDoneError`.
 */
export interface StepHandler<S extends ApiStep> {
  /** What has to be durable before the effect. `gone`: the target is not there any more. */
  prepare(step: S, where: Surroundings): Promise<{ undo: Undo } | Exclude<Outcome, { result: 'done' }>>;
  /** Makes the change, or goes on with one that takes its time. */
  apply(step: S, undo: Undo, where: Surroundings): Promise<Outcome>;
  inspect(step: S, undo: Undo, where: Surroundings): Promise<Inspection>;
  /** Restores what `undo` holds where nobody else has changed it; `conflict` says what was left as somebody else made it. */
  revert(step: S, undo: Undo, where: Surroundings): Promise<Outcome & { conflict?: string }>;
}
