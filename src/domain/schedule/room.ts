import type { KnownRun } from './observed.js';
import type { ScheduleDraft } from './schedule-draft.js';

/** Whether a run may be started beside those under way: at once, later, or not at all. */
export type Room = { is: 'free' } | { is: 'occupied'; by: KnownRun } | { is: 'cleared'; by: KnownRun };

/**
 * Makes room for a run as `concurrencyPolicy` says. With `Replace` the runs that were started by the schedule or the
 * annotation are told to end; one that a person or a pipeline has started is not theirs to end, so it occupies the room.
 */
export function makeRoom(draft: ScheduleDraft, successor: string): Room {
  const policy = draft.schedule?.concurrencyPolicy ?? 'Forbid';
  const [first] = draft.active;
  if (first === undefined || policy === 'Allow') return { is: 'free' };
  const foreign = draft.active.find(({ owned }) => !owned);
  if (policy === 'Forbid' || foreign) return { is: 'occupied', by: foreign ?? first };
  for (const { name, uid, ending } of draft.active) {
    if (!ending && uid) draft.actions.push({ do: 'abort', name, uid, reason: `${successor} takes its place` });
  }
  return { is: 'cleared', by: first };
}
