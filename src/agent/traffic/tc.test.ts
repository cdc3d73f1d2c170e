import { describe, expect, test } from '@jest/globals';
import type { Netem, Traffic } from '../../faults/step.js';
import { planOf } from './plan.js';
import { addEgress, addIngress, addRoot, netemArguments, netemLimit } from './tc.js';

const match = { direction: 'Both' as const, includeKubelet: false };
function commands(step: Partial<Traffic>): { egress: string[]; ingress: string[] } {
  const plan = planOf({
    id: '0badcafe',
    device: 'eth0',
    mtu: 1500,
    minor: 0x2a,
    step: { do: 'traffic', match, ...step },
  });
  return {
    egress: addEgress(plan).map((words) => words.join(' ')),
    ingress: addIngress(plan).map((words) => words.join(' ')),
  };
}
const unlimited = 'htb rate 100gbit burst 10mb cburst 10mb quantum 60000';

test('packets of no class pass the root directly', () => {
  expect(addRoot('eth0').join(' ')).toBe('qdisc add dev eth0 root handle 5351: htb default 0 direct_qlen 1000');
});

test('what leaves is lost in a class of its own, and nothing is shaped for it', () => {
  expect(commands({ drop: 1 })).toEqual({
    egress: [
      `class add dev eth0 parent 5351: classid 5351:2b ${unlimited}`,
      'qdisc add dev eth0 parent 5351:2b blackhole',
    ],
    ingress: [],
  });
});

test('a limit stands above netem, on the device and on our own', () => {
  const { egress, ingress } = commands({ rateBitsPerSecond: 1e6, netem: { loss: { share: 0.1, correlation: 0.5 } } });
  expect(egress).toEqual([
    `class add dev eth0 parent 5351: classid 5351:2a ${unlimited}`,
    expect.stringMatching(/^qdisc add dev eth0 parent 5351:2a handle 2a: tbf rate 1000000bit /),
    expect.stringMatching(/^qdisc add dev eth0 parent 2a:1 netem limit \d+ loss /),
  ]);
  expect(ingress).toEqual([
    'qdisc add dev sq0badcafe root handle 5351: htb default 2a direct_qlen 1000',
    ...egress.map((command) => command.replace('eth0', 'sq0badcafe')),
  ]);
});

describe('a token bucket', () => {
  const bucket = (rateBitsPerSecond: number) => {
    const [, command = ''] = commands({ rateBitsPerSecond }).egress;
    const [, rate, burst, limit] = /tbf rate (\d+)bit burst (\d+)b limit (\d+)b$/.exec(command)!.map(Number);
    return { rate: rate!, burst: burst!, limit: limit! };
  };

  test.each([8e3, 512e3, 1.5e6, 1e9, 10e9])(
    'of %d bit/s lets a full packet through, and no more than 5 ms at once',
    (wanted) => {
      const { rate, burst, limit } = bucket(wanted);
      expect(rate).toBe(wanted);
      expect(burst).toBeGreaterThanOrEqual(1514);
      expect(burst).toBeLessThanOrEqual(Math.max(1600, (wanted / 8) * 0.005));
      // A time in tc is 32 bits of 64 ns.
      expect(limit / (wanted / 8)).toBeLessThan(2 ** 32 * 64e-9);
      expect(limit - burst).toBeGreaterThanOrEqual((wanted / 8) * 0.25);
    },
  );
});

describe('netem holds', () => {
  const delayed = (latencyMilliseconds: number, jitterMilliseconds?: number): Netem => ({
    delay: { latencyMilliseconds, ...(jitterMilliseconds !== undefined && { jitterMilliseconds }) },
  });

  test.each([
    ['no fewer than its default', delayed(1), undefined, 1_000],
    ['what arrives during the delay', delayed(100), undefined, 10_000],
    ['what the jitter adds too', delayed(100, 25), undefined, 20_000],
    ['no more than memory allows', delayed(60_000), undefined, 200_000],
    ['small packets of a limited rate, with what waits behind the limit', delayed(1_000), 8e6, 12_500],
    ['its default without a delay', { corrupt: { share: 0.1 } }, undefined, 1_000],
  ] as const)('%s', (_, netem, rate, limit) => {
    expect(netemLimit(netem, rate)).toBe(limit);
  });
});

test('no delay is too short to be one', () => {
  expect(netemArguments({ delay: { latencyMilliseconds: 0.0001 } })).toEqual([
    'netem',
    'limit',
    '1000',
    'delay',
    '1us',
  ]);
});

test('netem is told everything at once', () => {
  const words = netemArguments({
    delay: { latencyMilliseconds: 0.25, jitterMilliseconds: 0.05, correlation: 0.75, distribution: 'pareto' },
    duplicate: { share: 0.01 },
    corrupt: { share: 0.000_001 },
    reorder: { share: 1, gap: 5 },
  });
  expect(words.join(' ')).toBe(
    'netem limit 1000 delay 250us 50us 75% distribution pareto duplicate 1% corrupt 0.0001% reorder 100% gap 5',
  );
});
