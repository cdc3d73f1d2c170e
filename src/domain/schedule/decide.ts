import { clearHistory } from './history.js';
import type { KnownRun, ScheduleDecision, ScheduleObserved } from './observed.js';
import { runNow } from './run-now.js';
import { keepSchedule } from './schedule.js';
import { ScheduleDraft, timeOf, timeText } from './schedule-draft.js';

/** How many names of runs a status holds. */
const MAX_ACTIVE = 100;

/**
 * Decides what to do about an experiment, from all that is there and nothing else: which run to start for its schedule or
 * its annotation, which to end, which to delete, and what its status says.
 *
 * @param now milliseconds since the epoch, in API-server time
 */
export function decideSchedule(observed: ScheduleObserved, now: number): ScheduleDecision {
  const draft = new ScheduleDraft(observed, now);
  judge(draft);
  runNow(draft);
  keepSchedule(draft);
  recordStarts(draft);
  clearHistory(draft);
  draft.status.observedGeneration = observed.experiment.metadata.generation ?? 0;
  sumUp(draft);
  return draft.decision();
}

function judge(draft: ScheduleDraft): void {
  const { problems } = draft.observed;
  const valid = problems.length === 0;
  const message = valid ? 'The experiment can be run' : problems.join('; ');
  draft.setCondition('Ready', valid ? 'True' : 'False', valid ? 'Valid' : 'InvalidSpec', message);
}

/**
 * A controller that started a run may not have lived to record that. When the schedule was changed or taken away
 * meanwhile, its due time does not come up again, and the run would be kept for ever as what it must not start twice.
 */
function recordStarts({ status, observed, now }: ScheduleDraft): void {
  const recorded = timeOf(status.lastScheduleTime) ?? Number.NEGATIVE_INFINITY;
  const due = observed.runs.flatMap(({ owned, trigger, scheduledTime }) =>
    owned && trigger === 'Schedule' && scheduledTime !== undefined && scheduledTime <= now ? [scheduledTime] : [],
  );
  const latest = Math.max(recorded, ...due);
  if (latest > recorded) status.lastScheduleTime = timeText(latest);
}

function sumUp({ status, active, observed }: ScheduleDraft): void {
  const names = active.map(({ name }) => name).sort();
  if (names.length > 0) status.active = names.slice(0, MAX_ACTIVE);
  else delete status.active;
  const last = observed.runs.filter(({ active: isActive }) => !isActive).reduce<KnownRun | undefined>(later, undefined);
  if (!last || last.finishTime < (status.lastRun?.finishTime ?? '')) return;
  const { name, verdict, reason, finishTime } = last;
  status.lastRun = { name, verdict, reason, finishTime };
}

function later(a: KnownRun | undefined, b: KnownRun): KnownRun {
  return a === undefined || a.finishTime < b.finishTime ? b : a;
}
