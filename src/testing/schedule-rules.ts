import { Cron } from 'croner';
import type { Freeze, Window } from '../api/calendar.js';
import type { Schedule } from '../api/schedule.js';
import { parseDuration } from '../stats/duration.js';
import type { Course, SimulatedRun } from './schedule-simulation.js';
import { isWithin, type Span, YEAR } from './schedule-world.js';

/*
 * What must be true of a year, worked out in another way than the scheduler does: cron by croner, windows and freezes by
 * what a wall clock shows at an instant.
 */

const MINUTE = 60_000;
/** How long after its time a run may be started when nothing is in the way: the clock of the simulation is exact. */
const PROMPT = 1_000;
/** Around a disturbance it is not asked what had to be started. */
const MARGIN = 5 * MINUTE;

/** All that is wrong with a course, in words; nothing when every rule is kept. */
export function violations(course: Course): string[] {
  return [
    ...course.wrong,
    ...doubles(course),
    ...outsiders(course),
    ...overlaps(course),
    ...lost(course),
    ...wishes(course),
  ];
}

/** No due time has two runs, and no run is started for what is no due time, or later than it may be. */
function doubles({ started, story }: Course): string[] {
  const seen = new Set<number>();
  const found: string[] = [];
  const schedules = [story.experiment.spec.schedule, ...story.edits.map(({ schedule }) => schedule)];
  const dues = schedules.map((each) => (each ? new Set(dueTimes(each, story.createdAt)) : new Set<number>()));
  for (const { due, name, trigger, clock } of started) {
    if (trigger !== 'Schedule' || due === undefined) continue;
    if (seen.has(due)) found.push(`started twice: ${name} at ${text(clock)}`);
    seen.add(due);
    if (!dues.some((each) => each.has(due))) found.push(`no due time: ${text(due)}`);
    if (clock < due) found.push(`early: ${name} at ${text(clock)}`);
    const slack = Math.max(
      ...schedules.map((each) => (each ? milliseconds(each.jitter) + milliseconds(each.startingDeadline) : 0)),
    );
    if (clock > due + slack) found.push(`late: ${name} at ${text(clock)}`);
  }
  return found;
}

/** Every run of a schedule is due, and is started, in a window and in no freeze, and not while it is suspended or halted. */
function outsiders({ started, story, weather, crashes }: Course): string[] {
  const halted = started.filter(({ at }) => isWithin(weather.halts, at)).map(({ name }) => `halted: ${name}`);
  const scheduled = started.filter(({ trigger }) => trigger === 'Schedule');
  // What was due meanwhile is not made up for, if somebody was there to see that it was suspended.
  const unseen = [...weather.outages, ...crashes, ...weather.clock.map(({ at }) => around(at))];
  const seen = story.suspended.filter(
    ({ from, to }) => !isTroubled(unseen, from, from + MARGIN) && !isTroubled(unseen, to, to),
  );
  const suspended = scheduled
    .filter(({ at, due = 0 }) => isWithin(story.suspended, at) || isWithin(seen, due))
    .map(({ name }) => `suspended: ${name}`);
  const unready = scheduled.filter(({ at }) => scheduleAt(story, at)?.startWhen && isWithin(story.unready, at));
  const outside = scheduled.flatMap(({ name, due = 0, clock, at }) =>
    calendarsAt(story, weather, at).flatMap((calendar) =>
      [due, clock].filter((each) => !admitted(calendar, each)).map((each) => `closed at ${text(each)}: ${name}`),
    ),
  );
  return [...halted, ...suspended, ...outside, ...unready.map(({ name }) => `not ready: ${name}`)];
}

/** Unless they are allowed to, no two runs are under way together. */
function overlaps({ started, story }: Course): string[] {
  const found: string[] = [];
  let busy = Number.NEGATIVE_INFINITY;
  for (const run of started) {
    const mayOverlap = scheduleAt(story, run.at)?.concurrencyPolicy === 'Allow';
    if (busy > run.at && !mayOverlap) found.push(`${run.name} was started beside another at ${text(run.at)}`);
    busy = Math.max(busy, run.end);
  }
  return found;
}

/** Where nothing was in the way a run was started at once, and when the status had said. */
function lost(course: Course): string[] {
  const { story, weather, started } = course;
  const byDue = new Map(started.map((run) => [run.due, run]));
  const troubles = [
    ...weather.outages,
    ...weather.halts,
    ...course.crashes,
    ...story.suspended,
    ...[...weather.clock, ...story.edits, ...story.wishes].map(({ at }) => around(at)),
    // While the API server's clock is wrong a due time is not at its moment, and what was in the way neither.
    ...weather.clock
      .map(({ at, ahead }, index) => ({ from: at, to: weather.clock[index + 1]?.at ?? YEAR.to, ahead }))
      .filter(({ ahead }) => ahead !== 0),
    ...weather.policies.flatMap(({ span: { from, to } }) => [
      { from: from - MINUTE, to: from + MINUTE },
      { from: to - MINUTE, to: to + MINUTE },
    ]),
  ];
  const found: string[] = [];
  for (const [index, schedule] of [
    story.experiment.spec.schedule,
    ...story.edits.map((each) => each.schedule),
  ].entries()) {
    if (!schedule) continue;
    const from = story.edits[index - 1]?.at ?? story.createdAt;
    const to = story.edits[index]?.at ?? YEAR.to;
    const reach = milliseconds(schedule.jitter) + MARGIN;
    for (const due of dueTimes(schedule, story.createdAt)) {
      if (due <= from || due + reach >= to || isTroubled(troubles, due - MARGIN, due + reach)) continue;
      const isOpen = calendarsAt(story, weather, due).every((each) => admitted(each, due));
      if (isOpen) found.push(...unkept(course, schedule, due, byDue.get(due)));
    }
  }
  return found;
}

function unkept({ story, started }: Course, schedule: Schedule, due: number, run: SimulatedRun | undefined): string[] {
  const latest = due + milliseconds(schedule.jitter);
  const isOccupied =
    schedule.concurrencyPolicy !== 'Allow' &&
    started.some(({ at, end }) => at <= latest && end > due && at < (run?.at ?? latest));
  const isUnready = schedule.startWhen && isTroubled(story.unready, due, latest);
  if (isOccupied || isUnready) return [];
  if (!run) return [`lost: ${text(due)}`];
  if (run.clock > latest + PROMPT) return [`not at once: ${run.name} at ${text(run.clock)}`];
  const promised = Date.parse(run.promised ?? '');
  return Math.abs(promised - run.clock) > PROMPT
    ? [`nextRunTime was ${run.promised}, and ${run.name} started at ${text(run.clock)}`]
    : [];
}

/** Each value of the annotation has one run, unless the next came before it could start. */
function wishes({ started, story, last }: Course): string[] {
  const own = started.filter(({ trigger }) => trigger === 'RunNow');
  const names = new Set(own.map(({ name }) => name));
  if (names.size !== own.length) return [`the annotation started a run twice: ${own.map(({ name }) => name).join()}`];
  if (own.length > story.wishes.length) return ['the annotation started more runs than it had values'];
  const final = story.wishes.at(-1);
  const isOld = final && final.at < YEAR.to - 10 * 24 * 60 * MINUTE;
  return isOld && last.status?.lastRunNow !== final.value ? [`lastRunNow is ${last.status?.lastRunNow}`] : [];
}

/**
 * Of an experiment that nobody edits or suspends, every due time in a window is accounted for: it has a run, or it was
 * counted as missed.
 */
export function unaccounted({ story, started, last, weather }: Course): string[] {
  const schedule = story.experiment.spec.schedule;
  if (!schedule) return [];
  const down = weather.outages.find((span) => isWithin([span], YEAR.to - 1));
  // What comes at the very end may not be dealt with.
  const until = (down?.from ?? YEAR.to) - milliseconds(schedule.jitter) - milliseconds(schedule.startingDeadline);
  const open = dueTimes(schedule, story.createdAt).filter((due) => admitted(schedule, due));
  const dealtWith = Date.parse(last.status?.lastScheduleTime ?? '');
  const sure = open.filter((due) => due <= until && !(due > dealtWith));
  const unsure = open.length - open.filter((due) => due <= until).length;
  const forgotten = open.filter((due) => due <= until && due > dealtWith).length;
  const runs = started.filter(
    ({ due, trigger }) => trigger === 'Schedule' && (due ?? 0) <= Math.max(until, dealtWith),
  ).length;
  const counted = runs + (last.status?.missedRuns ?? 0);
  const wrong = counted < sure.length || counted > sure.length + unsure;
  return [
    ...(wrong
      ? [
          `${sure.length} to ${sure.length + unsure} were due, ${runs} have a run and ${counted - runs} were counted as missed`,
        ]
      : []),
    ...(forgotten > 0 ? [`${forgotten} due times after ${last.status?.lastScheduleTime} are forgotten`] : []),
  ];
}

const dueCache = new Map<string, number[]>();

/** The due times of a schedule in the year, after an instant, by croner. */
function dueTimes({ cron, every, timeZone = 'UTC' }: Schedule, createdAt: number): number[] {
  if (every !== undefined) {
    const period = parseDuration(every);
    return Array.from(
      { length: Math.ceil((YEAR.to - createdAt) / period) - 1 },
      (_, index) => createdAt + (index + 1) * period,
    );
  }
  const key = `${cron} ${timeZone}`;
  const known = dueCache.get(key) ?? cronTimes(cron ?? '', timeZone);
  dueCache.set(key, known);
  return known.filter((due) => due > createdAt);
}

/** croner takes several times of the day for a rhythm, so that it is asked for each hour by itself; see cron-zones.test.ts. */
function cronTimes(cron: string, timeZone: string): number[] {
  const [minute = '', hours = '', ...days] = cron.split(' ');
  const isFixed = /^\d+$/.test(minute) && /^[\d,]+$/.test(hours);
  const alone = isFixed ? hours.split(',').map((hour) => [minute, hour, ...days].join(' ')) : [cron];
  const found = alone.flatMap((each) => {
    const times: number[] = [];
    const parsed = new Cron(each, { timezone: timeZone });
    for (let at = parsed.nextRun(new Date(YEAR.from)); at && at.getTime() < YEAR.to; at = parsed.nextRun(at))
      times.push(at.getTime());
    return times;
  });
  return found.sort((a, b) => a - b);
}

interface OracleCalendar {
  windows?: readonly Window[] | undefined;
  freezes?: readonly Freeze[] | undefined;
}

function calendarsAt(story: Course['story'], { policies }: Course['weather'], at: number): OracleCalendar[] {
  const own = scheduleAt(story, at);
  return [
    ...(own ? [own] : []),
    ...policies.filter(({ span }) => isWithin([span], at)).map(({ calendar }) => calendar),
  ];
}

function scheduleAt({ experiment, edits }: Course['story'], at: number): Schedule | undefined {
  return edits.findLast((edit) => edit.at <= at)?.schedule ?? experiment.spec.schedule;
}

function admitted({ windows, freezes = [] }: OracleCalendar, at: number): boolean {
  const isFrozen = freezes.some(({ from, to = from, timeZone }) => {
    const { date } = wallClock(at, timeZone);
    return date >= from && date <= to;
  });
  return !isFrozen && (!windows || windows.some((window) => isInWindow(window, at)));
}

function isInWindow({ days, from, to, timeZone }: Window, at: number): boolean {
  const now = wallClock(at, timeZone);
  const dayBefore = wallClock(at - 24 * 60 * MINUTE, timeZone).weekday;
  const begins = (weekday: string) => !days || days.some((day) => day === weekday);
  if (from < to) return begins(now.weekday) && now.clock >= from && now.clock < to;
  return (begins(now.weekday) && now.clock >= from) || (begins(dayBefore) && now.clock < to);
}

const formats = new Map<string, Intl.DateTimeFormat>();

function wallClock(at: number, timeZone = 'UTC'): { date: string; clock: string; weekday: string } {
  const known =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat('en-GB', {
      timeZone,
      weekday: 'short',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  formats.set(timeZone, known);
  // Such as `Fri, 20/11/2026, 09:30`.
  const shown = known.format(at);
  return {
    weekday: shown.slice(0, 3),
    date: `${shown.slice(11, 15)}-${shown.slice(8, 10)}-${shown.slice(5, 7)}`,
    clock: shown.slice(-5),
  };
}

function around(at: number): Span {
  return { from: at - 60 * MINUTE, to: at + 60 * MINUTE };
}

function isTroubled(spans: readonly Span[], from: number, to: number): boolean {
  return spans.some((span) => span.from <= to && span.to >= from);
}

function milliseconds(duration = '0s'): number {
  return parseDuration(duration);
}

function text(at: number): string {
  return new Date(at).toISOString();
}
