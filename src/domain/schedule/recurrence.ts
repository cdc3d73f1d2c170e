import type { Schedule } from '../../api/schedule.js';
import { parseDuration } from '../../stats/duration.js';
import { zoneOf } from '../zone.js';
import { parseCron } from './cron.js';
import { CronTimes } from './cron-times.js';

/** Due times without end, in order. All times are milliseconds since the epoch. */
export interface Recurrence {
  /** The first due time after an instant; undefined when there is none within five years. */
  after(instant: number): number | undefined;
  /** The last due time up to an instant and after another one. */
  latest(after: number, upTo: number): number | undefined;
  /** How many due times there are after an instant and up to another one. */
  count(after: number, upTo: number): number;
}

/** Due times at equal distances, counted from `origin`, which is none. */
class Every implements Recurrence {
  constructor(
    readonly period: number,
    readonly origin: number,
  ) {}

  after(instant: number): number {
    return this.origin + this.period * (Math.max(0, this.#index(instant)) + 1);
  }

  latest(after: number, upTo: number): number | undefined {
    const index = this.#index(upTo);
    const found = this.origin + this.period * index;
    return index >= 1 && found > after ? found : undefined;
  }

  count(after: number, upTo: number): number {
    return Math.max(0, Math.max(0, this.#index(upTo)) - Math.max(0, this.#index(after)));
  }

  #index(instant: number): number {
    return Math.floor((instant - this.origin) / this.period);
  }
}

/** What is kept of expressions that were read; each is a few sets. */
const MAX_KNOWN = 2_000;
const known = new Map<string, CronTimes>();

/**
 * The due times of a schedule, without jitter, windows and freezes.
 *
 * @param createdAt when the experiment was created, which `every` counts from
 * @throws RangeError when the expression, the time zone or the duration can't be read
 */
export function recurrenceOf({ cron, every, timeZone }: Schedule, createdAt: number): Recurrence {
  if (every !== undefined) return new Every(parseDuration(every), createdAt);
  const key = `${cron} ${timeZone ?? ''}`;
  const found = known.get(key);
  if (found) return found;
  const zone = zoneOf(timeZone);
  if (!zone) throw new RangeError(`there is no time zone '${timeZone}'`);
  const times = new CronTimes(parseCron(cron ?? ''), zone);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, times);
  return times;
}

/** A schedule's rhythm in words, such as `0 10 * * 1-5 Europe/London`: when it differs the schedule is another one. */
export function rhythm({ cron, every, timeZone }: Schedule): string {
  return every === undefined ? `${cron} ${timeZone ?? 'UTC'}` : `every ${every}`;
}
