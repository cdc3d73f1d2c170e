import { isIPv4, isIPv6 } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isWithin, normalisedRange, rangeProblem } from './cidr.js';

describe('a range of addresses', () => {
  test.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.0.0.1', '10.0.0.1/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['192.168.255.255/31', '192.168.255.254/31'],
    [' 10.0.0.1/32 ', '10.0.0.1/32'],
    ['2001:DB8::1', '2001:db8::1/128'],
    ['2001:db8:0:0:8:800:200c:417a/64', '2001:db8::/64'],
    ['::/0', '::/0'],
    ['fe80::1%eth0', undefined],
    ['::ffff:10.0.0.1', '10.0.0.1/32'],
    ['::ffff:10.0.0.1/104', '10.0.0.0/8'],
    ['10.0.0.0/33', undefined],
    ['2001:db8::/129', undefined],
    ['10.0.0.0/', undefined],
    ['10.0.0.0/-1', undefined],
    ['10.0.0.0/8/8', undefined],
    ['10.0.0', undefined],
    ['010.0.0.1', undefined],
    ['1.2.3.4; flush ruleset', undefined],
    ['', undefined],
  ])('%s is %s', (text, expected) => {
    expect(normalisedRange(text)).toBe(expected);
  });

  test('is one that the kernel takes, and stays as it is', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(address, fc.nat(128), (text, length) => {
        const range = normalisedRange(`${text}/${length}`);
        if (range === undefined) return expect(isIPv4(text) && length > 32).toBe(true);
        const [base = '', prefix] = range.split('/');
        expect(isIPv4(base) || isIPv6(base)).toBe(true);
        expect(Number(prefix)).toBeLessThanOrEqual(isIPv4(base) ? 32 : 128);
        expect(normalisedRange(range)).toBe(range);
      }),
    );
  });
});

describe('what is wrong with a range', () => {
  test.each(['10.0.0.0/8', '10.0.0.1', '10.0.0.1/32', '0.0.0.0/0', '2001:DB8::/32', '::/0', '::ffff:10.0.0.1'])(
    'nothing: %s',
    (text) => {
      expect(rangeProblem(text)).toBeUndefined();
    },
  );

  test.each([
    [
      '10.0.0.0/33',
      'is no range of addresses such as 10.0.0.0/8: expected an address, and after a slash at most 32 bits',
    ],
    ['fd00::/129', 'is no range of addresses such as 2001:db8::/32: '],
    ['10.0.0.256', 'is no range of addresses such as 10.0.0.0/8: '],
    ['10.0.0.1/8', 'has bits set beyond its prefix; did you mean the range 10.0.0.0/8, or the address 10.0.0.1?'],
    [
      '2001:db8::1/32',
      'has bits set beyond its prefix; did you mean the range 2001:db8::/32, or the address 2001:db8::1?',
    ],
  ])('%s %s', (text, problem) => {
    expect(rangeProblem(text)).toContain(`'${text}' ${problem}`);
  });

  test.each([
    ['10.0.0.0/8', ['10.0.0.0/8'], true],
    ['10.1.0.0/16', ['192.168.0.0/16', '10.0.0.0/8'], true],
    ['10.0.0.0/8', ['10.0.0.0/9'], false],
    ['10.0.0.0/8', ['::/0'], false],
    ['::1', ['0.0.0.0/0'], false],
    ['10.0.0.0/8', [], false],
  ])('%s is within %j: %s', (inner, outers, expected) => {
    expect(isWithin(inner, outers)).toBe(expected);
  });
});
