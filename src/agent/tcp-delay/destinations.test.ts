import { describe, expect, test } from '@jest/globals';
import { type Addresses, RefusedError } from '../handler.js';
import { destinationsOf } from './destinations.js';
import type { Family } from './redirect.js';

const both: Family[] = ['ip', 'ip6'];
const addresses = (given: Partial<Addresses>): Addresses => ({ ranges: [], endpoints: [], ...given });
const tcp = (address: string, port: number) => ({ address, port, protocol: 'TCP' as const });

describe('what a proxy delays', () => {
  test('is each single address with each port', () => {
    const ranges = ['10.0.0.1/32', '10.0.0.2', 'fd00:0::0001/128'];
    expect(destinationsOf([{ port: 80, endPort: 81 }, { port: 443 }], addresses({ ranges }), both)).toEqual(
      ['10.0.0.1', '10.0.0.2', 'fd00::1'].flatMap((address) => [80, 81, 443].map((port) => ({ address, port }))),
    );
  });

  test('is each endpoint with its own port, and of these only the ports that are named', () => {
    const endpoints = [tcp('10.0.0.1', 80), tcp('10.0.0.2', 8080)];
    expect(destinationsOf(undefined, addresses({ endpoints }), both)).toEqual([
      { address: '10.0.0.1', port: 80 },
      { address: '10.0.0.2', port: 8080 },
    ]);
    expect(destinationsOf([{ port: 8000, endPort: 9000 }], addresses({ endpoints }), both)).toEqual([
      { address: '10.0.0.2', port: 8080 },
    ]);
    expect(destinationsOf(undefined, addresses({}), both)).toEqual([]);
  });

  test('is named once, however it was written', () => {
    const ranges = ['10.0.0.1/32', '10.0.0.1/32', '::ffff:10.0.0.1/128', 'FD00::1/128', 'fd00:0:0::1/128'];
    expect(destinationsOf([{ port: 80 }], addresses({ ranges, endpoints: [tcp('10.0.0.1', 80)] }), both)).toEqual([
      { address: '10.0.0.1', port: 80 },
      { address: 'fd00::1', port: 80 },
    ]);
  });

  test('leaves out the IP version that the target does not have', () => {
    const ranges = ['10.0.0.1/32', 'fd00::1/128'];
    expect(destinationsOf([{ port: 80 }], addresses({ ranges }), ['ip'])).toEqual([{ address: '10.0.0.1', port: 80 }]);
  });

  test.each([
    ['a range of addresses', [{ port: 80 }], { ranges: ['10.0.0.0/31'] }, /10\.0\.0\.0\/31 is a range of addresses/],
    ['a range of IPv6 addresses', [{ port: 80 }], { ranges: ['fd00::/64'] }, /fd00::\/64 is a range of addresses/],
    ['addresses without ports', undefined, { ranges: ['10.0.0.1/32'] }, /need `ports`/],
    ['UDP ports', [{ port: 53, protocol: 'UDP' as const }], { ranges: ['10.0.0.1/32'] }, /port 53 is UDP/],
    [
      'UDP ports of a Service',
      undefined,
      { endpoints: [{ address: '10.0.0.1', port: 53, protocol: 'UDP' as const }] },
      /port 53 of 10\.0\.0\.1 is UDP/,
    ],
    ['too many', [{ port: 1, endPort: 65_535 }], { ranges: ['10.0.0.1/32'] }, /more than 256 pairs/],
    ['what is no address', [{ port: 80 }], { ranges: ['fe80::1%eth0; flush ruleset'] }, /is not an address/],
    ['what only looks like one', [{ port: 80 }], { ranges: ['1:2:3'] }, /is not an address/],
  ])('refuses %s', (_, ports, given, message) => {
    const refused = () => destinationsOf(ports, addresses(given), both);
    expect(refused).toThrow(RefusedError);
    expect(refused).toThrow(message);
  });
});
