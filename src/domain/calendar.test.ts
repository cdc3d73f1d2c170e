import { describe, expect, test } from '@jest/globals';
import { admits, frozenBy, isDate, isOpen, nextOpen, openSpans, openUntil } from './calendar.js';

const time = (text: string) => Date.parse(text);
const text = (instant: number | undefined) => instant && new Date(instant).toISOString().slice(0, 16);

const office = { days: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'] as const, from: '09:30', to: '17:00' };
const officeHours = [{ ...office, days: [...office.days] }];
const nights = [{ from: '22:00', to: '06:00', timeZone: 'Europe/Berlin' }];

describe('a window', () => {
  test.each([
    ['2026-11-20T09:29:59Z', false],
    ['2026-11-20T09:30:00Z', true],
    ['2026-11-20T16:59:59Z', true],
    ['2026-11-20T17:00:00Z', false],
    ['2026-11-21T12:00:00Z', false],
  ])('of weekdays at %s is open: %s', (at, open) => {
    expect(isOpen(officeHours, time(at))).toBe(open);
  });

  test('that ends before it begins ends on the next day', () => {
    expect(text(nextOpen([{ windows: nights }], time('2026-07-01T12:00:00Z')))).toBe('2026-07-01T20:00');
    expect(isOpen(nights, time('2026-07-02T03:59:00Z'))).toBe(true);
    expect(isOpen(nights, time('2026-07-02T04:00:00Z'))).toBe(false);
  });

  test('that begins on Friday evening is open on Saturday morning, and no other day', () => {
    const friday = [{ days: ['Fri' as const], from: '22:00', to: '02:00' }];
    const open = openSpans([{ windows: friday }], {
      from: time('2026-11-16T00:00:00Z'),
      to: time('2026-11-30T00:00:00Z'),
    });
    expect(open.map(({ from, to }) => `${text(from)}/${text(to)}`)).toEqual([
      '2026-11-20T22:00/2026-11-21T02:00',
      '2026-11-27T22:00/2026-11-28T02:00',
    ]);
  });

  test('that begins when it ends is a whole day', () => {
    const sunday = [{ days: ['Sun' as const], from: '00:00', to: '00:00' }];
    expect(text(nextOpen([{ windows: sunday }], time('2026-11-20T00:00:00Z')))).toBe('2026-11-22T00:00');
    expect(text(openUntil([{ windows: sunday }], time('2026-11-22T05:00:00Z'), time('2027-01-01T00:00:00Z')))).toBe(
      '2026-11-23T00:00',
    );
  });

  test('keeps to the clocks of its zone on the days on which they are set', () => {
    const windows = [{ from: '01:30', to: '03:00', timeZone: 'America/New_York' }];
    // 2:00 to 3:00 is skipped on 8 March, 1:00 to 2:00 repeated on 1 November.
    const spans = (from: string, to: string) =>
      openSpans([{ windows }], { from: time(from), to: time(to) }).map(({ from: a, to: b }) => `${text(a)}/${text(b)}`);
    expect(spans('2026-03-08T00:00:00Z', '2026-03-09T00:00:00Z')).toEqual(['2026-03-08T06:30/2026-03-08T07:00']);
    expect(spans('2026-11-01T00:00:00Z', '2026-11-02T00:00:00Z')).toEqual(['2026-11-01T05:30/2026-11-01T08:00']);
  });

  test('in an hour that the clocks skip does not open on that day', () => {
    const windows = [{ from: '02:10', to: '02:50', timeZone: 'America/New_York' }];
    expect(text(nextOpen([{ windows }], time('2026-03-08T00:00:00Z')))).toBe('2026-03-09T06:10');
  });

  test('overlapping others adds up with them, and what touches is one span', () => {
    const windows = [
      { from: '08:00', to: '12:00' },
      { from: '10:00', to: '14:00' },
      { from: '14:00', to: '15:00' },
    ];
    expect(text(openUntil([{ windows }], time('2026-11-20T08:30:00Z'), time('2026-11-22T00:00:00Z')))).toBe(
      '2026-11-20T15:00',
    );
  });

  test('of a zone that does not exist never opens', () => {
    const windows = [{ from: '00:00', to: '00:00', timeZone: 'Mars/Olympus' }];
    expect(isOpen(windows, time('2026-11-20T00:00:00Z'))).toBe(false);
    expect(nextOpen([{ windows }], time('2026-11-20T00:00:00Z'))).toBeUndefined();
  });
});

describe('a freeze', () => {
  test('is of whole days of its zone, the last one included', () => {
    const freezes = [{ from: '2026-12-20', to: '2026-12-26', timeZone: 'Asia/Tokyo', reason: 'peak' }];
    expect(frozenBy(freezes, time('2026-12-19T14:59:59Z'))).toBeUndefined();
    expect(frozenBy(freezes, time('2026-12-19T15:00:00Z'))?.reason).toBe('peak');
    expect(frozenBy(freezes, time('2026-12-26T14:59:59Z'))?.reason).toBe('peak');
    expect(frozenBy(freezes, time('2026-12-26T15:00:00Z'))).toBeUndefined();
  });

  test('wins over windows, and of several calendars all must admit', () => {
    const own = { windows: officeHours };
    const policy = { freezes: [{ from: '2026-11-20', to: '2026-11-24' }], windows: [{ from: '12:00', to: '13:00' }] };
    expect(admits([own, policy], time('2026-11-20T12:30:00Z'))).toBe(false);
    expect(text(nextOpen([own, policy], time('2026-11-20T12:30:00Z')))).toBe('2026-11-25T12:00');
    expect(admits([own, policy], time('2026-11-25T12:30:00Z'))).toBe(true);
  });

  test('of a date that does not exist covers what can be meant', () => {
    expect([isDate('2026-02-30'), isDate('2026-13-01'), isDate('2028-02-29'), isDate('2026-02-29')]).toEqual([
      false,
      false,
      true,
      false,
    ]);
    const freezes = [{ from: '2026-02-30', to: '2026-02-31' }];
    expect(frozenBy(freezes, time('2026-02-28T00:00:00Z'))).toBeDefined();
    expect(frozenBy(freezes, time('2026-03-03T12:00:00Z'))).toBeDefined();
  });

  test('without an end in sight leaves nothing open', () => {
    expect(
      nextOpen([{ freezes: [{ from: '2026-01-01', to: '9999-12-31' }] }], time('2026-11-20T00:00:00Z')),
    ).toBeUndefined();
  });
});
