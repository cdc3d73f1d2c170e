import { HALT_POLICY } from '../src/api/labels.js';
import { experimentRuns, safetyPolicies } from '../src/controller/resources.js';
import type { Client } from '../src/kubernetes/client.js';
import { inParallel } from '../src/kubernetes/parallel.js';
import { nodes } from '../src/kubernetes/resource.js';
import type { Benchmark, Figure } from './figure.js';
import { createNode } from './nodes.js';
import { inTurn, sleep, timed } from './rounds.js';
import { isFinished } from './runs.js';
import { openSightings, type Sightings } from './sightings.js';
import { BENCH_NAMESPACE, type TestBed, withTestBed } from './test-bed.js';

const RUNS = 100;
const ROUNDS = 5;
const WRITES_AT_ONCE = 32;
/** After it the controller's client may send a full burst again. */
const REFILL_MILLISECONDS = 2_000;
const names = Array.from({ length: RUNS }, (_, index) => `halted-${index}`);

/** How long it takes from a halt until the faults of a hundred runs are taken back, against bare calls that do that. */
export const halt: Benchmark = { name: 'halt', run: () => withTestBed(measure) };

async function measure(bed: TestBed): Promise<Figure[]> {
  const { client } = bed;
  await inParallel(WRITES_AT_ONCE, names, (name) => createNode(client, name));
  await bed.startController();
  const watched = await openSightings(client, nodes, '');
  const runs = await openSightings(client, experimentRuns, BENCH_NAMESPACE);
  const subjects = { floor: () => bareUncordon(client, watched), ours: () => haltRuns(client, watched, runs) };
  const values = await inTurn(ROUNDS, subjects, (one) => one());
  watched.stop();
  runs.stop();
  return [
    {
      what: `from the halt until the last of ${RUNS} runs has uncordoned its node`,
      against: `${RUNS} bare PATCHes, ${WRITES_AT_ONCE} at once`,
      unit: 'ms',
      ...values,
    },
  ];
}

async function haltRuns(client: Client, watched: Sightings, runs: Sightings): Promise<number> {
  const cordoned = allNodes(watched, true);
  await inParallel(WRITES_AT_ONCE, names, async (name) => {
    const step = { name: 'cordon', nodeCordon: {}, targets: { nodes: { names: [name] } }, duration: '10m' };
    const metadata = { name, namespace: BENCH_NAMESPACE };
    await client.create(experimentRuns, { metadata, spec: { template: { method: [step] } } });
  });
  await cordoned;
  await sleep(REFILL_MILLISECONDS);
  const over = allRuns(runs);
  const milliseconds = await timed(async () => {
    const uncordoned = allNodes(watched, false);
    await client.create(safetyPolicies, { metadata: { name: HALT_POLICY }, spec: { halt: { reason: 'measured' } } });
    await uncordoned;
  });
  await over;
  await client.delete(safetyPolicies, undefined, HALT_POLICY);
  await inParallel(WRITES_AT_ONCE, names, (name) => client.delete(experimentRuns, BENCH_NAMESPACE, name));
  await sleep(REFILL_MILLISECONDS);
  return milliseconds;
}

async function bareUncordon(client: Client, watched: Sightings): Promise<number> {
  const cordoned = allNodes(watched, true);
  await setUnschedulable(client, true);
  await cordoned;
  return timed(async () => {
    const uncordoned = allNodes(watched, false);
    await setUnschedulable(client, null);
    await uncordoned;
  });
}

function setUnschedulable(client: Client, unschedulable: true | null): Promise<void> {
  return inParallel(WRITES_AT_ONCE, names, async (name) => {
    await client.patch(nodes, undefined, name, { spec: { unschedulable } });
  });
}

/** Resolves when every node has been seen cordoned, or every one not. */
function allNodes(watched: Sightings, cordoned: boolean): Promise<unknown> {
  const missing = new Set(names);
  return watched.next(({ object }) => {
    const { name = '' } = object.metadata;
    if ((object.spec?.unschedulable === true) === cordoned) missing.delete(name);
    return missing.size === 0;
  });
}

function allRuns(runs: Sightings): Promise<unknown> {
  const missing = new Set(names);
  return runs.next(({ object }) => {
    if (isFinished(object.status ?? {})) missing.delete(object.metadata.name ?? '');
    return missing.size === 0;
  });
}
