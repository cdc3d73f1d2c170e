import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../src/agent/run-program.js';
import { ANNOTATION_ABILITIES, DEFAULT_NAMESPACE } from '../src/api/labels.js';
import { experimentRuns } from '../src/controller/resources.js';
import { type KubeObject, leases, pods } from '../src/kubernetes/resource.js';
import type { Benchmark, Figure } from './figure.js';
import { ended, memoryOf, processorOf, squall, startNode, temporaryFolder } from './processes.js';
import { inTurn, sleep, timed } from './rounds.js';
import { endRun, isFinished, runUntil } from './runs.js';
import { openSightings, type Sightings } from './sightings.js';
import { BENCH_NAMESPACE, type TestBed, withTestBed } from './test-bed.js';

const PODS = 100;
const ROUNDS = 3;
/** How long a process is watched for its use of the processor. */
const WATCH_MILLISECONDS = 30_000;
const app = 'target';
const fault = { network: { loss: { share: '10%' } }, agent: 'Node' };

const rules = `table inet bench { chain out { type filter hook postrouting priority mangle; oifname "eth0" numgen random mod 10 < 1 counter meta priority set 1:1
}
}
`;
const classes = `qdisc add dev eth0 root handle 1: htb default 0
class add dev eth0 parent 1: classid 1:1 htb rate 100gbit
qdisc add dev eth0 parent 1:1 blackhole
`;

/** What an agent costs, and how long it takes to hit all pods of a node. */
export const nodeAgent: Benchmark = { name: 'node-agent', run };

async function run(): Promise<Figure[]> {
  if (process.getuid?.() === 0) return withTestBed(measure, 'real');
  process.stderr.write('node-agent makes network namespaces and needs root: left out\n');
  return [];
}

async function measure(bed: TestBed): Promise<Figure[]> {
  await bed.createPods({ namespace: BENCH_NAMESPACE, prefix: app, app, count: PODS });
  await bed.startController();
  const runs = await openSightings(bed.client, experimentRuns, BENCH_NAMESPACE);
  const args = ['agent', '--server', bed.url, '--node', 'n1', '--state', join(temporaryFolder(), 'state')];
  const agent = startNode([squall, ...args]);
  const bare = startNode(['-e', 'setInterval(() => {}, 1000)']);
  try {
    const processes = await firstProcesses(bed);
    await isReady(bed);
    const idle = await costOf(agent);
    const hits = await hit(bed, runs, processes);
    await runUntil(bed.client, runs, { name: 'hold', app, fault, percent: 100, duration: '10m' }, isHeld);
    const holding = await costOf(agent);
    await endRun(bed.client, runs, 'hold');
    const node = memoryOf(bare).now;
    return [
      ...hits,
      { what: 'idle agent: RSS', against: 'idle Node', unit: 'MiB', ours: [idle.memory], floor: [node] },
      {
        what: `agent that holds ${PODS} faults: RSS`,
        against: 'idle agent',
        unit: 'MiB',
        ours: [holding.memory],
        floor: [idle.memory],
      },
      {
        what: `agent that holds ${PODS} faults: processor time in ${WATCH_MILLISECONDS / 1_000} s, its programs included`,
        against: 'idle agent',
        unit: 'ms',
        ours: [holding.processor],
        floor: [idle.processor],
      },
    ];
  } finally {
    runs.stop();
    for (const child of [agent, bare]) {
      child.kill('SIGKILL');
      await ended(child);
    }
  }
}

/** Hits all pods and takes it back, and the same by hand, in turn. */
async function hit({ client }: TestBed, runs: Sightings, processes: readonly number[]): Promise<Figure[]> {
  const reverts: Record<'ours' | 'floor', number[]> = { ours: [], floor: [] };
  let round = 0;
  const applies = await inTurn(ROUNDS, { ours: true, floor: false }, async (isOurs) => {
    if (!isOurs) {
      const milliseconds = await timed(() => byHand(processes, 'apply'));
      reverts.floor.push(await timed(() => byHand(processes, 'revert')));
      return milliseconds;
    }
    round += 1;
    const name = `round-${round}`;
    const milliseconds = await timed(() =>
      runUntil(client, runs, { name, app, fault, percent: 100, duration: '10m' }, isHeld),
    );
    reverts.ours.push(await timed(() => endRun(client, runs, name)));
    return milliseconds;
  });
  const against = `a loop of nsenter with nft and tc`;
  return [
    { what: `from creating a run until ${PODS} pods of a node are hit`, against, unit: 'ms', ...applies },
    { what: `from aborting it until it is proven that all is as before`, against, unit: 'ms', ...reverts },
  ];
}

/** Waits until the controller can see that the node has an agent, and what it can do. */
async function isReady({ client }: TestBed): Promise<void> {
  for (;;) {
    for await (const { items } of client.listAll(leases, { namespace: DEFAULT_NAMESPACE }))
      if (items.some(({ metadata }) => metadata.annotations?.[ANNOTATION_ABILITIES] !== undefined)) return;
    await sleep(100);
  }
}

function isHeld(status: NonNullable<KubeObject['status']>): boolean {
  if (isFinished(status)) throw new Error(`the run ended too early: ${status.message}`);
  return status.steps?.[0]?.state === 'Holding';
}

async function byHand(processes: readonly number[], what: 'apply' | 'revert'): Promise<void> {
  const commands =
    what === 'apply'
      ? [
          { program: ['tc', '-batch', '-'], input: classes },
          { program: ['nft', '-f', '-'], input: rules },
        ]
      : [
          { program: ['nft', 'delete', 'table', 'inet', 'bench'], input: '' },
          { program: ['tc', 'qdisc', 'delete', 'dev', 'eth0', 'root'], input: '' },
        ];
  for (const process of processes) {
    for (const { program, input } of commands) {
      const args = [`--net=/proc/${process}/ns/net`, '--', ...program];
      const { code, stderr } = await runProgram('nsenter', args, { input });
      if (code !== 0) throw new Error(`${program.join(' ')}: ${stderr}`);
    }
  }
}

/** A process of each pod, by the cgroup that it is in. */
async function firstProcesses({ client }: TestBed): Promise<number[]> {
  const found = new Map<string, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const [, uid] = /\/pod([0-9a-f-]{36})\//.exec(cgroupOf(pid)) ?? [];
    if (uid !== undefined) found.set(uid, Number(pid));
  }
  const processes: number[] = [];
  for await (const { items } of client.listAll(pods, { namespace: BENCH_NAMESPACE }))
    for (const { metadata } of items) processes.push(found.get(metadata.uid ?? '') ?? Number.NaN);
  return processes;
}

function cgroupOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return '';
  }
}

/** Memory in MiB now, and the milliseconds of processor that the process and those it started use in a while. */
async function costOf(child: ChildProcess): Promise<{ memory: number; processor: number }> {
  const before = processorOf(child);
  await sleep(WATCH_MILLISECONDS);
  return { memory: memoryOf(child).now, processor: processorOf(child) - before };
}
