import { type Freeze, type Window, weekdays } from '../api/calendar.js';
import { type Zone, zoneOf } from './zone.js';

const DAY_MILLISECONDS = 86_400_000;
const MINUTE_MILLISECONDS = 60_000;
/** What never opens within this long never opens: a freeze may last for years. */
const HORIZON_DAYS = 5 * 366;

/** When something may happen: in one of the windows, and in none of the freezes. */
export interface Calendar {
  windows?: readonly Window[] | undefined;
  freezes?: readonly Freeze[] | undefined;
}

/** From an instant on, and up to another one that is not part of it. Milliseconds since the epoch. */
export interface Span {
  from: number;
  to: number;
}

/**
 * Whether an instant is in one of the windows; without any it always is. On a day on which the clocks are set a window
 * begins and ends when they first show its time, or skip it. A zone that does not exist opens nothing.
 */
export function isOpen(windows: readonly Window[] | undefined, instant: number): boolean {
  return windows === undefined || windows.some((window) => spanAt(window, instant) !== undefined);
}

/** The freeze that an instant is in, if it is in one. Days begin and end as the clocks of its zone show it. */
export function frozenBy(freezes: readonly Freeze[] | undefined, instant: number): Freeze | undefined {
  return freezes?.find((freeze) => {
    const { from, to } = spanOf(freeze);
    return instant >= from && instant < to;
  });
}

/** Whether all calendars admit an instant. */
export function admits(calendars: readonly Calendar[], instant: number): boolean {
  return calendars.every(({ windows, freezes }) => isOpen(windows, instant) && !frozenBy(freezes, instant));
}

/** The first instant from `instant` on that all calendars admit; undefined when there is none within five years. */
export function nextOpen(calendars: readonly Calendar[], instant: number): number | undefined {
  const horizon = instant + HORIZON_DAYS * DAY_MILLISECONDS;
  let found: number | undefined = instant;
  while (found !== undefined && found < horizon) {
    const later: number | undefined = laterOpen(calendars, found);
    if (later === found) return found;
    found = later;
  }
  return undefined;
}

/** When the calendars stop to admit, counted from an instant that they admit; at most `limit`. */
export function openUntil(calendars: readonly Calendar[], instant: number, limit: number): number {
  let until = limit;
  for (const { windows, freezes } of calendars) {
    if (windows) until = Math.min(until, closing(windows, instant, limit));
    for (const freeze of freezes ?? []) {
      const { from } = spanOf(freeze);
      if (from > instant) until = Math.min(until, from);
    }
  }
  return until;
}

/** The spans between two instants that all calendars admit, in order. */
export function openSpans(calendars: readonly Calendar[], { from, to }: Span): Span[] {
  const spans: Span[] = [];
  let begin = nextOpen(calendars, from);
  while (begin !== undefined && begin < to) {
    const end = openUntil(calendars, begin, to);
    spans.push({ from: begin, to: end });
    begin = end < to ? nextOpen(calendars, end) : undefined;
  }
  return spans;
}

/** One step towards an instant that all calendars admit; the instant itself when they do. */
function laterOpen(calendars: readonly Calendar[], instant: number): number | undefined {
  let later = instant;
  for (const { windows, freezes } of calendars) {
    const freeze = frozenBy(freezes, later);
    if (freeze) later = spanOf(freeze).to;
    if (!windows || isOpen(windows, later)) continue;
    const openings = windows.map((window) => opening(window, later)).filter((each) => each !== undefined);
    if (openings.length === 0) return undefined;
    later = Math.min(...openings);
  }
  return later;
}

/** The end of a row of windows that overlap or touch. */
function closing(windows: readonly Window[], instant: number, limit: number): number {
  let until = instant;
  while (until < limit) {
    const ends = windows.map((window) => spanAt(window, until)?.to ?? until);
    const furthest = Math.max(...ends);
    if (furthest === until) return until;
    until = furthest;
  }
  return limit;
}

/** When a window opens next after an instant; a week and a day hold each of its days. */
function opening(window: Window, instant: number): number | undefined {
  const zone = zoneOf(window.timeZone);
  if (!zone) return undefined;
  const today = dayOf(zone.wall(instant));
  for (let day = 0; day <= 8; day += 1) {
    const span = spanOn(window, zone, today + day * DAY_MILLISECONDS);
    if (span && span.from > instant && span.to > span.from) return span.from;
  }
  return undefined;
}

function spanAt(window: Window, instant: number): Span | undefined {
  const zone = zoneOf(window.timeZone);
  if (!zone) return undefined;
  const today = dayOf(zone.wall(instant));
  // The clocks may have been set back over midnight: the day that has just begun can begin again.
  for (const day of [today, today - DAY_MILLISECONDS, today + DAY_MILLISECONDS]) {
    const span = spanOn(window, zone, day);
    if (span && instant >= span.from && instant < span.to) return span;
  }
  return undefined;
}

/** The span of a window that begins on a day, given by the wall time of its midnight. */
function spanOn({ days, from, to }: Window, zone: Zone, day: number): Span | undefined {
  // 1970-01-01 was a Thursday.
  const weekday = weekdays[(day / DAY_MILLISECONDS + 3) % 7];
  if (days && !days.some((each) => each === weekday)) return undefined;
  const begin = minutesOf(from);
  const end = minutesOf(to);
  const length = end > begin ? end : end + 24 * 60;
  return {
    from: zone.resolve(day + begin * MINUTE_MILLISECONDS),
    to: zone.resolve(day + length * MINUTE_MILLISECONDS),
  };
}

const spans = new WeakMap<Freeze, Span>();

/** From the midnight of its first day to that after its last one; worked out once. */
function spanOf(freeze: Freeze): Span {
  const known = spans.get(freeze) ?? readSpan(freeze);
  spans.set(freeze, known);
  return known;
}

function readSpan({ from, to = from, timeZone }: Freeze): Span {
  const zone = zoneOf(timeZone) ?? zoneOf();
  if (!zone) throw new Error('UTC is not known');
  // A date that does not exist is read so that the freeze is longer: what was meant is in it.
  return { from: zone.resolve(dateOf(from, 'earlier')), to: zone.resolve(dateOf(to, 'later') + DAY_MILLISECONDS) };
}

/** Whether a date such as `2026-02-30` is in the calendar. */
export function isDate(text: string): boolean {
  return new Date(dateOf(text, 'later')).toISOString().startsWith(text);
}

/** The midnight of a date as a wall time; for one that does not exist that of an earlier or a later one that does. */
function dateOf(text: string, missing: 'earlier' | 'later'): number {
  const [year = 0, month = 1, day = 1] = text.split('-').map(Number);
  const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return Date.UTC(year, month - 1, missing === 'earlier' ? Math.min(day, lastDay) : day);
}

function dayOf(wall: number): number {
  return Math.floor(wall / DAY_MILLISECONDS) * DAY_MILLISECONDS;
}

/** Of `09:30`. */
function minutesOf(clock: string): number {
  return Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));
}
