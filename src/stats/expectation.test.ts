import { describe, expect, test } from '@jest/globals';
import { checkExpectation, type Expectation, judge } from './expectation.js';
import type { WindowSummary } from './window.js';

const minimum = 30;

function summaryOf(changes: Partial<WindowSummary> = {}): WindowSummary {
  const samples = changes.samples ?? 100;
  const succeeded = changes.succeeded ?? samples;
  return {
    samples,
    succeeded,
    ownErrors: 0,
    successRate: (100 * succeeded) / samples,
    latencyP50Milliseconds: 10,
    latencyP95Milliseconds: 20,
    latencyP99Milliseconds: 40,
    consecutiveFailures: 0,
    ...changes,
  };
}

describe('judging', () => {
  test('holds when every limit is kept', () => {
    const expectation: Expectation = {
      successRate: '>= 99%',
      latencyP50: '<= 10ms',
      latencyP95: '< 300ms',
      latencyP99: '< 1s',
      consecutiveFailures: '<= 3',
    };
    expect(judge(expectation, summaryOf({ succeeded: 99, consecutiveFailures: 1 }), { minimum })).toEqual({
      held: true,
      violations: [],
    });
  });

  test('says each limit that was not kept, with the value', () => {
    const summary = summaryOf({
      succeeded: 97,
      latencyP95Milliseconds: 412.3,
      consecutiveFailures: 3,
      lastFailure: 'connection refused',
    });
    const expectation = { successRate: '>= 99%', latencyP95: '< 300ms', consecutiveFailures: '< 3' };
    expect(judge(expectation, summary, { minimum })).toEqual({
      held: false,
      violations: [
        '3 samples in a row failed, expected < 3 (last: connection refused)',
        'success rate was 97%, expected >= 99%: 97 of 100 samples succeeded (last failure: connection refused)',
        'p95 latency was 412ms, expected < 300ms',
      ],
    });
  });

  test('can not tell from fewer samples than the minimum, good or bad', () => {
    for (const succeeded of [29, 0]) {
      const judgement = judge({ successRate: '>= 99%' }, summaryOf({ samples: 29, succeeded }), { minimum });
      expect(judgement).toEqual({ held: undefined, violations: [] });
    }
    expect(judge({ successRate: '>= 0%' }, summaryOf({ samples: 0 }), { minimum: 0 }).held).toBeUndefined();
  });

  test('does not wait for the minimum when a row of failures is already too long', () => {
    const summary = summaryOf({ samples: 5, succeeded: 1, consecutiveFailures: 4 });
    expect(judge({ consecutiveFailures: '<= 3' }, summary, { minimum }).held).toBe(false);
    expect(judge({ consecutiveFailures: '<= 4' }, summary, { minimum }).held).toBeUndefined();
  });

  test.each<[string, Expectation]>([
    ['nothing', {}],
    ['an expression alone', { that: 'object.status.availableReplicas >= 2' }],
  ])('with %s to go by, every sample must succeed', (_, expectation) => {
    expect(judge(expectation, summaryOf(), { minimum: 3 }).held).toBe(true);
    expect(judge(expectation, summaryOf({ succeeded: 99 }), { minimum: 3 })).toEqual({
      held: false,
      violations: ['success rate was 99%, expected == 100%: 99 of 100 samples succeeded'],
    });
  });

  test.each<[string, Expectation]>([
    ['a success rate', { that: 'object.a', successRate: '>= 90%' }],
    ['a limit on failures in a row', { that: 'object.a', consecutiveFailures: '<= 5' }],
  ])('with an expression and %s, single failures are allowed', (_, expectation) => {
    expect(judge(expectation, summaryOf({ succeeded: 95, consecutiveFailures: 5 }), { minimum }).held).toBe(true);
  });

  test('with a percentile alone, only that is judged', () => {
    expect(judge({ latencyP95: '< 300ms' }, summaryOf({ succeeded: 40 }), { minimum }).held).toBe(true);
  });

  test('can not tell a percentile when too few samples have a latency', () => {
    const refused: WindowSummary = {
      samples: 100,
      succeeded: 0,
      ownErrors: 0,
      successRate: 0,
      latencySamples: 0,
      consecutiveFailures: 100,
    };
    expect(judge({ latencyP95: '< 300ms' }, refused, { minimum }).held).toBeUndefined();
    expect(judge({ latencyP95: '< 300ms' }, summaryOf({ latencySamples: 29 }), { minimum }).held).toBeUndefined();
    expect(judge({ latencyP95: '< 300ms', successRate: '>= 50%' }, refused, { minimum }).held).toBe(false);
  });

  test('a share just under the limit is a violation and is not rounded up', () => {
    const summary = summaryOf({ samples: 100_000, succeeded: 98_996 });
    const { held, violations } = judge({ successRate: '>= 99%' }, summary, { minimum });
    expect(held).toBe(false);
    expect(violations[0]).toContain('was 98.996%, expected >= 99%');
  });
});

describe('checking an expectation', () => {
  test('finds nothing wrong with sound limits', () => {
    expect(
      checkExpectation({ successRate: '>= 99%', latencyP99: '< 1s', consecutiveFailures: '<= 3', that: 'x' }),
    ).toEqual([]);
  });

  test('names each limit that can not be read', () => {
    const problems = checkExpectation({ successRate: '99', latencyP95: '< 5', consecutiveFailures: '<= 3s' });
    expect(problems.map(({ field }) => field)).toEqual(['successRate', 'latencyP95', 'consecutiveFailures']);
    expect(problems[0]?.message).toContain("such as '>= 99%'");
  });

  test('refuses a lower limit on failures in a row, which no one can mean', () => {
    expect(checkExpectation({ consecutiveFailures: '>= 3' })).toEqual([
      { field: 'consecutiveFailures', message: expect.stringContaining('expected < or <=') },
    ]);
  });
});
