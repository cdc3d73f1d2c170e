import { describe, expect, test } from '@jest/globals';
import { type LabelSelector, selects } from './selector.js';

const labels = { app: 'shop', tier: 'front', constructor: 'x' };

describe('a label selector', () => {
  test.each<[string, LabelSelector, boolean]>([
    ['a label with its value', { matchLabels: { app: 'shop' } }, true],
    ['a label with another value', { matchLabels: { app: 'mail' } }, false],
    [
      'a label that only every object of the language has',
      { matchExpressions: [{ key: 'toString', operator: 'Exists' }] },
      false,
    ],
    ['one of several values', { matchExpressions: [{ key: 'tier', operator: 'In', values: ['front', 'back'] }] }, true],
    ['none of several values', { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['front'] }] }, false],
    [
      'none of the values of a label that is missing',
      { matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] },
      true,
    ],
    ['a label that is missing', { matchExpressions: [{ key: 'zone', operator: 'DoesNotExist' }] }, true],
    ['both halves', { matchLabels: { app: 'shop' }, matchExpressions: [{ key: 'zone', operator: 'Exists' }] }, false],
    ['nothing, which is everything', {}, true],
  ])('that asks for %s', (_words, selector, expected) => {
    expect(selects(selector, labels)).toBe(expected);
  });
});
