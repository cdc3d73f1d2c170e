import type { Direction } from '../faults/step.js';
import { whileApplied } from './applied.js';
import { type Echoes, type EchoPace, echoes } from './echoes.js';
import type { CaseWorld, KernelCase, Measured } from './kernel-case.js';
import { measuredAgain } from './measured-again.js';
import { type Finding, type NetemFault, netemFaults } from './netem-faults.js';
import type { NetworkPods } from './network-pods.js';

const directions: Direction[] = ['Egress', 'Ingress', 'Both'];
type Figure = Measured & { right: boolean };

/** Every fault of netem in every direction and over IPv4 and IPv6; on the way out also beside plain `tc`. */
export const netemCases: KernelCase[] = netemFaults.flatMap((fault) =>
  directions.map((direction) => ({
    name: `${fault.name}, ${direction}`,
    run: (world) => measureFault(world, fault, direction),
  })),
);

async function measureFault(world: CaseWorld, fault: NetemFault, direction: Direction): Promise<void> {
  const figures = await measuredAgain(
    () => figuresOf(world.pods, fault, direction),
    (found) => found.every(({ right }) => right),
  );
  for (const { right: _, ...figure } of figures) world.measured(figure);
  const wrong = figures.filter(({ right }) => !right);
  if (wrong.length > 0)
    throw new Error(
      wrong.map(({ what, expected, measured }) => `${what}: ${expected}, measured ${measured}`).join('; '),
    );
}

async function figuresOf(pods: NetworkPods, fault: NetemFault, direction: Direction): Promise<Figure[]> {
  const pace = direction === 'Egress' ? fault.pace : { ...fault.pace, count: fault.pace.count / 2 };
  const plain = direction === 'Egress' ? await withPlainTc(pods, fault) : undefined;
  const step = { do: 'traffic' as const, match: { direction, includeKubelet: true }, ...fault.does };
  const { result } = await whileApplied(pods, step, () => overBoth(pods, pace));
  const passes = direction === 'Both' ? 2 : 1;
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const beside = plain ? fault.judge(plain[family], passes) : [];
    return fault
      .judge(result[family], passes)
      .map((finding, index) => ({ ...finding, what: `${family} ${finding.what}`, ...plainOf(beside, index) }));
  });
}

function plainOf(findings: Finding[], index: number): { plain?: string } {
  const measured = findings[index]?.measured;
  return measured === undefined ? {} : { plain: measured };
}

/** What the same words to `tc` do to all of the pod's outgoing packets. */
async function withPlainTc(pods: NetworkPods, fault: NetemFault) {
  const { space } = pods.pod;
  await space.must('tc', ['qdisc', 'add', 'dev', 'eth0', 'root', 'netem', 'limit', '100000', ...fault.plain]);
  try {
    return await overBoth(pods, fault.pace);
  } finally {
    await space.must('tc', ['qdisc', 'del', 'dev', 'eth0', 'root']);
  }
}

async function overBoth({ pod, peers }: NetworkPods, pace: EchoPace): Promise<Record<'IPv4' | 'IPv6', Echoes>> {
  const { ipv4, ipv6 } = peers[0]!;
  const [IPv4, IPv6] = await Promise.all([echoes(pod.space, ipv4, pace), echoes(pod.space, ipv6, pace)]);
  return { IPv4, IPv6 };
}
