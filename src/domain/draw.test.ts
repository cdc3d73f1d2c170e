import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aPod, aStep, killFacts, pods, START, type StepOverrides } from '../testing/builders.js';
import { digestOf, draw, funnel, seedOf } from './draw.js';
import type { Candidate } from './observed.js';

function drawn(from: readonly Candidate[], targets: StepOverrides = {}, seed = 1, exclude?: ReadonlySet<string>) {
  const { targets: asked } = aStep('kill', targets);
  return draw(from, asked, { seed, key: 'kill', now: START, fault: killFacts, ...(exclude && { exclude }) });
}

const names = (from: readonly Candidate[]) => from.map(({ name }) => name);

describe('a draw', () => {
  const sizes: [string, StepOverrides, number, number][] = [
    ['one pod when nothing is said', {}, 4, 1],
    ['as many as asked for', { count: 3 }, 4, 3],
    ['all when there are fewer than asked for', { count: 9 }, 4, 4],
    ['a share, rounded down', { percent: 50 }, 5, 2],
    ['at least one of a share', { percent: 1 }, 5, 1],
    ['all of 100 percent', { percent: 100 }, 5, 5],
    ['99 percent of 100 as 99', { percent: 99 }, 100, 99],
    ['nothing of nothing', { percent: 100 }, 0, 0],
  ];
  test.each(sizes)('takes %s', (_, targets, candidates, expected) => {
    expect(drawn(pods(candidates), targets).chosen).toBe(expected);
  });

  const filters: [string, Partial<Candidate>, StepOverrides][] = [
    ['terminating', { terminating: true }, {}],
    ['completed', { completed: true }, {}],
    ['notReady', { ready: false }, {}],
    ['tooYoung', { createdAt: START - 9_999 }, {}],
    ['protected', { protected: true }, { unmanaged: true }],
    ['unmanaged', { managed: false }, {}],
  ];
  test.each(filters)('removes pods that are %s and says so', (name, overrides, targets) => {
    const result = drawn([aPod('bad', overrides), aPod('good')], { count: 2, ...targets });
    expect(names(result.order)).toEqual(['good']);
    expect(result.removed).toMatchObject({ [name]: 1 });
    expect(result.matched).toBe(2);
  });

  test('counts each pod once, under the first filter that takes it out', () => {
    const { removed } = drawn([aPod('bad', { terminating: true, ready: false, protected: true })]);
    expect(Object.values(removed).reduce((sum, each) => sum + each)).toBe(1);
    expect(removed.terminating).toBe(1);
  });

  test('admits pods that nothing replaces only when asked to', () => {
    expect(drawn([aPod('lone', { managed: false })], { unmanaged: true }).chosen).toBe(1);
  });

  test('admits a pod that is exactly `minAge` old', () => {
    expect(drawn([aPod('young', { createdAt: START - 10_000 })]).chosen).toBe(1);
  });

  test('leaves out those that were drawn before', () => {
    const { order } = drawn(pods(4), { count: 4 }, 1, new Set(['uid-pod-1', 'uid-pod-2']));
    expect(names(order).sort()).toEqual(['pod-0', 'pod-3']);
  });

  test('does not depend on the order in which pods are listed', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(pods(12), { minLength: 12 }), fc.nat(), (shuffled, seed) => {
        expect(names(drawn(shuffled, {}, seed).order)).toEqual(names(drawn(pods(12), {}, seed).order));
      }),
      { numRuns: 50 },
    );
  });

  test('keeps the order of those that stay when others come and go', () => {
    fc.assert(
      fc.property(fc.subarray(pods(12)), (some) => {
        const all = names(drawn(pods(12)).order);
        expect(names(drawn(some).order)).toEqual(all.filter((name) => some.some((pod) => pod.name === name)));
      }),
      { numRuns: 50 },
    );
  });

  test('differs between seeds and between steps, and reaches every pod', () => {
    const first = (seed: number, key: string) =>
      draw(pods(5), aStep(key).targets, { seed, key, now: START, fault: killFacts }).order[0]?.name;
    const seeds = Array.from({ length: 100 }, (_, seed) => seed);
    expect(new Set(seeds.map((seed) => first(seed, 'kill'))).size).toBe(5);
    expect(seeds.some((seed) => first(seed, 'kill') !== first(seed, 'other'))).toBe(true);
  });
});

describe('a seed', () => {
  test('follows from the UID and fits a safe integer', () => {
    expect(seedOf('a')).toBe(seedOf('a'));
    expect(seedOf('a')).not.toBe(seedOf('b'));
    expect(Number.isSafeInteger(seedOf('anything'))).toBe(true);
  });
});

describe('a digest', () => {
  test('is that of the set, whatever its order', () => {
    expect(digestOf(['a', 'b'])).toBe(digestOf(['b', 'a']));
    expect(digestOf(['a', 'b'])).not.toBe(digestOf(['a']));
    expect(digestOf(['a'])).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

describe('the funnel', () => {
  const none = { terminating: 0, completed: 0, notReady: 0, tooYoung: 0, protected: 0, unmanaged: 0, unreachable: 0 };

  test('names what each filter removed and passes over those that removed nothing', () => {
    const removed = { ...none, notReady: 12, terminating: 2 };
    expect(funnel({ matched: 14, removed, candidates: 0 })).toBe('0 of 14: 2 terminating, 12 not Ready');
  });

  test('says only how many when nothing was removed', () => {
    expect(funnel({ matched: 3, removed: none, candidates: 3 })).toBe('3 of 3');
  });
});
