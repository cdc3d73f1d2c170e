import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Traffic } from '../../faults/step.js';
import { limit, lossOf, named, nobody, only, partition, TrafficWorld } from '../../testing/traffic-world.js';
import { type Inputs, RefusedError } from '../handler.js';
import type { RunProgram } from '../place.js';
import { createTrafficHandler, trafficHandler } from './handler.js';
import type { TrafficUndo } from './plan.js';

jest.setTimeout(30_000);

const OTHER = '0badcaff';

let world: TrafficWorld;
let before: string;
const inPod = (program: string, ...args: string[]) => world.pods.pod.space.must(program, args);
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

/** Everything at once that a kernel without netem can do, in both directions. */
const all: Traffic = { ...limit(5e6), drop: 0.1 };

describe('what was put on', () => {
  test('stays while it is held, and ends by itself when nobody is left to hold it', async () => {
    const brief = createTrafficHandler(1);
    const { place } = world.pods;
    const undo = await brief.prepare(partition(), place, '0badcafe', nobody);
    await brief.apply(undo, place, nobody);
    for (let times = 0; times < 4; times++) {
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect((await brief.hold(undo, place, nobody)).drift).toBeUndefined();
      expect(await world.reaches('ping')).toBe(false);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    for (const by of ['ping', 'tcp', 'udp'] as const)
      for (const version of [4, 6] as const) expect(await world.reaches(by, { version })).toBe(true);
    expect((await brief.hold(undo, place, nobody)).drift).toMatch(/the gate .* is closed/);
    expect(await world.reaches('ping')).toBe(true);
    await brief.revert(undo, place);
  });

  test('is put on again over what is there', async () => {
    for (const step of [partition(), all]) {
      const undo = await world.on(step);
      await world.reaches('ping');
      await trafficHandler.apply(undo, world.pods.place, nobody);
      expect(await world.hold(undo)).toMatchObject({ effective: false, evidence: { packets: 0 } });
      expect((await world.hold(undo)).drift).toBeUndefined();
      await world.off(undo);
    }
  });

  test('is taken back as often as one likes, with its evidence once', async () => {
    const undo = await world.on(all);
    await world.reaches('ping');
    expect((await world.off(undo)).packets).toBeGreaterThan(0);
    expect(await world.off(undo)).toEqual({});
  });

  test('survives as JSON', async () => {
    const undo: TrafficUndo = JSON.parse(JSON.stringify(await world.on(all)));
    expect((await world.hold(undo)).drift).toBeUndefined();
    await world.off(undo);
  });
});

describe('changed inputs', () => {
  test('are brought in while the fault is held', async () => {
    const step = partition({ peers: named });
    const undo = await world.on(step, only('10.87.0.3'));
    expect(await world.reaches('ping')).toBe(false);
    const inputs: Inputs[] = [
      only('10.87.0.4', 'fd87::4'),
      only(),
      {
        peers: { ranges: ['fd87::/64'], endpoints: [{ address: '10.87.0.4', port: 8080, protocol: 'TCP' }] },
        exempt: [],
      },
    ];
    const reached = [];
    for (const changed of inputs) {
      for (let times = 0; times < 3; times++) expect((await world.hold(undo, changed)).drift).toBeUndefined();
      reached.push([
        await world.reaches('ping'),
        await world.reaches('ping', { peer: 1 }),
        await world.reaches('tcp', { peer: 1 }),
        await world.reaches('ping', { peer: 1, version: 6 }),
      ]);
    }
    expect(reached).toEqual([
      [true, false, false, false],
      [true, true, true, true],
      [true, true, false, false],
    ]);
    await world.off(undo);
  });

  test('may be ten thousand addresses, and one more is refused', async () => {
    const many = Array.from(
      { length: 9_996 },
      (_, index) => `10.${20 + (index >> 15)}.${(index >> 7) & 255}.${(index & 127) * 2}`,
    );
    const step = partition({ peers: named });
    const inputs = only(...many, '10.87.0.3', 'fd87::3', '10.87.0.4', 'fd87::4');
    const undo = await world.on(step, inputs);
    expect((await world.hold(undo, inputs)).drift).toBeUndefined();
    expect(await world.reaches('ping', { peer: 1, version: 6 })).toBe(false);
    expect((await world.hold(undo, only(...many))).drift).toBeUndefined();
    expect(await world.reaches('ping', { peer: 1, version: 6 })).toBe(true);
    for (const few of [only('10.87.0.4'), inputs, only('10.87.0.3')])
      for (let times = 0; times < 3; times++) expect((await world.hold(undo, few)).drift).toBeUndefined();
    await world.off(undo);
    const tooMany = only(...(inputs.peers?.ranges ?? []), '10.1.1.1');
    await expect(world.on(step, tooMany)).rejects.toThrow(/10001 addresses, and at most 10000 are possible/);
  });

  test('that are no addresses reach nothing', async () => {
    const undo = await world.on(partition({ peers: named }), only('10.87.0.3'));
    await expect(world.hold(undo, only('10.87.0.3 } ; flush ruleset'))).rejects.toThrow(RefusedError);
    await world.off(undo);
  });
});

describe('a fault that vanished', () => {
  const ifb = 'sq0badcafe';
  const vanished: [string, () => Promise<unknown>, RegExp][] = [
    ['someone flushed nft', () => inPod('nft', 'flush', 'ruleset'), /the nft table inet squall_0badcafe is gone/],
    ['a table was deleted', () => inPod('nft', 'delete', 'table', 'netdev', 'squall_0badcafe'), /netdev .* is gone/],
    [
      'the gate was emptied',
      () => inPod('nft', 'flush', 'set', 'inet', 'squall_0badcafe', 'armed'),
      /gate .* is closed/,
    ],
    [
      'rules were removed',
      () => inPod('nft', 'flush', 'chain', 'inet', 'squall_0badcafe', 'egress'),
      /not as they were/,
    ],
    [
      'peers were removed',
      () => inPod('nft', 'delete', 'element', 'netdev', 'squall_0badcafe', 'peer4', '{ 10.87.0.3 }'),
      /not as they were/,
    ],
    [
      'the root qdisc was deleted',
      () => inPod('tc', 'qdisc', 'del', 'dev', 'eth0', 'root'),
      /root qdisc of eth0 .* noqueue/,
    ],
    [
      'the class was deleted',
      () => inPod('tc', 'class', 'del', 'dev', 'eth0', 'classid', '5351:736c'),
      /the class 5351:736c of eth0 is gone/,
    ],
    [
      'the limit was lifted',
      () => inPod('tc', ...'qdisc change dev eth0 handle 736c: tbf rate 1gbit burst 1mb limit 9mb'.split(' ')),
      /not as they were/,
    ],
    [
      'the qdisc below the class was deleted',
      () => inPod('tc', 'qdisc', 'del', 'dev', 'eth0', 'parent', '5351:736d'),
      /the qdisc below class 5351:736d of eth0 is gone|not as they were/,
    ],
    [
      'the ifb device was deleted',
      () => inPod('ip', 'link', 'del', ifb),
      /one of the devices eth0, sq0badcafe is gone/,
    ],
    [
      "the ifb device's qdisc was replaced",
      () => inPod('tc', 'qdisc', 'replace', 'dev', ifb, 'root', 'pfifo'),
      /root qdisc of sq0badcafe .* pfifo/,
    ],
  ];

  test.each(vanished)('because %s is noticed, and can be put on again', async (_, vanish, drift) => {
    const step = { ...all, match: { ...all.match, peers: named } };
    const inputs = only('10.87.0.3', 'fd87::3');
    const undo = await world.on(step, inputs);
    for (let times = 0; times < 2; times++) expect((await world.hold(undo, inputs)).drift).toBeUndefined();
    await vanish();
    for (let times = 0; times < 2; times++) expect((await world.hold(undo, inputs)).drift).toMatch(drift);
    await trafficHandler.apply(undo, world.pods.place, inputs);
    for (let times = 0; times < 2; times++) expect((await world.hold(undo, inputs)).drift).toBeUndefined();
    await world.off(undo);
  });

  test('is not one whose packets pass', async () => {
    const undo = await world.on(all);
    for (let times = 0; times < 3; times++) {
      expect((await world.hold(undo)).drift).toBeUndefined();
      await world.pods.pod.space.udpEcho(world.pods.peers[0]!.ipv4, 5353, { count: 200, waitMilliseconds: 50 });
    }
    await world.off(undo);
  });
});

describe('two faults on one pod', () => {
  test('lose packets one after the other, whichever goes first', async () => {
    const one = await world.on(lossOf(0.5), nobody);
    const other = await world.on(lossOf(0.5), nobody, OTHER);
    const { order } = await world.pods.pod.space.udpEcho(world.pods.peers[0]!.ipv4, 5353, { count: 1_000 });
    expect(order.length / 1_000).toBeGreaterThan(0.03);
    expect(order.length / 1_000).toBeLessThan(0.1);
    await world.off(one);
    expect((await world.hold(other)).drift).toBeUndefined();
    expect(await world.hold(other)).toMatchObject({ effective: true });
    await world.off(other);
  });

  test.each([true, false])('limit and lose the same packets (the limit first: %p)', async (limitFirst) => {
    const [limited, lost] = [limit(10e6, { direction: 'Egress' }), partition({ direction: 'Egress' })];
    const one = await world.on(limitFirst ? limited : lost, nobody);
    const other = await world.on(limitFirst ? lost : limited, nobody, OTHER);
    expect(await world.reaches('ping')).toBe(false);
    expect(await world.reaches('tcp', { from: 'peer', version: 6 })).toBe(false);
    await world.off(limitFirst ? other : one);
    expect(await world.reaches('tcp', { from: 'peer', version: 6 })).toBe(true);
    const left = limitFirst ? one : other;
    expect((await world.hold(left)).drift).toBeUndefined();
    await world.off(left);
  });

  test('limit different ports or peers', async () => {
    const undo = await world.on(limit(1e6, { ports: [{ port: 9000 }] }), nobody);
    const more = await world.on(limit(50e6, { ports: [{ port: 9001 }] }), nobody, OTHER);
    const { pod, peers } = world.pods;
    const { milliseconds } = await pod.space.tcpSend(peers[0]!.ipv4, 9000, 100_000);
    expect((100_000 * 8_000) / milliseconds).toBeLessThan(1.2e6);
    for (const each of [undo, more]) expect((await world.hold(each)).drift).toBeUndefined();
    for (const each of [undo, more]) await world.off(each);
  });

  test('never limit the same packets: the second is refused and names the first', async () => {
    const inputs = only('10.87.0.0/24');
    const undo = await world.on(limit(1e6, { peers: named, ports: [{ port: 9000 }] }), inputs);
    await expect(world.on(limit(1e6, { direction: 'Egress' }), nobody, OTHER)).rejects.toThrow(
      /^the fault 0badcafe on this pod shapes egress on eth0 already.*`peers` or `ports`/,
    );
    const sameRange = { peers: named, ports: [{ port: 8_000, endPort: 10_000 }] };
    await expect(world.on(limit(1e6, sameRange), only('10.87.0.3'), OTHER)).rejects.toThrow(RefusedError);
    const otherRange = await world.on(limit(1e6, sameRange), only('10.88.0.0/24', 'fd87::/64'), OTHER);
    await world.off(otherRange);
    const otherDevice = await world.on(limit(1e6, { device: 'net1' }), nobody, OTHER);
    await world.off(otherDevice);
    await world.off(undo);
  });

  test('never limit the same packets, also when both were prepared before either was on', async () => {
    const { place } = world.pods;
    const [one, other] = [
      await trafficHandler.prepare(limit(1e6), place, '0badcafe', nobody),
      await trafficHandler.prepare(limit(1e6), place, OTHER, nobody),
    ];
    const results = await Promise.allSettled([one, other].map((undo) => trafficHandler.apply(undo, place, nobody)));
    expect(results).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: expect.any(RefusedError) }]);
    await world.off(other);
    expect((await world.hold(one)).drift).toBeUndefined();
    await world.off(one);
  });

  test('can be put on and taken back at the same time', async () => {
    const { place } = world.pods;
    const ids = ['0badcafe', OTHER, '00000001', '0000abcd'];
    const undos = await Promise.all(ids.map((id) => trafficHandler.prepare(lossOf(0.1), place, id, nobody)));
    for (let times = 0; times < 3; times++) {
      await Promise.all(undos.map((undo) => trafficHandler.apply(undo, place, nobody)));
      for (const undo of undos) expect((await world.hold(undo)).drift).toBeUndefined();
      await Promise.all(
        undos.map((undo, index) => (index % 2 ? world.off(undo) : trafficHandler.apply(undo, place, nobody))),
      );
      await Promise.all(undos.map((undo) => world.off(undo)));
    }
  });
});

describe('what is not ours', () => {
  test('is left as it is', async () => {
    await inPod(
      'nft',
      'add table inet theirs { chain c { type filter hook output priority 0; tcp dport 7 counter drop; }; }',
    );
    await inPod('tc', 'qdisc', 'add', 'dev', 'net1', 'root', 'pfifo', 'limit', '7');
    const theirs = await world.pods.snapshot();
    const undo = await world.on(all);
    expect((await world.hold(undo)).drift).toBeUndefined();
    await world.off(undo);
    expect(await world.pods.snapshot()).toBe(theirs);
    await inPod('nft', 'delete', 'table', 'inet', 'theirs');
    await inPod('tc', 'qdisc', 'del', 'dev', 'net1', 'root');
  });

  const inTheWay: [string, string[], string[], RegExp][] = [
    [
      'a root qdisc',
      'tc qdisc add dev eth0 root handle 1: pfifo limit 7'.split(' '),
      'tc qdisc del dev eth0 root'.split(' '),
      /^eth0 has a root qdisc of its own \(pfifo 1:\)/,
    ],
    [
      'a root qdisc with our handle',
      'tc qdisc add dev eth0 root handle 5351: htb default 7'.split(' '),
      'tc qdisc del dev eth0 root'.split(' '),
      /^eth0 has a root qdisc of its own \(htb 5351:\)/,
    ],
    [
      'a device with the name of ours',
      'ip link add sq0badcafe type bridge'.split(' '),
      'ip link del sq0badcafe'.split(' '),
      /a device 'sq0badcafe' in the pod that is not ours/,
    ],
    [
      'a table with the name of ours',
      'nft add table inet squall_0badcafe'.split(' '),
      'nft delete table inet squall_0badcafe'.split(' '),
      /an nft table 'inet squall_0badcafe' in the pod that is not ours/,
    ],
  ];

  test.each(inTheWay)('is refused when it is %s in the way', async (_, make, remove, message) => {
    await inPod(make[0]!, ...make.slice(1));
    await expect(world.on(all)).rejects.toThrow(message);
    await expect(world.on(all)).rejects.toThrow(RefusedError);
    await inPod(remove[0]!, ...remove.slice(1));
  });

  test('is no obstacle where it does not matter', async () => {
    await inPod('tc', ...'qdisc add dev eth0 root pfifo limit 7'.split(' '));
    const undo = await world.on(partition({ direction: 'Ingress' }));
    expect(await world.reaches('ping')).toBe(false);
    await world.off(undo);
    await inPod('tc', ...'qdisc del dev eth0 root'.split(' '));
  });
});

describe('a step is refused', () => {
  test.each([
    [partition({ device: 'eth7' }), nobody, /^the pod has no network device 'eth7' .* it has: eth0, net1$/],
    [partition({ device: 'lo' }), nobody, /no network device 'lo'/],
    [partition({ peers: named }), only(), /^the peers match no address/],
    [partition({ peers: named }), only('localhost'), /^'localhost' is not an address/],
  ])('before anything is touched: %j', async (step, inputs, message) => {
    await expect(world.on(step, inputs)).rejects.toThrow(message);
    await expect(world.on(step, inputs)).rejects.toThrow(RefusedError);
  });

  test('where no device holds the address of the pod', async () => {
    const place = { ...world.pods.place, podIPs: ['192.0.2.9'] };
    await expect(trafficHandler.prepare(partition(), place, '0badcafe', nobody)).rejects.toThrow(
      /holds its address 192.0.2.9: set `device` to one of: eth0, net1/,
    );
  });

  test('when the kernel refuses it, with what the kernel said', async () => {
    const step: Traffic = { ...limit(1e6, { direction: 'Egress' }), netem: { duplicate: { share: 2 } } };
    const undo = await trafficHandler.prepare(step, world.pods.place, '0badcafe', nobody);
    await expect(trafficHandler.apply(undo, world.pods.place, nobody)).rejects.toThrow(RefusedError);
    await world.off(undo);
  });
});

class Killed extends Error {}

/** Runs so many programs, and then no more, as when the agent is killed. */
function mortal(programs: number): RunProgram {
  let left = programs;
  return (...call) => {
    if (left-- <= 0) throw new Killed();
    return world.pods.place.run(...call);
  };
}

/** Does work with more and more programs until it gets through; returns how many it takes. */
async function atEveryBoundary(
  work: (run: RunProgram) => Promise<unknown>,
  after: () => Promise<unknown>,
): Promise<number> {
  for (let programs = 0; programs < 50; programs++) {
    try {
      await work(mortal(programs));
      return programs;
    } catch (error) {
      expect(error).toBeInstanceOf(Killed);
    }
    await after();
  }
  throw new Error('it takes 50 programs and more');
}

describe.each([
  ['a partition', partition(), nobody],
  ['loss on the way in', lossOf(0.5, { direction: 'Ingress' }), nobody],
  ['a limit and loss in both directions', { ...all, match: { ...all.match, peers: named } }, only('10.87.0.3')],
])('when the agent dies at any point of %s', (_, step, inputs) => {
  test('while it is put on, nothing is left after it was taken back', async () => {
    const { pods } = world;
    const undo = await trafficHandler.prepare(step, pods.place, '0badcafe', inputs);
    const count = await atEveryBoundary(
      (run) => trafficHandler.apply(undo, pods.placeWith(run), inputs),
      async () => {
        await world.off(undo);
        expect(await pods.snapshot()).toBe(before);
      },
    );
    expect(count).toBeGreaterThan(0);
    expect((await world.hold(undo, inputs)).drift).toBeUndefined();
    await world.off(undo);
  });

  test('while it is put on, it can be put on from there', async () => {
    const { pods } = world;
    const undo = await trafficHandler.prepare(step, pods.place, '0badcafe', inputs);
    await atEveryBoundary(
      (run) => trafficHandler.apply(undo, pods.placeWith(run), inputs),
      async () => {
        await trafficHandler.apply(undo, pods.place, inputs);
        for (let times = 0; times < 2; times++) expect((await world.hold(undo, inputs)).drift).toBeUndefined();
      },
    );
    await world.off(undo);
  });

  test('while it is taken back, the rest is taken back later', async () => {
    const { pods } = world;
    let undo = await world.on(step, inputs);
    await atEveryBoundary(
      (run) => trafficHandler.revert(undo, pods.placeWith(run)),
      async () => {
        await world.off(undo);
        expect(await pods.snapshot()).toBe(before);
        undo = await world.on(step, inputs);
      },
    );
  });
});
