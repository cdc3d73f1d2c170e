import { describe, expect, test } from '@jest/globals';
import { difference } from './difference.js';

describe('the difference of two objects', () => {
  const cases: [string, unknown, unknown, unknown][] = [
    ['is nothing when they are equal as JSON', { a: [{ b: 1, c: undefined }] }, { a: [{ b: 1 }] }, undefined],
    ['is nothing whatever the order of fields', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }, undefined],
    ['is nothing for a copy made elsewhere', { a: [{ b: 1 }] }, structuredClone({ a: [{ b: 1 }] }), undefined],
    ['holds what changed, and no more', { a: 1, b: { c: 2, d: 3 } }, { a: 1, b: { c: 2, d: 4 } }, { b: { d: 4 } }],
    ['removes what is gone', { a: 1, b: 2 }, { a: 1 }, { b: null }],
    ['replaces lists whole', { a: [1, 2] }, { a: [1] }, { a: [1] }],
    ['tells a list from an object', { a: [] }, { a: {} }, { a: {} }],
  ];
  test.each(cases)('%s', (_, from, to, expected) => {
    expect(difference(from, to)).toEqual(expected);
  });
});
