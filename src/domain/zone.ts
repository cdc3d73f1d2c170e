/** How far a wall clock can be from UTC at most, with a margin. */
const FURTHEST_MILLISECONDS = 15 * 3_600_000;
const DAY_MILLISECONDS = 86_400_000;
/** Zone names may be written in many ways; what is remembered of them is bounded. */
const MAX_NAMES = 1_000;

/** A moment at which a zone's clocks were set. Milliseconds. */
export interface ClockChange {
  at: number;
  /** What has to be added to UTC before, and from `at` on. */
  before: number;
  after: number;
}

/** A time in which the clocks are not set, as far as it lies in one year of UTC. */
interface Steady {
  from: number;
  to: number;
  offset: number;
}

interface Year {
  /** What has to be added to UTC when the year (of UTC) begins. */
  offset: number;
  changes: ClockChange[];
}

/**
 * The wall clocks of one time zone. A *wall time* is what they show, as milliseconds as if it were UTC, so that
 * calendar arithmetic on it is plain. Knows what `Intl` knows; a year of a zone is read once.
 */
export class Zone {
  readonly #years = new Map<number, Year>();
  /** Where it was looked last: mostly the next look is there too. */
  #steady: Steady = { from: 0, to: 0, offset: 0 };

  constructor(readonly name: string) {}

  /** The wall time at an instant. */
  wall(instant: number): number {
    return instant + this.offset(instant);
  }

  /** What has to be added to UTC at an instant. */
  offset(instant: number): number {
    return this.#steadyAt(instant).offset;
  }

  /** The first instant at which the clocks show a wall time or a later one: one that is left out is when they skip it. */
  resolve(wall: number): number {
    let begin = wall - FURTHEST_MILLISECONDS;
    const steady = this.#steadyAt(begin);
    if (wall + FURTHEST_MILLISECONDS < steady.to) return wall - steady.offset;
    let { offset } = steady;
    for (const { at, after } of this.changes(begin, wall + FURTHEST_MILLISECONDS)) {
      const instant = Math.max(begin, wall - offset);
      if (instant < at) return instant;
      begin = at;
      offset = after;
    }
    return Math.max(begin, wall - offset);
  }

  /** All instants at which the clocks show a wall time: none when it is left out, two when it is repeated. */
  instants(wall: number): number[] {
    const found: number[] = [];
    let begin = wall - FURTHEST_MILLISECONDS;
    let offset = this.offset(begin);
    for (const { at, after } of this.changes(begin, wall + FURTHEST_MILLISECONDS)) {
      const instant = wall - offset;
      if (instant >= begin && instant < at) found.push(instant);
      begin = at;
      offset = after;
    }
    if (wall - offset >= begin) found.push(wall - offset);
    return found;
  }

  /** The changes of the clocks after `from` and up to `to`, in order. */
  changes(from: number, to: number): ClockChange[] {
    if (to < this.#steadyAt(from).to) return [];
    const first = new Date(from).getUTCFullYear();
    const last = new Date(to).getUTCFullYear();
    const found: ClockChange[] = [];
    for (let year = first; year <= last; year += 1) {
      for (const change of this.#year(year).changes) if (change.at > from && change.at <= to) found.push(change);
    }
    return found;
  }

  #steadyAt(instant: number): Steady {
    if (instant >= this.#steady.from && instant < this.#steady.to) return this.#steady;
    const number = new Date(instant).getUTCFullYear();
    const year = this.#year(number);
    const last = year.changes.findLast(({ at }) => at <= instant);
    this.#steady = {
      from: last?.at ?? Date.UTC(number, 0, 1),
      to: year.changes.find(({ at }) => at > instant)?.at ?? Date.UTC(number + 1, 0, 1),
      offset: last?.after ?? year.offset,
    };
    return this.#steady;
  }

  #year(year: number): Year {
    const known = this.#years.get(year);
    if (known) return known;
    const fresh = readYear(this.name, year);
    this.#years.set(year, fresh);
    return fresh;
  }
}

const zones = new Map<string, Zone | undefined>();

/** The zone of a name of the IANA database, `UTC` when there is no name; undefined when there is none of that name. */
export function zoneOf(name = 'UTC'): Zone | undefined {
  if (zones.has(name)) return zones.get(name);
  if (zones.size >= MAX_NAMES) zones.clear();
  const canonical = canonicalName(name);
  const zone = canonical === undefined ? undefined : (zones.get(canonical) ?? new Zone(canonical));
  if (canonical !== undefined) zones.set(canonical, zone);
  zones.set(name, zone);
  return zone;
}

/** Newer versions of Node also take offsets such as `+02`, which are no zones. */
function canonicalName(name: string): string | undefined {
  if (!/^[A-Za-z]/.test(name)) return undefined;
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

function readYear(name: string, year: number): Year {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  const offsetAt = (instant: number) => parseOffset(format.format(instant));
  const end = Date.UTC(year + 1, 0, 1);
  const begin = Date.UTC(year, 0, 1);
  const offset = offsetAt(begin);
  const changes: ClockChange[] = [];
  let before = offset;
  // From just before the year, for a change at its very beginning.
  for (let day = begin; day < end; day += DAY_MILLISECONDS) {
    const next = Math.min(day + DAY_MILLISECONDS, end - 1);
    const after = offsetAt(next);
    if (after === before) continue;
    changes.push({ at: changeBetween(day, next, (instant) => offsetAt(instant) === before), before, after });
    before = after;
  }
  return { offset, changes };
}

/** The first instant after `low` for which `isBefore` does not hold, to the second: nobody sets clocks more finely. */
function changeBetween(low: number, high: number, isBefore: (instant: number) => boolean): number {
  let from = Math.floor(low / 1_000);
  let to = Math.ceil(high / 1_000);
  while (to - from > 1) {
    const middle = Math.floor((from + to) / 2);
    if (isBefore(middle * 1_000)) from = middle;
    else to = middle;
  }
  return to * 1_000;
}

/** Reads what `longOffset` says, such as `1/1/2026, GMT+05:30`, into milliseconds. */
function parseOffset(text: string): number {
  const found = /GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(text);
  if (!found) throw new Error(`'${text}' holds no offset`);
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = found;
  const amount = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000;
  return sign === '-' ? -amount : amount;
}
