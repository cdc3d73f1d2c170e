import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ServerClock } from './clock.js';
import type { Timing } from './timing.js';

/** A monotonic clock that a test moves by hand. */
function manualTiming(): Timing & { moment: number } {
  return {
    moment: 0,
    now() {
      return this.moment;
    },
    schedule: () => () => {},
  };
}

const dateOf = (milliseconds: number): string => new Date(milliseconds).toUTCString();

describe('ServerClock', () => {
  test('is the local clock before the first answer', () => {
    const clock = new ServerClock();
    expect(clock.synced).toBe(false);
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
  });

  test('takes the time of the server, however wrong the local clock is, also when that is behind', () => {
    for (const skew of [600_000, -600_000]) {
      const timing = manualTiming();
      const clock = new ServerClock(timing);
      clock.now();
      const server = Date.now() + skew;
      clock.observe(dateOf(server), 0, 0);
      expect(Math.abs(clock.now() - server)).toBeLessThanOrEqual(1_000);
    }
  });

  test('narrows to the round trip, far below the second of the header', () => {
    const timing = manualTiming();
    const clock = new ServerClock(timing);
    const offset = Date.parse('2026-01-01T00:00:00.731Z');
    for (let count = 0; count < 200; count += 1) {
      timing.moment += 37;
      clock.observe(dateOf(offset + timing.moment + 2), timing.moment, timing.moment + 4);
      timing.moment += 4;
    }
    expect(clock.uncertaintyMs).toBeLessThan(30);
    expect(Math.abs(clock.now() - (offset + timing.moment))).toBeLessThan(30);
  });

  test('never goes backwards and always ends up at the time of a server whose clock is set', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            pause: fc.integer({ min: 0, max: 5_000 }),
            trip: fc.integer({ min: 0, max: 2_000 }),
            step: fc.constantFrom(0, 0, 0, -90_000, 90_000),
          }),
          { minLength: 1, maxLength: 40 },
        ),
        (steps) => {
          const timing = manualTiming();
          const clock = new ServerClock(timing);
          let offset = Date.parse('2026-01-01T00:00:00.500Z');
          let previous = Number.NEGATIVE_INFINITY;
          for (const { pause, trip, step } of steps) {
            timing.moment += pause;
            offset += step;
            const sentAt = timing.moment;
            const date = dateOf(offset + sentAt + trip / 2);
            timing.moment += trip;
            clock.observe(date, sentAt, timing.moment);
            const now = clock.now();
            expect(now).toBeGreaterThanOrEqual(previous);
            previous = now;
          }
          // At half speed a lead of all the steps back is worked off in twice its length.
          for (let count = 0; count < 200; count += 1) {
            timing.moment += 60_000;
            clock.observe(dateOf(offset + timing.moment), timing.moment, timing.moment);
            clock.now();
          }
          expect(Math.abs(clock.now() - (offset + timing.moment))).toBeLessThan(1_000);
        },
      ),
    );
  });

  test('ignores a date that is none', () => {
    const clock = new ServerClock();
    clock.observe(undefined, 0, 0);
    clock.observe('yesterday', 0, 0);
    expect(clock.synced).toBe(false);
  });

  test('prints the two formats of Kubernetes', () => {
    const timing = manualTiming();
    const clock = new ServerClock(timing);
    clock.observe('Thu, 01 Jan 2026 00:00:00 GMT', 0, 0);
    expect(clock.time()).toBe('2026-01-01T00:00:00Z');
    expect(clock.microTime()).toBe('2026-01-01T00:00:00.500000Z');
  });
});
