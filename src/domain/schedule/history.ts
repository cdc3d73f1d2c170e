import type { History } from '../../api/schedule.js';
import type { KnownRun } from './observed.js';
import { wishOf } from './run-now.js';
import { type ScheduleDraft, timeOf } from './schedule-draft.js';

/** What is kept of an experiment that does not say it; the defaults of the schema. */
const byDefault: History = { passed: 3, failed: 10, other: 5 };

/**
 * Has finished runs deleted beyond those that are kept, the oldest first. Only runs that were started by the schedule or
 * the annotation, never one of a person or a pipeline; never one of which something may be left; and none before the
 * status has recorded that it was started, for until then it is the lock that keeps it from starting again, and how it
 * ended.
 */
export function clearHistory(draft: ScheduleDraft): void {
  const { spec, status } = draft.observed.experiment;
  const history = spec.history ?? byDefault;
  const recorded = timeOf(status?.lastScheduleTime) ?? Number.NEGATIVE_INFINITY;
  const wish = wishOf(draft.observed.experiment);
  const isStartRecorded = ({ name, trigger, scheduledTime }: KnownRun) =>
    trigger === 'RunNow' ? name !== wish?.name : scheduledTime !== undefined && scheduledTime <= recorded;
  const isRecorded = (run: KnownRun) => isStartRecorded(run) && run.finishTime <= (status?.lastRun?.finishTime ?? '');
  const finished = draft.observed.runs
    .filter((run) => run.owned && !run.active && !run.ending && !run.reason.startsWith('Cleanup') && isRecorded(run))
    .sort((a, b) => (a.finishTime === b.finishTime ? 0 : a.finishTime < b.finishTime ? 1 : -1));
  for (const bin of ['passed', 'failed', 'other'] as const) {
    const own = finished.filter(({ verdict }) => binOf(verdict) === bin);
    for (const { name, uid } of own.slice(history[bin])) draft.actions.push({ do: 'delete', name, uid });
  }
}

function binOf(verdict: string): keyof History {
  if (verdict === 'Passed') return 'passed';
  return verdict === 'Failed' ? 'failed' : 'other';
}
