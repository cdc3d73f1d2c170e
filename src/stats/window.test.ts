import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LatencyHistogram, nearestRank, relativeError } from './histogram.js';
import { mergeSummaries, type Sample, SampleWindow, SlidingWindow } from './window.js';

const latency = fc.double({ min: 0.001, max: 3_600_000, noNaN: true });

const sample: fc.Arbitrary<Sample> = fc.oneof(
  fc.record({ at: fc.nat(), ok: fc.constant(true), latencyMilliseconds: latency }),
  fc.record({ at: fc.nat(), ok: fc.constant(false), latencyMilliseconds: latency, detail: fc.string() }),
  fc.record({ at: fc.nat(), ok: fc.constant(false), detail: fc.constantFrom('refused', 'status 503') }),
  fc.record({ at: fc.nat(), ok: fc.boolean(), own: fc.constant(true) }),
);

function windowOf(samples: readonly Sample[]): SampleWindow {
  const window = new SampleWindow();
  for (const one of samples) window.add(one);
  return window;
}

const success = (at: number, latencyMilliseconds = 10): Sample => ({ at, ok: true, latencyMilliseconds });
const failure = (at: number, detail = 'refused'): Sample => ({ at, ok: false, detail });
const own = (at: number): Sample => ({ at, ok: false, own: true, detail: 'sent 40ms late' });

describe('the latency histogram', () => {
  test('gives every quantile within 1 % of the value at its rank', () => {
    fc.assert(
      fc.property(
        fc.array(latency, { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (values, quantile) => {
          const histogram = new LatencyHistogram();
          for (const value of values) histogram.record(value);
          const sorted = [...values].sort((a, b) => a - b);
          const exact = sorted[nearestRank(quantile, sorted.length) - 1]!;
          expect(Math.abs(histogram.quantile(quantile)! - exact)).toBeLessThanOrEqual(exact * relativeError * 1.0001);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('keeps values outside its range at the ends', () => {
    const histogram = new LatencyHistogram();
    histogram.record(0);
    expect(histogram.quantile(1)).toBeCloseTo(0.001, 9);
    histogram.record(1e12);
    expect(histogram.quantile(1)! / 3_600_000).toBeCloseTo(1, 1);
    expect(histogram.total).toBe(2);
  });

  test('has no quantile when nothing was recorded', () => {
    expect(new LatencyHistogram().quantile(0.5)).toBeUndefined();
  });

  test('takes the 19th of 20 values for the 95th percentile', () => {
    expect(nearestRank(0.95, 20)).toBe(19);
    expect(nearestRank(0.99, 100)).toBe(99);
    expect(nearestRank(0.5, 1)).toBe(1);
    expect(nearestRank(0.55, 100)).toBe(55);
  });
});

describe('a window', () => {
  test('is empty at first and claims nothing', () => {
    expect(new SampleWindow().summary()).toEqual({
      samples: 0,
      succeeded: 0,
      ownErrors: 0,
      successRate: 0,
      latencySamples: 0,
      consecutiveFailures: 0,
    });
  });

  test('counts our own errors as neither success nor failure', () => {
    const window = windowOf([success(0), failure(1), own(2), failure(3)]);
    expect(window.summary()).toMatchObject({ samples: 3, succeeded: 1, ownErrors: 1, consecutiveFailures: 2 });
    expect(window.summary().successRate).toBeCloseTo(33.333, 3);
    expect(window.lastOwnError).toBe('sent 40ms late');
  });

  test('tells of an error of a sample that was tried rather than of later ones that were not', () => {
    const untried = (at: number): Sample => ({ ...own(at), untried: true, detail: 'not sent' });
    expect(windowOf([untried(1), untried(2)]).lastOwnError).toBe('not sent');
    expect(windowOf([untried(1), own(2), untried(3)]).lastOwnError).toBe('sent 40ms late');
  });

  test('remembers the longest row of failures, the current one, the first and the last failure', () => {
    const window = windowOf([success(0), failure(1), failure(2), failure(3), success(4), failure(5, 'status 503')]);
    expect(window.summary()).toMatchObject({ consecutiveFailures: 3, lastFailure: 'status 503' });
    expect(window.failuresInARow).toBe(1);
    expect(window.firstFailureAt).toBe(1);
  });

  test('does not let quick failures improve the percentiles, and counts a timeout as long as it took', () => {
    const slow = Array.from({ length: 50 }, (_, index) => success(index, 400));
    const refused = Array.from({ length: 50 }, (_, index) => failure(50 + index));
    expect(windowOf([...slow, ...refused]).summary().latencyP50Milliseconds).toBeCloseTo(400, -1);
    const timedOut: Sample = { at: 100, ok: false, latencyMilliseconds: 1_000, detail: 'no answer within 1s' };
    expect(windowOf([...slow, timedOut]).summary().latencyP99Milliseconds).toBeCloseTo(1_000, -2);
  });

  test('agrees with a plain count over any samples', () => {
    fc.assert(
      fc.property(fc.array(sample), (samples) => {
        const counted = samples.filter((one) => !one.own);
        const summary = windowOf(samples).summary();
        expect(summary.samples).toBe(counted.length);
        expect(summary.succeeded).toBe(counted.filter(({ ok }) => ok).length);
        expect(summary.ownErrors).toBe(samples.length - counted.length);
        expect(summary.latencySamples).toBe(counted.filter((one) => one.latencyMilliseconds !== undefined).length);
      }),
    );
  });
});

describe('a sliding window', () => {
  test('holds the newest samples and says when the oldest of them was sent', () => {
    const window = new SlidingWindow(3);
    for (const one of [failure(1), success(2), own(3), success(4)]) window.add(one);
    expect([window.full, window.firstAt, window.lastAt]).toEqual([true, 1, 4]);
    expect(window.summary().succeeded).toBe(2);
    window.add(success(5, 30));
    expect([window.firstAt, window.lastAt]).toEqual([2, 5]);
    expect(window.summary()).toEqual({
      samples: 3,
      succeeded: 3,
      ownErrors: 0,
      successRate: 100,
      latencySamples: 3,
      latencyP50Milliseconds: 10,
      latencyP95Milliseconds: 30,
      latencyP99Milliseconds: 30,
      consecutiveFailures: 0,
    });
  });

  test('is not full before it has all its samples', () => {
    const window = new SlidingWindow(2);
    expect([window.full, window.firstAt]).toEqual([false, undefined]);
    window.add(success(1));
    expect(window.full).toBe(false);
  });

  test('counts what a window over the same samples counts', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (samples, size) => {
        const sliding = new SlidingWindow(size);
        for (const one of samples) sliding.add(one);
        const newest = windowOf(samples.filter((one) => !one.own).slice(-size)).summary();
        const counts = ({
          latencyP50Milliseconds,
          latencyP95Milliseconds,
          latencyP99Milliseconds,
          ...rest
        }: typeof newest) => rest;
        expect(counts(sliding.summary())).toEqual(counts(newest));
      }),
    );
  });
});

describe('merging a checkpoint with what came after it', () => {
  test('adds the counts and never looks better than the whole', () => {
    fc.assert(
      fc.property(fc.array(sample), fc.array(sample), (before, after) => {
        const whole = windowOf([...before, ...after]).summary();
        const merged = mergeSummaries(windowOf(before).summary(), windowOf(after).summary());
        const { samples, succeeded, ownErrors, latencySamples, successRate } = whole;
        expect(merged).toMatchObject({ samples, succeeded, ownErrors, latencySamples, successRate });
        for (const name of ['latencyP50Milliseconds', 'latencyP95Milliseconds', 'latencyP99Milliseconds'] as const) {
          // Both sides carry the histogram's own error.
          expect(merged[name] ?? 0).toBeGreaterThanOrEqual((whole[name] ?? 0) * (1 - 2 * relativeError));
        }
      }),
    );
  });

  test('is the other one when one of them is empty', () => {
    fc.assert(
      fc.property(fc.array(sample), (samples) => {
        const summary = windowOf(samples).summary();
        expect(mergeSummaries(summary, new SampleWindow().summary())).toEqual(summary);
        expect(mergeSummaries(new SampleWindow().summary(), summary)).toEqual(summary);
      }),
    );
  });

  test('does not join rows of failures over the gap, and keeps the later failure', () => {
    const merged = mergeSummaries(
      windowOf([failure(1), failure(2, 'refused')]).summary(),
      windowOf([failure(9, 'status 503')]).summary(),
    );
    expect(merged).toMatchObject({ consecutiveFailures: 2, lastFailure: 'status 503' });
  });
});
