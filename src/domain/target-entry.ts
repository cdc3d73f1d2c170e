import type { Target, TargetState, TargetStatus } from '../api/injection.js';
import { shortened, timestamp } from './draft.js';
import type { PresentTarget, TargetAction } from './injection-observed.js';

/** The most characters of a message in the status of a target. */
const MAX_MESSAGE = 256;

/** What becomes of a target, and what is to be done to it first. */
export interface Next {
  /** What the status says of it; undefined: nothing yet. */
  entry: TargetStatus | undefined;
  action?: TargetAction['do'];
}

/** A target's status when it enters a state; what is known of it is kept, but for the message. */
export function entered(
  target: Target,
  before: TargetStatus | undefined,
  state: TargetState,
  now: number,
  message?: string,
): TargetStatus {
  const { message: _old, ...rest } = before ?? { uid: target.uid };
  const text = message && shortened(message, MAX_MESSAGE);
  if (before?.state === state && before.message === text) return before;
  return { ...rest, state, time: timestamp(now), ...(text && { message: text }) };
}

/** The status of a target that is not to be hit any more and that nothing was done to; undefined: it may be hit. */
export function spared(target: Target, present: PresentTarget | undefined, now: number): TargetStatus | undefined {
  const missed = (message: string) => entered(target, undefined, 'Missed', now, message);
  if (!present || present.terminating) return missed('was gone before the fault');
  return present.protected ? missed('was protected before the fault') : undefined;
}
