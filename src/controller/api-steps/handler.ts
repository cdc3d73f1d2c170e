import type { Injection, Target, TargetStatus } from '../../api/injection.js';
import type { Attempt, Outcome, Undone } from '../../domain/injection-observed.js';
import type { ApiStep } from '../../faults/step.js';
import type { Client } from '../../kubernetes/client.js';
import type { EventInput } from '../../kubernetes/events.js';
import type { Protection, RunNamespace } from '../safeguards/protection.js';

/** Where a step is performed. */
export interface Surroundings {
  client: Client;
  injection: Injection;
  target: Target;
  /** Eight hex digits that stand for this injection, target and step: what marks the change as ours. */
  mark: string;
  /** Asked right before every write that adds to the fault; what it throws ends the step, and nothing more is done. */
  permit(): void;
  /** What must not be hit in a namespace. */
  protectionIn(namespace: RunNamespace): Pick<Protection, 'against'>;
  /** Tells people of something beside the target that was hit or could not be, such as a pod of a node. */
  tell?(event: EventInput): void;
}

/** What was there before, as plain JSON; `null` for a step that has nothing to restore. */
export type Undo = unknown;

/** What a look at a step that was applied has shown. */
export interface Inspection {
  /** What the step is put on is not there any more. */
  gone?: boolean;
  /** The change is there; `false` when somebody else has taken it away. */
  on: boolean;
  /** What somebody else has made of it, in words, when it is not on. */
  instead?: string;
  /** It was seen to have the effect that the fault promises. */
  effective: boolean;
  /** How far a step that takes its time is. */
  progress?: NonNullable<TargetStatus['progress']>;
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
  /**
   * What has to be durable before the effect. `gone`: the target is not there any more. Faults that are over once they
   * happened are not prepared, and `undo` is then `null` everywhere.
   */
  prepare(step: S, where: Surroundings): Promise<{ undo: Undo } | Exclude<Outcome, { result: 'done' }>>;
  /** Makes the change, or goes on with one that takes its time. `changed`: nothing was done, for `undo` is not true any more. */
  apply(step: S, undo: Undo, where: Surroundings): Promise<Attempt>;
  inspect(step: S, undo: Undo, where: Surroundings): Promise<Inspection>;
  /** Restores what `undo` holds where nobody else has changed it. */
  revert(step: S, undo: Undo, where: Surroundings): Promise<Undone>;
}
