import { describe, expect, test } from '@jest/globals';
import { type ComparisonUnit, compare, formatComparison, formatMeasured, parseComparison } from './comparison.js';

describe('reading a limit', () => {
  test.each<[string, ComparisonUnit, string, number]>([
    ['>= 99%', 'percent', '>=', 99],
    ['>99.95%', 'percent', '>', 99.95],
    ['== 100%', 'percent', '==', 100],
    ['< 300ms', 'milliseconds', '<', 300],
    ['<= 1m30s', 'milliseconds', '<=', 90_000],
    ['  <=  3 ', 'count', '<=', 3],
  ])("'%s' as %s", (text, unit, operator, limit) => {
    expect(parseComparison(text, unit)).toEqual({ operator, limit, unit });
  });

  test.each<[string, ComparisonUnit, RegExp]>([
    ['99%', 'percent', /expected an operator .* '>= 99%'/],
    ['>= 101%', 'percent', /percentage/],
    ['>= 99', 'percent', /percentage/],
    ['>= -1%', 'percent', /percentage/],
    ['=> 99%', 'percent', /operator/],
    ['< 300', 'milliseconds', /duration, such as '< 300ms'/],
    ['< 1y', 'milliseconds', /duration/],
    ['<= 3%', 'count', /whole number/],
    ['<= 2.5', 'count', /whole number/],
    ['', 'count', /whole number/],
  ])("'%s' is not a limit of %s", (text, unit, message) => {
    expect(() => parseComparison(text, unit)).toThrow(message);
  });
});

test.each([
  ['< 3', 2, true],
  ['< 3', 3, false],
  ['<= 3', 3, true],
  ['<= 3', 4, false],
  ['> 3', 3, false],
  ['> 3', 4, true],
  ['>= 3', 3, true],
  ['>= 3', 2, false],
  ['== 3', 3, true],
  ['== 3', 2, false],
])("against '%s' the value %d is within the limit: %s", (text, value, within) => {
  expect(compare(value, parseComparison(text, 'count'))).toBe(within);
});

test('a limit is written as it was read', () => {
  expect(formatComparison(parseComparison('>=99.5%', 'percent'))).toBe('>= 99.5%');
  expect(formatComparison(parseComparison('<300ms', 'milliseconds'))).toBe('< 300ms');
  expect(formatComparison(parseComparison('<=3', 'count'))).toBe('<= 3');
});

test('a measured value is never rounded onto a limit that it misses', () => {
  expect(formatMeasured(98.996, parseComparison('>= 99%', 'percent'))).toBe('98.996%');
  expect(formatMeasured(97.33, parseComparison('>= 99%', 'percent'))).toBe('97.3%');
  expect(formatMeasured(300.04, parseComparison('<= 300ms', 'milliseconds'))).toBe('300.04ms');
  expect(formatMeasured(1_000.2, parseComparison('<= 1s', 'milliseconds'))).toBe('1000.2ms');
  expect(formatMeasured(412.4, parseComparison('<= 300ms', 'milliseconds'))).toBe('412ms');
});
