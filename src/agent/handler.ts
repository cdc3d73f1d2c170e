import type { Evidence } from '../api/injection.js';
import type { Addresses } from '../api/peers.js';
import type { AgentStep } from '../faults/step.js';
import type { Place } from './place.js';

export type { Addresses, Endpoint } from '../api/peers.js';
export { RefusedError } from '../api/refused-error.js';

/** The target went away: its network namespace or processes are gone, and with them every effect on it. */
export class TargetGoneError extends Error {
  override readonly name = 'TargetGoneError';
}

/** What a step depends on that changes while it is held; undefined fields: the step names none. */
export interface Inputs {
  peers?: Addresses;
  except?: Addresses;
  /** Where the kubelet's probes come from and which of the target's ports they go to; never hit. */
  exempt: readonly { from: string; port: number }[];
}

/** What was seen of a step that is held. */
export interface Sighting {
  /** How the fault differs from what it should be, such as `the nft table is gone`; undefined: it is on. */
  drift?: string;
  evidence: Evidence;
  /** Whether the evidence shows that the fault has taken effect. */
  effective: boolean;
}

/**
 * Carries out one kind of step in a place. `Undo` is plain JSON that is written to disk before anything is touched, and
 * all that `apply`, `hold` and `revert` need: they can be called by another process after a crash, any number of times,
 * also when an earlier call was cut off in the middle.
 */
export interface Handler<S extends AgentStep, Undo> {
  /**
   * Looks at what is there, touches nothing, and says what is going to be added.
   * @param id 8 hexadecimal digits, unique to this step on this target and the same after a restart: marks all that is added
   * @throws RefusedError when it can't or must not be done here
   */
  prepare(step: S, place: Place, id: string, inputs: Inputs): Promise<Undo>;
  /**
   * Puts the fault on, from nothing or from any part of it that is there. When it throws, the caller reverts.
   * @throws RefusedError when the kernel refused it
   */
  apply(undo: Undo, place: Place, inputs: Inputs): Promise<void>;
  /** Refreshes what would end by itself, brings changed inputs in, and reads back what is there. Never puts anything back on. */
  hold(undo: Undo, place: Place, inputs: Inputs): Promise<Sighting>;
  /**
   * Takes away what is ours, and looks again whether it is gone.
   * @returns the final evidence, as far as it could still be read
   * @throws Error naming what is left
   */
  revert(undo: Undo, place: Place): Promise<Evidence>;
}
