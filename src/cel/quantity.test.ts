import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseQuantity } from './quantity.js';

function compare(a: string, b: string): number {
  const difference = parseQuantity(a).nanos - parseQuantity(b).nanos;
  return Math.sign(Number(difference));
}

test.each([
  ['100m', '0.1'],
  ['1Gi', '1024Mi'],
  ['1.5k', '1500'],
  ['2e3', '2k'],
  ['2E3', '2k'],
  ['1E', '1000P'],
  ['-500m', '-.5'],
  ['5.', '5'],
  ['1500u', '1.5m'],
  ['1e-3', '1m'],
])('%s equals %s', (a, b) => {
  expect(compare(a, b)).toBe(0);
});

test('quantities are ordered by their value', () => {
  const ordered = [
    '-1',
    '0',
    '1n',
    '999m',
    '1',
    '1k',
    '1Ki',
    '1M',
    '1Mi',
    '1G',
    '1Gi',
    '1T',
    '1Ti',
    '1P',
    '1Pi',
    '1E',
    '1Ei',
  ];
  fc.assert(
    fc.property(fc.nat(ordered.length - 1), fc.nat(ordered.length - 1), (a, b) => {
      expect(compare(ordered[a]!, ordered[b]!)).toBe(Math.sign(a - b));
    }),
  );
});

test.each(['', 'abc', '1 Gi', '1gi', '1K', '--1', '.', '1e400', '9'.repeat(65)])("'%s' is not a quantity", (text) => {
  expect(() => parseQuantity(text)).toThrow('is not a quantity');
});
