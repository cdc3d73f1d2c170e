import { experimentRuns } from '../src/controller/resources.js';
import type { Benchmark, Figure } from './figure.js';
import { ended, memoryOf, startNode } from './processes.js';
import { sleep } from './rounds.js';
import { endRun, runUntil } from './runs.js';
import { openSightings } from './sightings.js';
import { BENCH_NAMESPACE, OTHER_NAMESPACE, type TestBed, withTestBed } from './test-bed.js';

const ROUNDS = 3;
const PODS = 20_000;
const TARGETS = 3;
/** How long a process is left alone before its memory is read. */
const SETTLE_MILLISECONDS = 3_000;

/** The memory of a controller, idle and with a run in flight, in a cluster with many pods that the run does not name. */
export const controllerMemory: Benchmark = {
  name: 'controller-memory',
  run: () => withTestBed((empty) => withTestBed((full) => measure(empty, full))),
};

interface Memory {
  idle: number;
  inFlight: number;
  peak: number;
}

async function measure(empty: TestBed, full: TestBed): Promise<Figure[]> {
  for (const bed of [empty, full])
    await bed.createPods({ namespace: BENCH_NAMESPACE, prefix: 'target', app: 'target', count: TARGETS * ROUNDS });
  const half = PODS / 2;
  // The same label in another namespace, and another label in the same one.
  await full.createPods({ namespace: OTHER_NAMESPACE, prefix: 'other', app: 'target', count: half });
  await full.createPods({ namespace: BENCH_NAMESPACE, prefix: 'other', app: 'other', count: half });

  const inEmpty: Memory[] = [];
  const inFull: Memory[] = [];
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // Side by side: a process's memory does not depend on how busy the machine is, but on when its garbage is collected.
    const [one, other, node] = await Promise.all([memoryOn(empty, round), memoryOn(full, round), bareNode()]);
    inEmpty.push(one);
    inFull.push(other);
    bare.push(node);
  }
  const compare = (what: string, field: keyof Memory): Figure => ({
    what: `controller with ${PODS} pods around, ${what}`,
    against: 'with 0 pods',
    unit: 'MiB',
    ours: inFull.map((each) => each[field]),
    floor: inEmpty.map((each) => each[field]),
  });
  return [
    compare('RSS idle', 'idle'),
    compare('RSS with a run in flight', 'inFlight'),
    compare('peak RSS', 'peak'),
    {
      what: 'controller with 0 pods, RSS idle',
      against: 'idle Node',
      unit: 'MiB',
      ours: inEmpty.map(({ idle }) => idle),
      floor: bare,
    },
  ];
}

async function memoryOn(bed: TestBed, round: number): Promise<Memory> {
  const { client } = bed;
  const controller = await bed.startController();
  await sleep(SETTLE_MILLISECONDS);
  const idle = memoryOf(controller).now;
  const runs = await openSightings(client, experimentRuns, BENCH_NAMESPACE);
  const probe = { apiVersion: 'v1', kind: 'Pod', selector: { matchLabels: { app: 'target' } }, interval: '200ms' };
  const hypothesis = [{ name: 'some-left', resource: probe, expect: { that: 'objects.size() > 0' } }];
  const run = { name: `round-${round}`, app: 'target', duration: '60s', hypothesis };
  await runUntil(client, runs, run, ({ steps }) => steps?.[0]?.state === 'Holding');
  await sleep(SETTLE_MILLISECONDS);
  const { now: inFlight, peak } = memoryOf(controller);
  await endRun(client, runs, run.name);
  runs.stop();
  await bed.stopController(controller);
  return { idle, inFlight, peak };
}

async function bareNode(): Promise<number> {
  const node = startNode(['-e', 'setInterval(() => {}, 1000)']);
  await sleep(SETTLE_MILLISECONDS);
  const { now } = memoryOf(node);
  node.kill('SIGKILL');
  await ended(node);
  return now;
}
