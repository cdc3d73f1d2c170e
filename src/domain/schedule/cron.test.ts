import { describe, expect, test } from '@jest/globals';
import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import { type Zone, zoneOf } from '../zone.js';
import { parseCron } from './cron.js';
import { CronTimes } from './cron-times.js';

const START = Date.UTC(2024, 0, 1);
const utc = zoneOf() as Zone;

function times(text: string, zone = utc): CronTimes {
  return new CronTimes(parseCron(text), zone);
}

describe('a cron expression', () => {
  test.each([
    ['', 'there are none'],
    ['   ', 'there are none'],
    ['* * * *', 'there are 4'],
    ['0 0 * * * *', 'there are 6'],
    ['@every 5m', 'use `every` instead'],
    ['@reboot', 'is not a macro'],
    ['@', 'is not a macro'],
    ['TZ=Europe/London 0 10 * * *', 'given in `timeZone`'],
    ['CRON_TZ=Europe/London 0 10 * * *', 'given in `timeZone`'],
    ['H * * * *', "'H' is not a minute"],
    ['0 H/2 * * *', "'H/2' is not a hour"],
    ['0 0 L * *', "'L' is not a day of the month"],
    ['0 0 15W * *', "'15W' is not a day of the month"],
    ['0 0 * * 1#2', "'1#2' is not a day of the week"],
    ['0 0 * * 5L', "'5L' is not a day of the week"],
    ['60 * * * *', '60'],
    ['0 24 * * *', '24'],
    ['0 0 0 * *', '0'],
    ['0 0 * 13 *', '13'],
    ['0 0 * * 8', '8'],
    ['*/0 * * * *', '0'],
    ['5-1 * * * *', '5-1'],
    ['0 0 * * foo', 'foo'],
    ['0 0 31 2 *', 'never due'],
    ['0 0 30 feb *', 'never due'],
    ['0 0 31 4,6,9,11 *', 'never due'],
    ['0 0 * * mon-', "'mon-'"],
    ['; rm -rf / *', "';'"],
  ])("'%s' is refused: %s", (text, reason) => {
    expect(() => parseCron(text)).toThrow(reason);
  });

  test.each([
    ['0 10 * * 1-5', '2024-01-01T10:00'],
    ['0 10 * JAN,mar Mon-FRI', '2024-01-01T10:00'],
    ['@daily', '2024-01-02T00:00'],
    ['@hourly', '2024-01-01T01:00'],
    ['@weekly', '2024-01-07T00:00'],
    ['@monthly', '2024-02-01T00:00'],
    ['@yearly', '2025-01-01T00:00'],
    ['0 0 29 2 *', '2024-02-29T00:00'],
    ['0 0 31 2 1', '2024-02-05T00:00'],
    ['0 0 ? * 7', '2024-01-07T00:00'],
    ['30,0 5 * * *', '2024-01-01T05:00'],
    ['  */15   *  * * *  ', '2024-01-01T00:15'],
  ])("'%s' is next due at %s", (text, expected) => {
    expect(new Date(times(text).after(START) ?? 0).toISOString().slice(0, 16)).toBe(expected);
  });

  test('with both kinds of days restricted means either, also when a day is written as a step', () => {
    expect(times('0 0 13 * 5').count(START, START + 366 * 86_400_000)).toBe(52 + 12 - 2);
    expect(times('0 0 * * 5').count(START, START + 365 * 86_400_000)).toBe(52);
  });
});

const field = (low: number, high: number) =>
  fc.oneof(
    fc.constant('*'),
    fc.integer({ min: low, max: high }).map(String),
    fc.integer({ min: 2, max: 20 }).map((step) => `*/${step}`),
    fc
      .uniqueArray(fc.integer({ min: low, max: high }), { minLength: 2, maxLength: 2 })
      .map(([a = 0, b = 0]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.uniqueArray(fc.integer({ min: low, max: high }), { minLength: 2, maxLength: 4 }).map((list) => list.join(',')),
  );
// 28, so that none is a day that no month has.
const expression = fc
  .tuple(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
  .map((fields) => fields.join(' '));
const instant = fc.integer({ min: 0, max: 400 * 1_440 }).map((minutes) => START + minutes * 60_000);

describe('due times in UTC', () => {
  test('are those of cron-parser', () => {
    fc.assert(
      fc.property(expression, instant, (text, from) => {
        const theirs = CronExpressionParser.parse(text, { tz: 'UTC', currentDate: new Date(from) });
        const ours = times(text);
        let at: number | undefined = from;
        for (let index = 0; index < 10; index += 1) {
          at = ours.after(at ?? 0);
          expect(at).toBe(theirs.next().getTime());
        }
      }),
      { numRuns: 150 },
    );
  });

  test('are counted as one by one, and the latest is the last of them, in a zone whose clocks are set at midnight', () => {
    const nuuk = zoneOf('America/Nuuk') ?? utc;
    const length = fc.integer({ min: 0, max: 40 * 1_440 });
    fc.assert(
      fc.property(expression, instant, length, (text, from, minutes) => {
        const ours = times(text, nuuk);
        const to = from + minutes * 60_000;
        const all: number[] = [];
        for (let at = ours.after(from); at !== undefined && at <= to; at = ours.after(at)) all.push(at);
        expect(ours.count(from, to)).toBe(all.length);
        expect(ours.latest(from, to)).toBe(all.at(-1));
      }),
      { numRuns: 150 },
    );
  });
});
