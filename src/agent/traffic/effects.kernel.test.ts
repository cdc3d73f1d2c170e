import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import {
  limit,
  lossOf,
  named,
  nobody,
  only,
  partition,
  type Reach,
  TrafficWorld,
} from '../../testing/traffic-world.js';
import type { Inputs } from '../handler.js';

jest.setTimeout(30_000);

let world: TrafficWorld;
let before: string;
beforeAll(async () => {
  world = await TrafficWorld.start();
});
afterAll(() => world.pods.stop());
beforeEach(async () => {
  before = await world.pods.snapshot();
});
afterEach(async () => {
  expect(await world.pods.snapshot()).toBe(before);
});

/** Datagrams that arrive at each end when both send some to the other, and how many `send()` failed. */
async function arriving(version: 4 | 6): Promise<{ atPeer: number; atPod: number; failed: number }> {
  const { pod, peers } = world.pods;
  const address = version === 4 ? 'ipv4' : 'ipv6';
  const got = async () => [await peers[0]!.space.received('udp', 9999), await pod.space.received('udp', 9999)] as const;
  const [peerHad, podHad] = await got();
  const sent = await pod.space.udpEcho(peers[0]![address], 9999, { count: 5, waitMilliseconds: 50 });
  await peers[0]!.space.udpEcho(pod[address], 9999, { count: 5, waitMilliseconds: 50 });
  const [peerHas, podHas] = await got();
  return { atPeer: peerHas.packets - peerHad.packets, atPod: podHas.packets - podHad.packets, failed: sent.failed };
}

describe('a partition', () => {
  test.each([
    ['Egress', { atPeer: 0, atPod: 5 }],
    ['Ingress', { atPeer: 5, atPod: 0 }],
    ['Both', { atPeer: 0, atPod: 0 }],
  ] as const)('of %s loses what goes that way, and tells no sender', async (direction, expected) => {
    const undo = await world.on(partition({ direction }));
    expect(await arriving(4)).toEqual({ ...expected, failed: 0 });
    expect(await arriving(6)).toEqual({ ...expected, failed: 0 });
    for (const by of ['ping', 'tcp', 'udp'] as const)
      for (const version of [4, 6] as const) expect(await world.reaches(by, { version })).toBe(false);
    expect(await world.hold(undo)).toMatchObject({ effective: true });
    expect((await world.off(undo)).packets).toBeGreaterThan(10);
    for (const version of [4, 6] as const) expect(await world.reaches('ping', { version })).toBe(true);
  });

  test('leaves loopback and other devices alone', async () => {
    const undo = await world.on(partition());
    const { pod } = world.pods;
    for (const address of ['127.0.0.1', '::1', pod.ipv4, pod.ipv6])
      expect((await pod.space.tcpEcho(address, 8080)).times).toHaveLength(1);
    await world.off(undo);
  });

  test('lets neighbours of IPv6 find each other', async () => {
    const { pod, peers } = world.pods;
    const undo = await world.on(partition());
    await pod.space.must('ip', ['-6', 'neighbour', 'flush', 'dev', 'eth0']);
    expect(await world.reaches('ping', { version: 6 })).toBe(false);
    const neighbours = await pod.space.must('ip', ['-6', 'neighbour', 'show', peers[0]!.ipv6]);
    expect(neighbours).toMatch(/lladdr/);
    await world.off(undo);
  });
});

const [hit, missed] = [false, true];

describe('what is meant', () => {
  const filters: [string, Parameters<typeof partition>[0], Inputs, ['ping' | 'tcp' | 'udp', Reach, boolean][]][] = [
    [
      'named peers',
      { peers: named },
      only('10.87.0.3', 'fd87::3'),
      [
        ['ping', {}, hit],
        ['tcp', { version: 6 }, hit],
        ['ping', { peer: 1 }, missed],
        ['tcp', { peer: 1, version: 6 }, missed],
      ],
    ],
    [
      'ranges of peers, of one version',
      { peers: named },
      only('10.87.0.0/25'),
      [
        ['ping', {}, hit],
        ['udp', { peer: 1 }, hit],
        ['ping', { version: 6 }, missed],
      ],
    ],
    [
      'everybody',
      { peers: named },
      only('0.0.0.0/0', '::/0'),
      [
        ['ping', {}, hit],
        ['tcp', { peer: 1, version: 6 }, hit],
      ],
    ],
    [
      'all but some',
      { except: named },
      { except: { ranges: ['10.87.0.3', 'fd87::3'], endpoints: [] }, exempt: [] },
      [
        ['ping', {}, missed],
        ['udp', { version: 6 }, missed],
        ['ping', { peer: 1 }, hit],
        ['tcp', { peer: 1, version: 6 }, hit],
      ],
    ],
    [
      'a port, whichever side has it',
      { ports: [{ port: 8080 }] },
      nobody,
      [
        ['tcp', { port: 8080 }, hit],
        ['tcp', { port: 8080, from: 'peer', version: 6 }, hit],
        ['tcp', { port: 8081 }, missed],
        ['udp', {}, missed],
        ['ping', {}, missed],
      ],
    ],
    [
      'ranges of ports that overlap, and protocols',
      {
        ports: [
          { port: 5000, endPort: 5353, protocol: 'UDP' },
          { port: 5300, endPort: 5353, protocol: 'UDP' },
          { port: 8081 },
        ],
      },
      nobody,
      [
        ['udp', { version: 6 }, hit],
        ['udp', { port: 5354 }, missed],
        ['tcp', { port: 8081, from: 'peer' }, hit],
        ['tcp', { port: 8080 }, missed],
      ],
    ],
    [
      'ports of a Service, whatever other ports are named',
      { peers: named, ports: [{ port: 8081 }] },
      {
        peers: {
          ranges: ['10.87.0.4'],
          endpoints: [
            { address: '10.87.0.3', port: 8080, protocol: 'TCP' },
            { address: 'fd87::3', port: 5353, protocol: 'UDP' },
          ],
        },
        exempt: [],
      },
      [
        ['tcp', { port: 8080 }, hit],
        ['tcp', { port: 8081 }, missed],
        ['tcp', { port: 8080, from: 'peer' }, missed],
        ['udp', { version: 6 }, hit],
        ['udp', {}, missed],
        ['tcp', { peer: 1, port: 8081 }, hit],
        ['tcp', { peer: 1, port: 8080 }, missed],
      ],
    ],
    [
      'all but a port of a Service',
      { except: named },
      { except: { ranges: [], endpoints: [{ address: '10.87.0.3', port: 8080, protocol: 'TCP' }] }, exempt: [] },
      [
        ['tcp', { port: 8080 }, missed],
        ['tcp', { port: 8081 }, hit],
      ],
    ],
  ];

  test.each(filters)('can be %s', async (_, match, inputs, looks) => {
    const undo = await world.on(partition(match), inputs);
    expect((await world.hold(undo, inputs)).drift).toBeUndefined();
    const found = await Promise.all(looks.map(async ([by, reach]) => [by, reach, await world.reaches(by, reach)]));
    expect(found).toEqual(looks);
    expect(await world.hold(undo, inputs)).toMatchObject({ effective: true });
    await world.off(undo);
  });

  test.each(['Egress', 'Ingress'] as const)('can be a port of %s, whichever side has it', async (direction) => {
    const undo = await world.on(partition({ direction, ports: [{ port: 8080 }] }));
    const looks = (['pod', 'peer'] as const).map((from) => world.reaches('tcp', { from }));
    expect(await Promise.all(looks)).toEqual([hit, hit]);
    expect(await world.reaches('tcp', { port: 8081 })).toBe(missed);
    await world.off(undo);
  });

  test('is another device when that is named', async () => {
    const undo = await world.on(partition({ device: 'net1' }));
    expect(undo.device).toBe('net1');
    expect(await world.reaches('ping')).toBe(true);
    expect(await world.hold(undo)).toMatchObject({ effective: false, evidence: { packets: 0 } });
    await world.off(undo);
  });

  test('are no probes of the kubelet, which are counted', async () => {
    const exempt = [
      { from: '10.87.0.3', port: 8080 },
      { from: 'fd87::3', port: 8080 },
    ];
    const undo = await world.on(partition(), { exempt });
    for (const version of [4, 6] as const) {
      expect(await world.reaches('tcp', { from: 'peer', version })).toBe(true);
      expect(await world.reaches('tcp', { from: 'peer', version, port: 8081 })).toBe(false);
      expect(await world.reaches('tcp', { from: 'peer', version, peer: 1 })).toBe(false);
      expect(await world.reaches('tcp', { version })).toBe(false);
    }
    const { evidence } = await world.hold(undo, { exempt });
    expect(evidence.exempted).toBeGreaterThanOrEqual(12);
    await world.off(undo);
  });

  test('are probes of the kubelet too when that is asked for', async () => {
    const exempt = [{ from: '10.87.0.3', port: 8080 }];
    const undo = await world.on(partition({ includeKubelet: true }), { exempt });
    expect(await world.reaches('tcp', { from: 'peer' })).toBe(false);
    expect((await world.off(undo)).exempted).toBe(0);
  });
});

/** How often a chance of `share` comes true in so many trials, give or take four standard deviations. */
function expectShare(hits: number, trials: number, share: number): void {
  const deviation = Math.sqrt(share * (1 - share) * trials);
  expect(Math.abs(hits - share * trials)).toBeLessThan(4 * deviation + 1);
}

describe('loss', () => {
  test.each([
    ['Egress', 0.3],
    ['Ingress', 0.3],
    ['Egress', 0.002],
  ] as const)('on the way %s hits a share of %f of the packets', async (direction, share) => {
    const { pod, peers } = world.pods;
    const [from, to] = direction === 'Egress' ? [pod, peers[0]!] : [peers[0]!, pod];
    const count = 4_000;
    const undo = await world.on(lossOf(share, { direction, ports: [{ port: 9999, protocol: 'UDP' }] }));
    const had = (await to.space.received('udp', 9999)).packets;
    const { failed } = await from.space.udpEcho(to.ipv4, 9999, { count, waitMilliseconds: 200 });
    const got = (await to.space.received('udp', 9999)).packets - had;
    expect(failed).toBe(0);
    expectShare(count - got, count, share);
    expect((await world.off(undo)).packets).toBe(count);
  });

  test('is noticed by TCP as on a network: what was lost is sent again', async () => {
    const { pod, peers } = world.pods;
    const resent = async () => {
      const [, , values] = /^Tcp: \D.*\n(Tcp: (.*))$/m.exec(await pod.space.must('cat', ['/proc/self/net/snmp']))!;
      return Number(values!.split(' ')[11]);
    };
    const undo = await world.on(lossOf(0.05, { direction: 'Egress' }));
    const had = await resent();
    // A megabyte is some 35 packets here, none of which may be lost by chance.
    for (let tries = 0; tries < 30 && (await resent()) === had; tries += 1)
      await pod.space.tcpSend(peers[0]!.ipv4, 9000, 1_000_000);
    expect((await resent()) - had).toBeGreaterThan(0);
    await world.off(undo);
  });
});

describe('a limited rate', () => {
  const inBitsPerSecond = ({ bytes, milliseconds }: { bytes: number; milliseconds: number }) =>
    (bytes * 8_000) / milliseconds;

  test.each([
    ['Egress', 256e3, 40_000],
    ['Egress', 10e6, 1_000_000],
    ['Ingress', 256e3, 40_000],
    ['Ingress', 10e6, 1_000_000],
    ['Egress', 1e9, 80_000_000],
    ['Ingress', 1e9, 80_000_000],
  ] as const)('of %s %d bit/s is what a transfer gets', async (direction, rate, bytes) => {
    const { pod, peers } = world.pods;
    const [from, to] = direction === 'Egress' ? [pod, peers[0]!] : [peers[0]!, pod];
    const undo = await world.on(limit(rate, { direction }));
    const limited = inBitsPerSecond(await from.space.tcpSend(to.ipv4, 9000, bytes));
    // 1,448 of 1,514 bytes of a packet are the transfer's own; what is in the bucket at first goes faster.
    expect(limited / rate).toBeGreaterThan(0.8);
    expect(limited / rate).toBeLessThan(1.1);
    const free = inBitsPerSecond(await to.space.tcpSend(from.ipv6, 9000, bytes));
    expect(free / rate).toBeGreaterThan(rate < 1e9 ? 2 : 1);
    expect(await world.hold(undo)).toMatchObject({ effective: true });
    await world.off(undo);
  });

  test('and loss happen together, in both directions', async () => {
    const step = { ...limit(10e6), drop: 0.3 };
    const undo = await world.on(step);
    const { pod, peers } = world.pods;
    const echoes = await pod.space.udpEcho(peers[0]!.ipv6, 5353, { count: 1_000, waitMilliseconds: 300 });
    expectShare(1_000 - echoes.order.length, 1_000, 1 - 0.7 ** 2);
    await world.off(undo);
  });
});
