import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BufferPool } from './buffer-pool.js';
import { Delay, DelayLine } from './delay.js';

const unit = fc.integer({ min: 0, max: 999_999 }).map((value) => value / 1_000_000);
const arrivals = fc.array(fc.record({ after: fc.integer({ min: 0, max: 50 }), chance: unit }), {
  minLength: 1,
  maxLength: 200,
});
const delays = fc
  .record({ latency: fc.integer({ min: 0, max: 100 }), share: unit })
  .map(({ latency, share }) => ({ latency, jitter: latency * share }));

/** Lets things come in at their times, looks at the line at every millisecond, and returns what left it when. */
function run(arriving: readonly { after: number; chance: number }[], latency: number, jitter: number) {
  const chances = arriving.map(({ chance }) => chance);
  const line = new DelayLine<number>(new Delay(latency, jitter, () => chances.shift() ?? 0));
  const came: number[] = [];
  const left: { item: number; at: number }[] = [];
  let now = 0;
  const until = (end: number) => {
    for (; now <= end; now += 1) for (const item of line.take(now)) left.push({ item, at: now });
    now = end;
  };
  arriving.forEach(({ after }, index) => {
    until(now + after);
    line.push(index, now);
    came.push(now);
  });
  until(now + latency + jitter + 1);
  return { came, left, due: line.due };
}

describe('a delay line', () => {
  test('loses nothing, adds nothing and keeps the order', () => {
    fc.assert(
      fc.property(arrivals, delays, (arriving, { latency, jitter }) => {
        const { left, due } = run(arriving, latency, jitter);
        expect(left.map(({ item }) => item)).toEqual(arriving.map((_, index) => index));
        expect(due).toBeUndefined();
      }),
    );
  });

  test('holds everything for the latency, give or take the jitter, and longer only behind something slower', () => {
    fc.assert(
      fc.property(arrivals, delays, (arriving, { latency, jitter }) => {
        const { came, left } = run(arriving, latency, jitter);
        left.forEach(({ item, at }, index) => {
          const held = at - came[item]!;
          expect(held).toBeGreaterThanOrEqual(Math.floor(latency - jitter));
          expect(held).toBeLessThanOrEqual(Math.ceil(latency + jitter));
          const drawn = latency + (2 * arriving[item]!.chance - 1) * jitter;
          const alone = came[item]! + Math.ceil(drawn - 1e-9);
          expect(at).toBe(Math.max(alone, left[index - 1]?.at ?? 0));
        });
      }),
    );
  });

  test('lets everything through in order once the delay is stopped', () => {
    fc.assert(
      fc.property(arrivals, (arriving) => {
        const delay = new Delay(60_000, 0);
        const line = new DelayLine<number>(delay);
        arriving.forEach((_, index) => {
          line.push(index, index);
        });
        expect(line.take(1_000)).toEqual([]);
        delay.stop();
        expect(line.take(1_000)).toEqual(arriving.map((_, index) => index));
        line.push(7, 1_001);
        expect(line.take(1_001)).toEqual([7]);
      }),
    );
  });

  test('stays fast when it is long', () => {
    const line = new DelayLine<number>(new Delay(10, 0));
    let taken = 0;
    for (let now = 0; now < 300_000; now += 1) {
      line.push(now, now / 1_000);
      taken += line.take(now / 1_000).length;
    }
    expect(taken).toBeGreaterThan(289_000);
  });
});

describe('a delay', () => {
  test('is drawn evenly around the latency, and never below nothing', () => {
    const delay = new Delay(10, 20);
    const drawn = Array.from({ length: 10_000 }, () => delay.draw());
    expect(Math.min(...drawn)).toBe(0);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(30);
    const above = drawn.filter((value) => value > 10).length;
    expect(above).toBeGreaterThan(4_700);
    expect(above).toBeLessThan(5_300);
  });
});

describe('a buffer pool', () => {
  test('always leaves a share to whoever comes next', () => {
    const MEBIBYTE = 1024 * 1024;
    const pool = new BufferPool(64 * MEBIBYTE);
    expect(pool.share).toBe(4 * MEBIBYTE);
    const shares: number[] = [];
    for (let index = 0; index < 100; index += 1) {
      shares.push(pool.share);
      pool.take(pool.share);
    }
    expect(shares.at(-1)).toBe(64 * 1024);
    expect(pool.used).toBeLessThan(70 * MEBIBYTE);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    pool.give(pool.used);
    expect(pool.share).toBe(4 * MEBIBYTE);
  });
});
