import { setTimeout as sleep } from 'node:timers/promises';
import { RefusedError } from '../agent/handler.js';
import { trafficHandler } from '../agent/traffic/handler.js';
import type { Direction, Netem, Traffic } from '../faults/step.js';
import { whileApplied } from './applied.js';
import { arrived, echoes } from './echoes.js';
import { delayFigures } from './figures.js';
import type { CaseWorld, KernelCase } from './kernel-case.js';
import { measuredAgain } from './measured-again.js';
import type { NetworkMember, NetworkPods } from './network-pods.js';

const MEGABIT = 1_000_000;
const SINK_PORT = 9_000;
const PACKETS = 3_000;
const quietly = { count: 20, intervalSeconds: 0.05 };

/** Rates, queues, several faults at once, and what happens to a fault that nobody holds. */
export const shapingCases: KernelCase[] = [
  // First, as it does little but wait.
  { name: 'a delay that nobody holds ends by itself', run: endsByItself },
  ...(['Egress', 'Ingress', 'Both'] as const).flatMap((direction) => [
    rateCase('a rate limit', direction, 4),
    rateCase('a rate limit with a delay', direction, 4, { delay: { latencyMilliseconds: 30 } }),
  ]),
  { name: 'a long delay of many packets loses none of them', run: longDelay },
  { name: 'two faults on one pod delay their own peers only', run: twoFaults },
  { name: 'duplicates beside a delay are both there, or the second fault is refused', run: duplicatesBeside },
];

function rateCase(name: string, direction: Direction, megabits: number, netem?: Netem): KernelCase {
  return {
    name: `${name}, ${direction}`,
    async run({ pods, measured }) {
      await sinkOnce(pods);
      const [from, to] = direction === 'Ingress' ? [pods.peers[0]!, pods.pod] : [pods.pod, pods.peers[0]!];
      const step = stepOf(direction, { rateBitsPerSecond: megabits * MEGABIT, ...(netem && { netem }) });
      const both = async () => [await megabitsPerSecond(from, to.ipv4), await megabitsPerSecond(from, to.ipv6)];
      const isRight = (rate: number) => rate >= 0.75 * megabits && rate <= megabits;
      // Whoever wakes up too late to send has lost that time.
      const isPossible = (rate: number) => rate >= 0.25 * megabits && rate <= megabits;
      const { result } = await whileApplied(pods, step, () => measuredAgain(both, (rates) => rates.every(isRight)));
      for (const [index, family] of ['IPv4', 'IPv6'].entries()) {
        const rate = result[index]!;
        // Headers take some 5 %, and a connection needs a moment to find out what it can have.
        const expected = `${megabits * 0.75}–${megabits} Mbit/s`;
        measured({ what: `${family} payload`, expected, measured: `${rate.toFixed(2)} Mbit/s` });
        if (!isPossible(rate)) throw new Error(`${family}: ${rate} Mbit/s`);
      }
    },
  };
}

async function megabitsPerSecond(from: NetworkMember, address: string): Promise<number> {
  const { bytes, milliseconds } = await from.space.tcpSend(address, SINK_PORT, MEGABIT);
  return (bytes * 8) / milliseconds / 1_000;
}

/** netem's own limit of 1,000 packets is full long before the first of these goes on. */
async function longDelay({ pods, measured }: CaseWorld): Promise<void> {
  const { space } = pods.pod;
  const passing = async () => {
    // All at once, instead of each after an interval.
    const args = ['-n', '-q', '-l', PACKETS, '-c', PACKETS, '-s', 16, '-w', 4, pods.peers[0]!.ipv4].map(String);
    await space.run('ping', args, { timeoutMilliseconds: 60_000 });
    await sleep(3_500);
    // Counted where they leave the queue: when all of them go on at once, the receiver's own may not take them.
    const shown = await space.must('tc', ['-s', 'qdisc', 'show', 'dev', 'eth0']);
    return Math.min(...[...shown.matchAll(/ (\d+) pkt \(dropped/g)].map(([, count]) => Number(count)));
  };
  await space.must('tc', ['qdisc', 'add', 'dev', 'eth0', 'root', 'netem', 'delay', '3s']);
  const plain = await passing().finally(() => space.must('tc', ['qdisc', 'del', 'dev', 'eth0', 'root']));
  const step = stepOf('Egress', { netem: { delay: { latencyMilliseconds: 3_000 } } });
  const { result } = await whileApplied(pods, step, passing);
  // Until its deadline ping sends one more every second.
  measured({ what: 'left the queue', expected: `≥ ${PACKETS}`, measured: String(result), plain: String(plain) });
  if (result < PACKETS) throw new Error(`${result} of ${PACKETS} left the queue`);
}

async function twoFaults({ pods, measured }: CaseWorld): Promise<void> {
  const [one, other] = [
    toPeer(pods, 0, { delay: { latencyMilliseconds: 40 } }),
    toPeer(pods, 1, { delay: { latencyMilliseconds: 90 } }),
  ];
  const { result } = await whileApplied(
    pods,
    one.step,
    () => whileApplied(pods, other.step, () => Promise.all([0, 1].map((peer) => median(pods, peer))), other.inputs),
    one.inputs,
  );
  for (const [peer, expected] of [40, 90].entries()) {
    const found = result.result[peer]!;
    measured({ what: `p50 of peer ${peer + 1}`, expected: `${expected} ms`, measured: `${found.toFixed(1)} ms` });
    if (found < expected || found > expected + 20) throw new Error(`peer ${peer + 1}: ${found} ms`);
  }
}

/** Kernels since 2025 refuse a netem that duplicates beside any other on the same device. */
async function duplicatesBeside({ pods, measured }: CaseWorld): Promise<void> {
  const one = toPeer(pods, 0, { delay: { latencyMilliseconds: 40 } });
  const other = toPeer(pods, 1, { duplicate: { share: 1 } });
  const twice = async () => (await echoes(pods.pod.space, pods.peers[1]!.ipv4, quietly)).duplicates;
  const { result } = await whileApplied(
    pods,
    one.step,
    async () => {
      let second = '';
      try {
        const { result: duplicates } = await whileApplied(pods, other.step, twice, other.inputs);
        if (duplicates < quietly.count / 2) throw new Error(`only ${duplicates} duplicates`);
        second = 'there';
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        second = 'refused';
      }
      return { second, first: await median(pods, 0) };
    },
    one.inputs,
  );
  measured({ what: 'the second fault', expected: 'there, or refused', measured: result.second });
  if (result.first < 40) throw new Error(`the first fault does not delay any more: ${result.first} ms`);
}

async function endsByItself({ pods, measured }: CaseWorld): Promise<void> {
  const step = stepOf('Both', { netem: { delay: { latencyMilliseconds: 50 } } });
  const undo = await trafficHandler.prepare(step, pods.place, '5eedffff', { exempt: [] });
  try {
    await trafficHandler.apply(undo, pods.place, { exempt: [] });
    const begun = performance.now();
    if ((await median(pods, 0)) < 100) throw new Error('the delay is not there');
    const seconds = () => (performance.now() - begun) / 1_000;
    while ((await median(pods, 0)) >= 50 && seconds() < 60) await sleep(200);
    const ended = seconds();
    measured({ what: 'over after', expected: '25–32 s', measured: `${ended.toFixed(1)} s` });
    if (ended < 25 || ended > 34) throw new Error(`it ended after ${ended} s`);
  } finally {
    await trafficHandler.revert(undo, pods.place);
  }
}

function stepOf(direction: Direction, does: Pick<Traffic, 'netem' | 'rateBitsPerSecond'>): Traffic {
  return { do: 'traffic', match: { direction, includeKubelet: true }, ...does };
}

function toPeer({ peers }: NetworkPods, index: number, netem: Netem) {
  const { ipv4, ipv6 } = peers[index]!;
  const step = stepOf('Egress', { netem });
  const inputs = { exempt: [], peers: { ranges: [`${ipv4}/32`, `${ipv6}/128`], endpoints: [] } };
  return { step: { ...step, match: { ...step.match, peers: { cidrs: [ipv4, ipv6] } } }, inputs };
}

async function median({ pod, peers }: NetworkPods, peer: number): Promise<number> {
  return delayFigures(arrived(await echoes(pod.space, peers[peer]!.ipv4, quietly))).p50;
}

const sinks = new WeakSet<NetworkPods>();

async function sinkOnce(pods: NetworkPods): Promise<void> {
  if (sinks.has(pods)) return;
  sinks.add(pods);
  for (const { space } of [pods.pod, pods.peers[0]!]) await space.listen('tcp', SINK_PORT, 'sink');
}
