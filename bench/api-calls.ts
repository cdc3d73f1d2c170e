import { experimentRuns } from '../src/controller/resources.js';
import type { Client } from '../src/kubernetes/client.js';
import { deployments, type KubeObject, nodes, pods, type Resource } from '../src/kubernetes/resource.js';
import { BARE, type Calls, type Counter, startCounter } from './calls.js';
import type { Benchmark, Figure } from './figure.js';
import { createNode } from './nodes.js';
import { sleep } from './rounds.js';
import { isFinished, seen } from './runs.js';
import { openSightings, type Sightings } from './sightings.js';
import { BENCH_NAMESPACE, type TestBed, withTestBed } from './test-bed.js';

const TARGETS = 10;
const ROUNDS = 3;
const app = 'target';
const labels = { app };
const REPLICAS = 2;
/** Events go out beside what they tell of, and caches follow. */
const SETTLE_MILLISECONDS = 2_000;

/** How many calls a run with ten targets takes, against a plain loop that does the same to them. */
export const apiCalls: Benchmark = { name: 'api-calls', run: () => withTestBed(measure) };

interface Case {
  fault: string;
  /** The step's fault and targets. */
  step: object;
  /** Makes what is hit, anew in every round. */
  prepare(round: string): Promise<void>;
  /** Does the same by hand. */
  loop(client: Client): Promise<void>;
  loopWords: string;
}

async function measure(bed: TestBed): Promise<Figure[]> {
  const counter = await startCounter(bed.url);
  for (let index = 0; index < TARGETS; index += 1) {
    await createNode(bed.client, `cordoned-${index}`, labels);
    await bed.client.create(deployments, deploymentOf(`scaled-${index}`));
  }
  await bed.startController(counter.url);
  const runs = await openSightings(bed.client, experimentRuns, BENCH_NAMESPACE);
  const figures: Figure[] = [];
  for (const each of casesOn(bed)) figures.push(...(await compare(bed.client, counter, runs, each)));
  runs.stop();
  await counter.close();
  return figures;
}

function casesOn(bed: TestBed): Case[] {
  const selector = { matchLabels: labels };
  return [
    {
      fault: 'podKill',
      step: { podKill: {}, targets: { pods: { selector, minAge: '0s', unmanaged: true }, count: TARGETS } },
      prepare: (round) => bed.createPods({ namespace: BENCH_NAMESPACE, prefix: round, app, count: TARGETS }),
      loop: (client) => eachOf(client, pods, (name) => client.delete(pods, BENCH_NAMESPACE, name)),
      loopWords: `a list and ${TARGETS} deletions`,
    },
    {
      fault: 'nodeCordon',
      step: { nodeCordon: {}, targets: { nodes: { selector }, count: TARGETS } },
      prepare: async () => {},
      loop: (client) => setAndRestore(client, nodes, { unschedulable: true }, { unschedulable: null }),
      loopWords: `a list, ${TARGETS} patches and ${TARGETS} back`,
    },
    {
      fault: 'scale',
      step: {
        scale: { replicas: 1 },
        targets: { workloads: { kind: 'Deployment', selector }, count: TARGETS },
      },
      prepare: async () => {},
      loop: (client) => setAndRestore(client, deployments, { replicas: 1 }, { replicas: REPLICAS }),
      loopWords: `a list, ${TARGETS} patches and ${TARGETS} back`,
    },
  ];
}

async function compare(client: Client, counter: Counter, runs: Sightings, each: Case): Promise<Figure[]> {
  const { fault, prepare, loop, loopWords } = each;
  const ours: Calls[] = [];
  const floor: Calls[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await prepare(`ours-${round}`);
    ours.push(await counted(counter, 'squall/', () => runOnce(client, runs, `${fault.toLowerCase()}-${round}`, each)));
    await prepare(`floor-${round}`);
    floor.push(await counted(counter, BARE, () => loop(counter.client)));
  }
  const figure = (what: string, value: (calls: Calls) => number): Figure => ({
    what,
    against: loopWords,
    unit: 'calls',
    ours: ours.map(value),
    floor: floor.map(value),
  });
  return [
    {
      ...figure(`${fault} on ${TARGETS} targets: all calls`, ({ all }) => all),
      parts: ours.slice(-1).map(({ words }) => `  ${words.join(', ')}`),
    },
    figure('… what only reads', ({ reads }) => reads),
    figure('… what writes, but Events', ({ writes }) => writes),
  ];
}

async function counted(counter: Counter, userAgent: string, work: () => Promise<unknown>): Promise<Calls> {
  await sleep(SETTLE_MILLISECONDS);
  counter.reset();
  await work();
  await sleep(SETTLE_MILLISECONDS);
  return counter.calls(userAgent);
}

async function runOnce(client: Client, runs: Sightings, name: string, { step }: Case): Promise<void> {
  const over = seen(runs, name, (status) => isFinished(status ?? {}));
  const template = { method: [{ name: 'hit', ...step, duration: '1s' }] };
  await client.create(experimentRuns, { metadata: { name, namespace: BENCH_NAMESPACE }, spec: { template } });
  const { status } = await over;
  if (status?.steps?.[0]?.effective !== TARGETS) throw new Error(`not all were hit: ${status?.message}`);
}

async function eachOf(client: Client, resource: Resource, act: (name: string) => Promise<unknown>): Promise<void> {
  const namespace = resource.namespaced ? BENCH_NAMESPACE : undefined;
  const { items } = await client.list(resource, { namespace, labelSelector: `app=${app}` });
  for (const { metadata } of items) await act(metadata.name ?? '');
}

async function setAndRestore(client: Client, resource: Resource, set: object, restore: object): Promise<void> {
  const namespace = resource.namespaced ? BENCH_NAMESPACE : undefined;
  const names: string[] = [];
  await eachOf(client, resource, async (name) => {
    names.push(name);
    await client.patch(resource, namespace, name, { spec: set });
  });
  for (const name of names) await client.patch(resource, namespace, name, { spec: restore });
}

function deploymentOf(name: string): KubeObject {
  const own = { name };
  const containers = [{ name: 'main', image: 'example:1' }];
  return {
    metadata: { name, namespace: BENCH_NAMESPACE, labels },
    spec: {
      replicas: REPLICAS,
      selector: { matchLabels: own },
      template: { metadata: { labels: own }, spec: { containers } },
    },
  };
}
