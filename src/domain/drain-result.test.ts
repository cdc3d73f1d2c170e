import { describe, expect, test } from '@jest/globals';
import type { Injection, TargetStatus } from '../api/injection.js';
import { anInjection, at } from '../testing/builders.js';
import { drainNotes, drainProgress } from './drain-result.js';

/** One injection of a drain, with these nodes. */
function drainOf(...progress: (TargetStatus['progress'] | undefined)[]): Injection[] {
  const targets = progress.map((_, index) => ({
    kind: 'Node' as const,
    namespace: '',
    name: `n${index}`,
    uid: `${index}`,
  }));
  const injection = anInjection({ step: 'drain', targets });
  const status = progress.map((each, index) => ({
    uid: `${index}`,
    state: 'Reverted' as const,
    time: at(0),
    ...(each && { progress: each }),
  }));
  return [{ ...injection, status: { targets: status } }];
}

describe('what is told of a drain', () => {
  const cases: [string, (TargetStatus['progress'] | undefined)[], string[]][] = [
    ['nothing when all went', [{ done: 3, total: 3, refused: 1 }], []],
    ['nothing of other faults', [undefined], []],
    [
      'what budgets held back, over all nodes',
      [
        { done: 3, total: 3, refused: 0 },
        { done: 4, total: 7, refused: 3, waiting: 'shop/web-1: Cannot evict pod' },
      ],
      ['3 of 10 pods could not be evicted: shop/web-1: Cannot evict pod'],
    ],
    [
      'what took too long',
      [{ done: 1, total: 2, refused: 0, waiting: 'shop/db-0: is ending' }],
      ['1 of 2 pods did not go in time: shop/db-0: is ending'],
    ],
    ['that there was nothing to do', [{ done: 0, total: 0, refused: 0 }], ['no pod had to go']],
    ['what was spared', [{ done: 1, total: 1, refused: 0, spared: 1 }], ['1 protected pod was left']],
  ];
  test.each(cases)('is %s', (_, progress, expected) => {
    expect(drainNotes(drainOf(...progress))).toEqual(expected);
  });
});

test('how far a drain is is summed up over its nodes', () => {
  const first = { done: 2, total: 2, refused: 0, spared: 1 };
  const second = { done: 1, total: 5, refused: 4, waiting: 'shop/web-1: Cannot evict pod' };
  const expected = { done: 3, total: 7, refused: 4, spared: 1, waiting: 'shop/web-1: Cannot evict pod' };
  expect(drainProgress(drainOf(first, second))).toEqual(expected);
  expect(drainProgress(drainOf(undefined))).toBeUndefined();
});
