import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatDuration, parseDuration } from './duration.js';

describe('reading a duration', () => {
  test.each([
    ['250ms', 250],
    ['1s', 1_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['2h0m0.5s', 7_200_500],
    ['15us', 0.015],
    ['0s', 0],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds, 9);
  });

  test.each(['5', '-1s', '1y', '', '0', 's', '1 s', '1s ', '.5s', '1e3s', '1m-3s', '1S'])(
    "'%s' is refused with an example of what is expected",
    (text) => {
      expect(() => parseDuration(text)).toThrow(/is not a duration: expected .* 30s/);
    },
  );
});

describe('writing a duration', () => {
  test.each([
    [0, '0s'],
    [0.4219, '422us'],
    [1.5, '1.5ms'],
    [299.6, '300ms'],
    [3_400, '3.4s'],
    [90_000, '1m30s'],
    [7_200_000, '2h'],
    [3_601_000, '1h1s'],
    [999.9, '1s'],
    [59_999.7, '1m'],
    [-250, '-250ms'],
  ])('%d ms is %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  test('whole milliseconds from a second up survive being written and read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 1_000_000_000 }), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBeCloseTo(milliseconds, 3);
      }),
    );
  });
});
