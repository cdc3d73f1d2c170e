import type { Freeze, Window } from '../../api/calendar.js';
import type { Schedule } from '../../api/schedule.js';
import { parseDuration } from '../../stats/duration.js';
import { isDate } from '../calendar.js';
import { zoneOf } from '../zone.js';
import { parseCron } from './cron.js';
import { DuePlan } from './due-plan.js';

const SHORTEST_PERIOD_MILLISECONDS = 60_000;

/** A place below the object that was looked at, and what is wrong there. */
export interface CalendarProblem {
  path: (string | number)[];
  message: string;
}

/**
 * What the schema can't say of a schedule: expressions, time zones and dates that don't exist, and times that never come.
 *
 * @param now milliseconds since the epoch: what was due only before it is never due again
 */
export function checkSchedule(schedule: Schedule, now: number): CalendarProblem[] {
  const problems = [...checkRhythm(schedule), ...checkCalendar(schedule)];
  if (problems.length > 0 || new DuePlan(schedule, { uid: '', createdAt: now }).dueAfter(now)) return problems;
  const message = 'never due: no due time of the coming years is in one of the `windows` and outside of all `freezes`';
  return [{ path: [schedule.cron === undefined ? 'every' : 'cron'], message }];
}

function checkRhythm({ cron, every, timeZone }: Schedule): CalendarProblem[] {
  const problems: CalendarProblem[] = [];
  if (every !== undefined && parseDuration(every) < SHORTEST_PERIOD_MILLISECONDS)
    problems.push({ path: ['every'], message: `must be at least 1m, not ${every}` });
  try {
    if (cron !== undefined) parseCron(cron);
  } catch (error) {
    problems.push({ path: ['cron'], message: (error as RangeError).message });
  }
  return [...problems, ...checkZone(timeZone, [])];
}

/** The same of windows and freezes, also those of a policy. */
export function checkCalendar(calendar: {
  windows?: readonly Window[] | undefined;
  freezes?: readonly Freeze[] | undefined;
}): CalendarProblem[] {
  const { windows = [], freezes = [] } = calendar;
  return [
    ...windows.flatMap(({ timeZone }, index) => checkZone(timeZone, ['windows', index])),
    ...freezes.flatMap((freeze, index) => checkFreeze(freeze, ['freezes', index])),
  ];
}

function checkFreeze({ from, to, timeZone }: Freeze, path: (string | number)[]): CalendarProblem[] {
  const missing = ([['from', from] as const, ['to', to] as const] as const)
    .filter(([, date]) => date !== undefined && !isDate(date))
    .map(([field, date]) => ({ path: [...path, field], message: `there is no ${date}` }));
  const backwards =
    missing.length === 0 && to !== undefined && to < from
      ? [{ path: [...path, 'to'], message: `must not be before \`from\`, which is ${from}` }]
      : [];
  return [...missing, ...backwards, ...checkZone(timeZone, path)];
}

function checkZone(name: string | undefined, path: (string | number)[]): CalendarProblem[] {
  if (name === undefined || zoneOf(name)) return [];
  const message = `there is no time zone '${name}': expected a name of the IANA database such as Europe/London or America/New_York`;
  return [{ path: [...path, 'timeZone'], message }];
}
