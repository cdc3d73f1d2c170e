import { describe, expect, test } from '@jest/globals';
import type { Traffic } from '../../faults/step.js';
import type { Inputs } from '../handler.js';
import { createScript, inputsDigest, refreshScript, updateScript } from './nft.js';
import { planOf } from './plan.js';

const step: Traffic = {
  do: 'traffic',
  match: {
    direction: 'Both',
    includeKubelet: false,
    peers: { cidrs: ['192.0.2.1'] },
    ports: [{ port: 443 }, { port: 80, endPort: 90 }, { port: 85, endPort: 442 }, { port: 53, protocol: 'UDP' }],
  },
  drop: 0.005,
};
const inputs: Inputs = {
  peers: {
    ranges: ['10.0.0.0/24', '10.0.0.7', 'fd00::/64'],
    endpoints: [{ address: '10.9.9.9', port: 80, protocol: 'TCP' }],
  },
  exempt: [{ from: '10.0.0.1', port: 8080 }],
};
const planned = (change: Partial<Traffic> = {}) =>
  planOf({ id: '0badcafe', device: 'eth0', mtu: 1500, minor: 0x2a, step: { ...step, ...change } });

test('a partition is one table that is put there in one transaction', () => {
  const script = createScript(planned(), inputs);
  expect(script).toMatch(
    /^add table inet squall_0badcafe\ndelete table inet squall_0badcafe\ntable inet squall_0badcafe \{/,
  );
  expect(script).not.toContain('netdev');
  expect(script).toContain(
    'set armed { type ether_type; flags timeout; elements = { ip timeout 30s, ip6 timeout 30s }\n}',
  );
  expect(script).toContain('set tcp_ports { type inet_service; flags interval; elements = { 80-443 }\n}');
  expect(script).toContain('set udp_ports { type inet_service; flags interval; elements = { 53 }\n}');
  expect(script).toContain('set peer4 { type ipv4_addr; flags interval; elements = { 10.0.0.0-10.0.0.255 }\n}');
  expect(script).toContain(
    'set peer_endpoint4 { type ipv4_addr . inet_proto . inet_service; elements = { 10.9.9.9 . tcp . 80 }\n}',
  );
  expect(script).toContain('set exempt4 { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 8080 }\n}');
  expect(script).toContain('set exempt6 { type ipv6_addr . inet_service;\n}');
});

test('every rule hangs under the gate', () => {
  for (const change of [{}, { rateBitsPerSecond: 1e6 }]) {
    const script = createScript(planned(change), inputs);
    for (const [, rules] of script.matchAll(/type filter hook [^\n]*\n((?:[oi]ifname != "eth0" return\n)?[^\n]*\n)/g))
      expect(rules).toContain('meta protocol != @armed return\n');
    expect(script.match(/type filter hook/g)).toHaveLength(2);
    expect(script.match(/meta protocol != @armed return/g)).toHaveLength(2);
  }
});

test('what leaves is lost in a class, what comes in is dropped', () => {
  const script = createScript(planned(), inputs);
  expect(script).toContain('numgen random mod 1000000 < 5000 counter name dropped meta priority set 5351:2b return');
  expect(script).toContain('numgen random mod 1000000 < 5000 counter name dropped drop');
  const all = createScript(planned({ drop: 1 }), inputs);
  expect(all).toContain('\ncounter name dropped drop');
  expect(all).not.toContain('numgen');
});

test('what is shaped goes to a class on the way out and to our own device on the way in', () => {
  const script = createScript(planned({ rateBitsPerSecond: 1e6 }), inputs);
  expect(script).toContain('table netdev squall_0badcafe {');
  expect(script).toContain('\nmeta priority set 5351:2a\n');
  expect(script).toContain('\nfwd to "sq0badcafe"\n');
});

test('probes are spared unless they are meant too', () => {
  const match = { ...step.match, includeKubelet: true };
  expect(createScript(planned({ match }), inputs)).not.toContain('8080');
});

test('a refresh fails where the gate is closed, as it takes away what must be there', () => {
  expect(refreshScript(planned(), 'inet')).toBe(
    'delete element inet squall_0badcafe armed { ip, ip6 }\nadd element inet squall_0badcafe armed { ip timeout 30s, ip6 timeout 30s }\n',
  );
});

describe('changed inputs', () => {
  test('replace what is in the sets, in both tables', () => {
    const changed: Inputs = { peers: { ranges: ['fd00::1'], endpoints: [] }, exempt: [] };
    const plan = planned({ rateBitsPerSecond: 1e6 });
    const lines = updateScript(plan, changed, ['inputs_0', 'look_0']).split('\n');
    for (const family of ['inet', 'netdev']) {
      expect(lines).toContain(`flush set ${family} squall_0badcafe peer4`);
      expect(lines).toContain(`flush set ${family} squall_0badcafe exempt4`);
      expect(lines).toContain(`add element ${family} squall_0badcafe peer6 { fd00:0:0:0:0:0:0:1 }`);
    }
    expect(lines.filter((line) => line.includes('ports'))).toEqual([]);
    expect(lines.filter((line) => line.includes(' chain '))).toEqual([
      'delete chain inet squall_0badcafe inputs_0',
      'delete chain inet squall_0badcafe look_0',
      `add chain inet squall_0badcafe inputs_${inputsDigest(plan, changed)}`,
    ]);
  });

  test('are the same in another order, and others when anything differs', () => {
    const { peers, exempt } = inputs as Required<Inputs>;
    const digest = (changed: Inputs) => inputsDigest(planned(), changed);
    expect(digest({ peers: { ...peers, ranges: [...peers.ranges].reverse() }, exempt })).toBe(digest(inputs));
    expect(digest({ peers: { ...peers, ranges: peers.ranges.slice(1) }, exempt })).not.toBe(digest(inputs));
    expect(digest({ peers: { ...peers, endpoints: [] }, exempt })).not.toBe(digest(inputs));
    expect(digest({ peers, exempt: [] })).not.toBe(digest(inputs));
  });
});

test('nothing that is no address reaches a script', () => {
  const evil = '10.0.0.1 }\nflush ruleset\n#';
  expect(() => createScript(planned(), { peers: { ranges: [evil], endpoints: [] }, exempt: [] })).toThrow(
    /is not an address/,
  );
  expect(() => createScript(planned(), { ...inputs, exempt: [{ from: evil, port: 1 }] })).toThrow(/is not an address/);
});
