import type { Zone } from '../zone.js';
import type { Cron } from './cron.js';

const DAY_MILLISECONDS = 86_400_000;
const HOUR_MILLISECONDS = 3_600_000;
const MINUTE_MILLISECONDS = 60_000;
/** Every day that can be named comes within this, but the 29th of February around the year 2100. */
const HORIZON_DAYS = 5 * 366;

/**
 * The due times of a cron expression in a time zone.
 *
 * On days on which the clocks are set it does what cron(8) of Debian says. An expression that names times of the day is
 * due once for each: when the clocks skip it at that moment, when they show it twice the first time. Any other one, whose
 * minute or hour begins with `*`, goes by what the clocks show: nothing in an hour that is skipped, twice in one that
 * is repeated, so that the rhythm goes on.
 */
export class CronTimes {
  readonly #timesOfDay: readonly number[];

  constructor(
    readonly cron: Cron,
    readonly zone: Zone,
  ) {
    this.#timesOfDay = cron.hours.flatMap((hour) =>
      cron.minutes.map((minute) => hour * HOUR_MILLISECONDS + minute * MINUTE_MILLISECONDS),
    );
  }

  after(instant: number): number | undefined {
    const first = this.#dayOf(instant);
    for (let index = 0; index < HORIZON_DAYS; index += 1) {
      const day = first + index * DAY_MILLISECONDS;
      if (!this.#isDay(day)) continue;
      const found = this.#on(day).after(instant);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  latest(after: number, upTo: number): number | undefined {
    const first = this.#dayOf(after);
    for (let day = this.#dayOf(upTo); day >= first; day -= DAY_MILLISECONDS) {
      if (!this.#isDay(day)) continue;
      const found = this.#on(day).latest(upTo);
      if (found !== undefined) return found > after ? found : undefined;
    }
    return undefined;
  }

  count(after: number, upTo: number): number {
    if (upTo <= after) return 0;
    const last = this.#dayOf(upTo);
    let total = 0;
    for (let day = this.#dayOf(after); day <= last; day += DAY_MILLISECONDS) {
      if (this.#isDay(day)) total += this.#on(day).count(after, upTo);
    }
    return total;
  }

  #dayOf(instant: number): number {
    return Math.floor(this.zone.wall(instant) / DAY_MILLISECONDS) * DAY_MILLISECONDS;
  }

  #isDay(day: number): boolean {
    const { daysOfMonth, months, weekdays, eitherDay } = this.cron;
    const date = new Date(day);
    if (!months.has(date.getUTCMonth() + 1)) return false;
    const inMonth = daysOfMonth.has(date.getUTCDate());
    const inWeek = weekdays.has(date.getUTCDay());
    return eitherDay ? inMonth || inWeek : inMonth && inWeek;
  }

  /** The due times of one day, given by the wall time of its midnight. */
  #on(day: number): DayTimes {
    // A change that skips midnight belongs to both days.
    const begin = this.zone.resolve(day);
    const end = this.zone.resolve(day + DAY_MILLISECONDS);
    const changes = this.zone.changes(begin - 1, end);
    if (changes.length === 0) return new DayTimes(this.#timesOfDay, begin);
    const instants = this.#timesOfDay.flatMap((time) =>
      this.cron.isFixed ? [this.zone.resolve(day + time)] : this.zone.instants(day + time),
    );
    const isFirstOfNext = (instant: number) => instant >= end && this.#isDay(day + DAY_MILLISECONDS);
    const isNextDue = this.cron.isFixed && this.#timesOfDay[0] === 0;
    const own = instants.filter((instant) => !(isNextDue && isFirstOfNext(instant)));
    return new DayTimes(
      [...new Set(own)].sort((a, b) => a - b),
      0,
    );
  }
}

/** The due times of a day: ascending, and all counted from one instant, so that most days share them. */
class DayTimes {
  constructor(
    readonly times: readonly number[],
    readonly origin: number,
  ) {}

  after(instant: number): number | undefined {
    const time = this.times[this.#upTo(instant)];
    return time === undefined ? undefined : this.origin + time;
  }

  latest(upTo: number): number | undefined {
    const time = this.times[this.#upTo(upTo) - 1];
    return time === undefined ? undefined : this.origin + time;
  }

  count(after: number, upTo: number): number {
    return this.#upTo(upTo) - this.#upTo(after);
  }

  /** How many there are up to an instant. */
  #upTo(instant: number): number {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.origin + (this.times[middle] ?? 0) <= instant) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
