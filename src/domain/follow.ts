import type { Step } from '../api/experiment.js';
import type { StepStatus } from '../api/experiment-run.js';
import { isCertainlyOff } from '../api/injection.js';
import { carry, wordsOf } from './agents.js';
import { authorized, OLDEST_LOOK_MILLISECONDS } from './authorization.js';
import { type RunDraft, shortened } from './draft.js';
import { inDrawingOrder, isFollowable } from './draw.js';
import { recordedInjections, recordedRounds, targetStates } from './progress.js';
import { create, wantedAtOnce } from './redraw.js';
import { affordable, refusalWords } from './safeguards.js';

/** The next round of newcomers waits this long, so that those who come one after the other share an injection. */
const BETWEEN_ROUNDS_MILLISECONDS = 1_000;
/** Every round is an object that stays until the end of the run. */
export const MAX_ROUNDS = 500;

/**
 * While a fault lasts, puts it on pods that take the place of targets that went away: as soon as a container of theirs
 * runs, Ready or not. A pod is never taken in twice, and of the pods that stay the fault is never on more at once than
 * were drawn: one that is being deleted serves nobody any more, however long it takes.
 */
export function follow(draft: RunDraft, step: Step, status: StepStatus): void {
  const fault = draft.facts(step);
  const pods = draft.observed.candidates?.[step.name];
  if (!step.targets.follow || fault.oneShot || !pods) return;
  const states = targetStates(recordedInjections(draft, step));
  // What has not been proven to be gone may still be on.
  const leaving = new Set(pods.filter(({ terminating }) => terminating).map(({ uid }) => uid));
  const on = states.filter(({ uid, state }) => !isCertainlyOff(state) && !leaving.has(uid));
  const missing = wantedAtOnce(draft, step) - on.length;
  if (missing <= 0) return;
  const known = new Set(states.map(({ uid }) => uid));
  const fresh = pods.filter((pod) => !known.has(pod.uid) && isFollowable(pod, step.targets, fault));
  if (fresh.length > 0) takeIn(draft, step, status, fresh, missing);
}

function takeIn(
  draft: RunDraft,
  step: Step,
  status: StepStatus,
  fresh: Parameters<typeof inDrawingOrder>[0],
  missing: number,
): void {
  const due = Date.parse(status.roundTime ?? draft.time) + BETWEEN_ROUNDS_MILLISECONDS;
  if (draft.now < due) {
    draft.wakeAt(due);
    return;
  }
  if (!authorized(draft, draft.now - OLDEST_LOOK_MILLISECONDS)) return;
  const newest = Math.max(due, ...fresh.map(({ createdAt }) => createdAt));
  const room = affordable(draft, step, inDrawingOrder(fresh, draft.status.seed ?? 0, step.name), newest);
  const found = room && carry(draft, step, room.fit, missing);
  if (!found) return;
  if (found.carried.length === 0) {
    const why = [wordsOf(found.refused), refusalWords(room.refused)].filter(Boolean).join('; ');
    status.message = shortened(`new pods were spared, because ${why}`);
  } else if (recordedRounds(draft, step) >= MAX_ROUNDS)
    status.message = `new pods were spared after ${MAX_ROUNDS} rounds`;
  else {
    status.roundTime = draft.time;
    status.targets += found.carried.length;
    create(draft, step, found.carried);
  }
}
