import type { ExperimentStatus } from '../../api/experiment.js';
import type { Schedule } from '../../api/schedule.js';
import { formatDuration, parseDuration } from '../../stats/duration.js';
import { type Arrivals, type Due, DuePlan } from './due-plan.js';
import { rhythm } from './recurrence.js';
import { makeRoom } from './room.js';
import { type ScheduleDraft, timeOf, timeText } from './schedule-draft.js';

const MINUTE_MILLISECONDS = 60_000;
/** How often it is looked whether `startWhen` holds. */
const RETRY_MILLISECONDS = 5_000;
/** A time in a status that is further ahead was written while the API server's clock was wrong. */
const BELIEVABLE_MILLISECONDS = 86_400_000;
const MAX_COUNT = 0x7fffffff;

type Recorded = NonNullable<ExperimentStatus['schedule']>;

/** Why nothing is started although runs come due. */
type Obstacle = { reason: string; message: string };

/**
 * Starts the run that is due. Each due time is dealt with once and in order: its run is started, or it is missed and
 * counted, or it is passed over by windows and freezes; `status.schedule.nextDueTime` is the first that is not dealt with.
 */
export function keepSchedule(draft: ScheduleDraft): void {
  const { schedule, status } = draft;
  delete status.nextRunTime;
  const before = status.schedule;
  delete status.schedule;
  const silenced = silence(draft);
  if (!schedule) draft.removeCondition('Scheduled');
  else if (silenced) draft.setCondition('Scheduled', 'False', silenced.reason, silenced.message);
  else dealWithDueTimes(draft, schedule, before);
}

function dealWithDueTimes(draft: ScheduleDraft, schedule: Schedule, before: Recorded | undefined): void {
  const { uid, creationTimestamp } = draft.observed.experiment.metadata;
  const origin = { uid, createdAt: Date.parse(creationTimestamp) };
  const plan = new DuePlan(schedule, origin, draft.observed.policies);
  const dealtWith = dealtWithUntil(draft, before);
  const arrivals = plan.arrivals(dealtWith, draft.now);
  const waiting = arrivals && takeTurn(draft, arrivals, plan);
  const next = waiting ? arrivals.latest : plan.dueAfter(arrivals?.latest.due ?? dealtWith);
  draft.status.schedule = { rhythm: rhythm(schedule), ...(next && { nextDueTime: timeText(next.due) }) };
  describe(draft, next, waiting);
}

/** Why the schedule is not in force; what comes due meanwhile is not counted. */
function silence({ observed, schedule }: ScheduleDraft): Obstacle | undefined {
  if (observed.problems.length > 0) return { reason: 'InvalidSpec', message: 'The experiment is not valid' };
  if (schedule?.suspend) return { reason: 'Suspended', message: 'The schedule is suspended' };
  return undefined;
}

/**
 * Up to when due times are dealt with. A new experiment counts from its creation. A schedule that was changed, or was not
 * in force, counts from now: what it would have started before is not made up for. Clocks that were set back do not bring
 * back what is recorded as dealt with.
 */
function dealtWithUntil({ observed, now, schedule }: ScheduleDraft, before: Recorded | undefined): number {
  const { status, metadata } = observed.experiment;
  const last = timeOf(status?.lastScheduleTime) ?? Number.NEGATIVE_INFINITY;
  const recorded = last > now + BELIEVABLE_MILLISECONDS ? Number.NEGATIVE_INFINITY : last;
  if (status?.observedGeneration === undefined) return Math.max(Date.parse(metadata.creationTimestamp), recorded);
  const isSame = before !== undefined && schedule !== undefined && before.rhythm === rhythm(schedule);
  const next = isSame ? timeOf(before.nextDueTime) : undefined;
  return Math.max(Math.min(next === undefined ? now : next - 1, now), recorded);
}

/** Deals with the due times that have come. Returns what the latest waits for, if its run can neither start nor is missed. */
function takeTurn(draft: ScheduleDraft, arrivals: Arrivals, plan: DuePlan): Obstacle | undefined {
  const { latest, previous, count } = arrivals;
  const outcome = startOrMiss(draft, latest, plan.admits(draft.now));
  const earlier = count - 1 - startedBefore(draft, arrivals);
  if (earlier > 0 && previous !== undefined) miss(draft, earlier, previous, 'the controller did not look in time');
  if (outcome.is === 'waiting') return outcome.for;
  if (outcome.is === 'missed') miss(draft, 1, latest.due, outcome.because);
  draft.status.lastScheduleTime = timeText(latest.due);
  return undefined;
}

type Outcome = { is: 'started' } | { is: 'missed'; because: string } | { is: 'waiting'; for: Obstacle };

function startOrMiss(draft: ScheduleDraft, { due, start }: Due, mayStart: boolean): Outcome {
  const { observed, now, schedule } = draft;
  const name = runName(draft.name, due);
  if (draft.run(name)) return { is: 'started' };
  const missed = (because: string): Outcome => ({ is: 'missed', because });
  if (observed.halts.length > 0) return missed(`everything was halted by ${observed.halts.join(' and ')}`);
  const deadline = parseDuration(schedule?.startingDeadline ?? '5m');
  if (now > start + deadline) return missed(tooLate(draft, now - start));
  if (!mayStart) return missed('the window had closed, or a freeze had begun, before it could be started');
  draft.wakeAt(start + deadline + 1);
  const room = makeRoom(draft, name);
  if (room.is === 'occupied') return missed(`run ${room.by.name} was still under way`);
  if (room.is === 'cleared') {
    const message = `Run ${name} starts when run ${room.by.name} is over, whose place it takes`;
    return { is: 'waiting', for: { reason: 'Replacing', message } };
  }
  const unready = schedule?.startWhen?.length ? observed.unready : [];
  if (unready === undefined || unready.length > 0) {
    draft.asksReadiness = unready === undefined;
    draft.wakeAt(now + RETRY_MILLISECONDS);
    const message = `Run ${name} waits: ${unready?.join('; ') ?? 'its targets are being read'}`;
    return { is: 'waiting', for: { reason: 'Waiting', message } };
  }
  if (!draft.create({ do: 'create', name, trigger: 'Schedule', due, start }))
    return missed(`there is another run of the name ${name}`);
  const late = now - start < 1_000 ? '' : `, ${formatDuration(now - start)} late`;
  draft.tell('Normal', 'RunStarted', `Started run ${name}, due at ${timeText(due)}${late}`);
  return { is: 'started' };
}

/** What it waited for until it was too late, if it did. */
function tooLate({ observed, schedule }: ScheduleDraft, late: number): string {
  const before = observed.experiment.status?.conditions?.find(({ type }) => type === 'Scheduled');
  const waited = before?.reason === 'Waiting' || before?.reason === 'Replacing';
  const deadline = schedule?.startingDeadline ?? '5m';
  if (waited) return `it could not be started within ${deadline}: ${before.message}`;
  return `the controller looked ${formatDuration(late)} late, and \`startingDeadline\` is ${deadline}`;
}

/** How many of the earlier due times have a run, which a controller has started that did not live to record it. */
function startedBefore(draft: ScheduleDraft, { latest, previous, count }: Arrivals): number {
  if (previous === undefined || count < 2) return 0;
  const recorded = timeOf(draft.observed.experiment.status?.lastScheduleTime) ?? Number.NEGATIVE_INFINITY;
  const own = draft.observed.runs.filter(
    ({ name, scheduledTime }) =>
      scheduledTime !== undefined &&
      scheduledTime > recorded &&
      scheduledTime < latest.due &&
      name === runName(draft.name, scheduledTime),
  );
  return Math.min(count - 1, own.length);
}

function miss(draft: ScheduleDraft, count: number, latest: number, because: string): void {
  const { status } = draft;
  status.missedRuns = Math.min(MAX_COUNT, (status.missedRuns ?? 0) + count);
  status.lastScheduleTime = timeText(latest);
  const message = `${because[0]?.toUpperCase()}${because.slice(1)}`.slice(0, 1_000);
  status.lastMissed = { dueTime: timeText(latest), message };
  const what =
    count === 1 ? `The run due at ${timeText(latest)}` : `${count} runs, the latest due at ${timeText(latest)},`;
  draft.tell('Warning', 'RunsMissed', `${what} ${count === 1 ? 'was' : 'were'} not started: ${because}`);
}

function describe(draft: ScheduleDraft, next: Due | undefined, waiting: Obstacle | undefined): void {
  const { status, observed } = draft;
  if (next && !waiting) draft.wakeAt(next.start);
  if (observed.halts.length > 0) {
    const message = `Nothing is started: everything is halted by ${observed.halts.join(' and ')}`;
    draft.setCondition('Scheduled', 'False', 'Halted', message);
    return;
  }
  if (!next) {
    const message = 'No due time of the coming years is within all windows and outside of all freezes';
    draft.setCondition('Scheduled', 'False', 'NeverDue', message);
    return;
  }
  status.nextRunTime = timeText(next.start);
  if (waiting) draft.setCondition('Scheduled', 'False', waiting.reason, waiting.message);
  else draft.setCondition('Scheduled', 'True', 'Scheduled', `The next run starts at ${timeText(next.start)}`);
}

/** The name of the run of a due time, which is the lock that keeps it from being started twice. */
export function runName(experiment: string, due: number): string {
  return `${experiment}-${Math.floor(due / MINUTE_MILLISECONDS)}`;
}
