import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RefusedError } from '../handler.js';
import {
  addressSets,
  familyProblem,
  formatAddress,
  formatRange,
  mergeRanges,
  parseRange,
  rangesMeet,
} from './addresses.js';

const inNft = (...ranges: string[]) => mergeRanges(ranges.map(parseRange)).map(formatRange);

describe('a range', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['10.1.2.3/8', '10.0.0.0-10.255.255.255'],
    ['0.0.0.0/0', '0.0.0.0-255.255.255.255'],
    ['255.255.255.255/32', '255.255.255.255'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:DB8::/32', '2001:db8:0:0:0:0:0:0-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['::', '0:0:0:0:0:0:0:0'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::ffff:1.2.3.4', '0:0:0:0:0:ffff:102:304'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
  ])('%s is %s to nft', (text, expected) => {
    expect(inNft(text)).toEqual([expected]);
  });

  test.each([
    '',
    'localhost',
    '10.0.0',
    '10.0.0.1/33',
    '::/129',
    '10.0.0.1/',
    '10.0.0.1/-1',
    '10.0.0.1/8/8',
    '1;2',
    '@a',
  ])("'%s' is refused", (text) => {
    expect(() => parseRange(text)).toThrow(RefusedError);
    expect(() => parseRange(text)).toThrow(/is not an address or a range such as/);
  });

  test('of every address and prefix holds it, and as many as it says', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, prefix) => {
        const { from, to } = parseRange(`${address}/${prefix}`);
        const { from: number } = parseRange(address);
        expect(from <= number && number <= to).toBe(true);
        expect(to - from + 1n).toBe(2n ** BigInt(32 - prefix));
        expect(formatAddress(4, number)).toBe(address);
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 0, max: 128 }), (address, prefix) => {
        const { from, to } = parseRange(`${address}/${prefix}`);
        const { from: number } = parseRange(address);
        expect(from <= number && number <= to).toBe(true);
        expect(to - from + 1n).toBe(2n ** BigInt(128 - prefix));
        expect(parseRange(formatAddress(6, number)).from).toBe(number);
      }),
    );
  });
});

describe('ranges', () => {
  test('become one where they overlap or touch', () => {
    expect(inNft('10.0.1.0/24', '10.0.0.0/24', '10.0.0.7', 'fd00::1', 'fd00::', '10.0.3.0/24', '10.0.2.255')).toEqual([
      '10.0.0.0-10.0.1.255',
      '10.0.2.255-10.0.3.255',
      'fd00:0:0:0:0:0:0:0-fd00:0:0:0:0:0:0:1',
    ]);
  });

  test('of different versions never meet', () => {
    expect(rangesMeet(mergeRanges([parseRange('0.0.0.0/0')]), mergeRanges([parseRange('::/0')]))).toBe(false);
  });

  test('meet when an address is in both', () => {
    const smallRange = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 4 }));
    fc.assert(
      fc.property(fc.array(smallRange), fc.array(smallRange), (one, other) => {
        const ranges = (list: [number, number][]) =>
          mergeRanges(
            list.map(([from, size]) => ({ version: 4 as const, from: BigInt(from), to: BigInt(from + size) })),
          );
        const numbers = (list: [number, number][]) =>
          new Set(list.flatMap(([from, size]) => Array.from({ length: size + 1 }, (_, index) => from + index)));
        const others = numbers(other);
        expect(rangesMeet(ranges(one), ranges(other))).toBe([...numbers(one)].some((number) => others.has(number)));
        const merged = ranges(one);
        expect(merged.reduce((sum, { from, to }) => sum + Number(to - from) + 1, 0)).toBe(numbers(one).size);
      }),
    );
  });
});

describe('endpoints', () => {
  test('are each there once', () => {
    const endpoint = { address: '::1', port: 80, protocol: 'TCP' as const };
    const { endpoints } = addressSets({ ranges: [], endpoints: [endpoint, { ...endpoint, address: '0:0::1' }] });
    expect(endpoints).toEqual([{ ...endpoint, address: '0:0:0:0:0:0:0:1' }]);
  });

  test.each([
    { address: '10.0.0.0/24', port: 80, protocol: 'TCP' },
    { address: '10.0.0.1', port: 0, protocol: 'TCP' },
    { address: '10.0.0.1', port: 65_536, protocol: 'TCP' },
    { address: '10.0.0.1', port: 1.5, protocol: 'TCP' },
    { address: '10.0.0.1', port: 80, protocol: 'tcp . 80 }' as 'TCP' },
  ] as const)('%j is refused', (endpoint) => {
    expect(() => addressSets({ ranges: [], endpoints: [endpoint] })).toThrow(RefusedError);
  });
});

describe('peers of the other IP version', () => {
  const peers = (...ranges: string[]) => ({ ranges, endpoints: [] });

  test.each([
    [
      'only IPv6 for a pod with only IPv4',
      peers('fd00::/8'),
      ['10.0.0.1', 'fe80::1'],
      'have IPv6 addresses and the pod has only IPv4',
    ],
    [
      'only IPv4 for a pod with only IPv6',
      peers('10.0.0.0/8'),
      ['fd00::1'],
      'have IPv4 addresses and the pod has only IPv6',
    ],
    [
      'an endpoint of IPv6 for a pod with only IPv4',
      { ranges: [], endpoints: [{ address: 'fd00::1', port: 80, protocol: 'TCP' as const }] },
      ['10.0.0.1'],
      'name their IPv4 addresses',
    ],
  ])('are refused: %s', (_, addresses, own, problem) => {
    expect(familyProblem(addresses, own)).toContain(problem);
  });

  test.each([
    ['of both', peers('fd00::/8', '10.0.0.0/8'), ['10.0.0.1']],
    ['for a pod with both', peers('fd00::/8'), ['10.0.0.1', 'fd00::1']],
    ['local to the link', peers('fe80::/10'), ['10.0.0.1']],
    ['that are none', peers(), ['10.0.0.1']],
  ])('are none: %s', (_, addresses, own) => {
    expect(familyProblem(addresses, own)).toBeUndefined();
  });
});
