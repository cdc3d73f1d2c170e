import { spawn } from 'node:child_process';
import { experimentRuns } from '../src/controller/resources.js';
import type { Client } from '../src/kubernetes/client.js';
import { inParallel } from '../src/kubernetes/parallel.js';
import { nodes, pods } from '../src/kubernetes/resource.js';
import { hasKubectl } from '../src/testing/kubectl.js';
import { BARE, type Calls, type Counter, startCounter } from './calls.js';
import type { Benchmark, Figure } from './figure.js';
import { processorOf, processorOfEnded, temporaryFolder, track } from './processes.js';
import { inTurn, sleep } from './rounds.js';
import { endRun, isFinished, seen } from './runs.js';
import { openSightings, type Sightings } from './sightings.js';
import { BENCH_NAMESPACE, type TestBed, withTestBed } from './test-bed.js';

const PODS = 100;
const ROUNDS = 5;
const NODE = 'n1';
const EVICTIONS_AT_ONCE = 20;
/** After it the controller's client may send a full burst again. */
const REFILL_MILLISECONDS = 2_000;

/** How long a node with a hundred pods takes to drain, and what that costs, against the real `kubectl drain`. */
export const drain: Benchmark = {
  name: 'drain',
  async run() {
    if (hasKubectl()) return withTestBed(measure);
    process.stderr.write('drain is left out: there is no kubectl on the PATH\n');
    return [];
  },
};

/** One of those that drain the node. */
interface Drainer {
  userAgent: string;
  /** Begins, and resolves when it says that the node is empty. */
  begin(): Promise<unknown>;
  /** Milliseconds of processor that it has used so far. */
  processor(): number;
  /** Ends what is still on. */
  end(): Promise<void>;
}

/** Times in milliseconds since the drain was asked for, but `evicting`: since the node was cordoned. */
interface Drained {
  empty: number;
  evicting: number;
  said: number;
  processor: number;
  calls: Calls;
}

async function measure(bed: TestBed): Promise<Figure[]> {
  const counter = await startCounter(bed.url);
  const controller = await bed.startController(counter.url);
  const watched = await openSightings(bed.client, nodes, '');
  const there = await openSightings(bed.client, pods, BENCH_NAMESPACE);
  const runs = await openSightings(bed.client, experimentRuns, BENCH_NAMESPACE);
  const peer = kubectl(bed.kubeconfig(counter.url));
  // It looks up once what the API server serves, and remembers that in files.
  await peer.begin();
  await uncordon(bed.client);
  const ours = run(bed.client, runs, () => processorOf(controller));
  let round = 0;
  const drained = await inTurn(ROUNDS, { peer, ours, floor: bare(counter.client) }, async (drainer) => {
    round += 1;
    await bed.createPods({ namespace: BENCH_NAMESPACE, prefix: `round-${round}`, app: 'drained', count: PODS });
    await sleep(REFILL_MILLISECONDS);
    const found = await drainOnce(drainer, counter, watched, there);
    await drainer.end();
    await uncordon(bed.client);
    return found;
  });
  for (const each of [watched, there, runs]) each.stop();
  await counter.close();
  return figuresOf(drained);
}

async function drainOnce(drainer: Drainer, counter: Counter, watched: Sightings, there: Sightings): Promise<Drained> {
  let gone = 0;
  const cordoned = watched
    .next(({ object }) => object.metadata.name === NODE && object.spec?.unschedulable === true)
    .then(() => performance.now());
  const empty = there.next(({ type }) => type === 'DELETED' && ++gone === PODS).then(() => performance.now());
  counter.reset();
  const before = drainer.processor();
  const begun = performance.now();
  await drainer.begin();
  const said = performance.now() - begun;
  const processor = drainer.processor() - before;
  const calls = counter.calls(drainer.userAgent);
  const emptied = await empty;
  return { empty: emptied - begun, evicting: emptied - (await cordoned), said, processor, calls };
}

function run(client: Client, runs: Sightings, processor: () => number): Drainer {
  let name = '';
  return {
    userAgent: 'squall/',
    processor,
    async begin() {
      name = `drain-${performance.now().toFixed()}`;
      const step = { name: 'drain', nodeDrain: { unmanaged: true }, targets: { nodes: { names: [NODE] } } };
      const template = { method: [{ ...step, duration: '10m' }] };
      const over = seen(runs, name, (status) => status?.steps?.[0]?.effective === 1 || isFinished(status ?? {}));
      await client.create(experimentRuns, { metadata: { name, namespace: BENCH_NAMESPACE }, spec: { template } });
      const { status } = await over;
      if (status?.steps?.[0]?.effective !== 1) throw new Error(`the node was not drained: ${status?.message}`);
    },
    end: () => endRun(client, runs, name),
  };
}

function kubectl(kubeconfig: string): Drainer {
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: temporaryFolder() };
  return {
    userAgent: 'kubectl',
    processor: processorOfEnded,
    async begin() {
      // Squall leaves pods of DaemonSets, and is told of the same pods without a controller.
      const args = ['drain', NODE, '--ignore-daemonsets', '--force'];
      const child = track(spawn('kubectl', args, { env, stdio: ['ignore', 'ignore', 'pipe'] }));
      let message = '';
      child.stderr.on('data', (chunk: Buffer) => {
        message += chunk.toString();
      });
      const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
      if (code !== 0) throw new Error(`kubectl drain exited with ${code}: ${message}`);
    },
    async end() {},
  };
}

function bare(client: Client): Drainer {
  return {
    userAgent: BARE,
    processor: () => 0,
    async begin() {
      await client.patch(nodes, undefined, NODE, { spec: { unschedulable: true } });
      const { items } = await client.list(pods, { namespace: BENCH_NAMESPACE, fieldSelector: `spec.nodeName=${NODE}` });
      await inParallel(EVICTIONS_AT_ONCE, items, ({ metadata }) => client.evict(BENCH_NAMESPACE, metadata.name ?? ''));
    },
    async end() {},
  };
}

async function uncordon(client: Client): Promise<void> {
  await client.patch(nodes, undefined, NODE, { spec: { unschedulable: null } });
}

function figuresOf({ ours, peer, floor }: Record<'ours' | 'peer' | 'floor', Drained[]>): Figure[] {
  const against = (other: Drained[], words: string) => {
    return (what: string, unit: Figure['unit'], value: (drained: Drained) => number): Figure => ({
      what,
      against: words,
      unit,
      ours: ours.map(value),
      floor: other.map(value),
    });
  };
  const kubectlDrain = against(peer, '`kubectl drain`');
  const bareCalls = against(floor, `${PODS} bare evictions, ${EVICTIONS_AT_ONCE} at once`);
  const parts = (who: string, [first]: Drained[]) => `  ${who}: ${first?.calls.words.join(', ')}`;
  const asked = `a node with ${PODS} pods, from asking until it is empty`;
  return [
    kubectlDrain(asked, 'ms', ({ empty }) => empty),
    bareCalls(asked, 'ms', ({ empty }) => empty),
    kubectlDrain('… from its being cordoned until it is empty', 'ms', ({ evicting }) => evicting),
    bareCalls('… from its being cordoned until it is empty', 'ms', ({ evicting }) => evicting),
    kubectlDrain('… from asking until it is said to be empty', 'ms', ({ said }) => said),
    kubectlDrain('… processor time until then', 'ms', ({ processor }) => processor),
    {
      ...kubectlDrain('calls of a drain until then', 'calls', ({ calls }) => calls.all),
      parts: [parts('run', ours), parts('kubectl', peer), parts('bare', floor)],
    },
  ];
}
