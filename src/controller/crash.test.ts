import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ExperimentRun } from '../api/experiment-run.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  type ControllerProcess,
  killStep,
  startControllerProcess,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { type CrashProxy, isWrite, startCrashProxy } from '../testing/crash-proxy.js';
import { until } from '../testing/scripted-server.js';

/** `before`: the write never arrives. `answered`: it is done, and the answer is lost. */
const moments = ['before', 'answered'] as const;
type Moment = (typeof moments)[number];

/** How many clusters work on the cases side by side. */
const LANES = 3;

let bundle: ControllerBundle;

beforeAll(async () => {
  bundle = await bundleController();
}, 30_000);

afterAll(() => bundle?.remove());

/** A controller process behind a proxy of its own. */
interface Candidate {
  proxy: CrashProxy;
  process: ControllerProcess;
}

/** A cluster in which one leader after the other is killed; the one that took over is the next to die. */
class Lane {
  readonly #candidates: Candidate[] = [];

  constructor(readonly cluster: TestCluster) {}

  async candidate(): Promise<Candidate> {
    const proxy = await startCrashProxy(this.cluster.cluster.url);
    const made = { proxy, process: startControllerProcess(bundle, proxy.url) };
    this.#candidates.push(made);
    return made;
  }

  async leads({ process }: Candidate): Promise<void> {
    await until(() => process.log().includes('"Leading"'), `${process.identity} leads: ${process.log()}`, 30_000);
  }

  /** Nobody has to wait for the Lease of a process that is known to be dead. */
  expireLease(): void {
    this.cluster.cluster.store.delete('leases.coordination.k8s.io', 'squall-system', 'squall-controller', {});
  }

  async stop(): Promise<void> {
    for (const { process, proxy } of this.#candidates) {
      process.kill();
      await process.ended;
      await proxy.close();
    }
    await this.cluster.stop();
  }
}

const template = (mark: string) => ({
  hypothesis: [availableProbe(`a-${mark}`, 1)],
  method: [
    killStep(`a-${mark}`, { name: 'first', targets: { percent: 50 } }),
    killStep(`b-${mark}`, { name: 'beside', parallel: true }),
    killStep(`a-${mark}`, { name: 'then', targets: { count: 1 } }),
  ],
});

/** Runs one experiment while its controller dies at the k-th write; returns whether there was a k-th write. */
async function runCase(lane: Lane, leader: Candidate, k: number, moment: Moment): Promise<ExperimentRun | undefined> {
  const { cluster } = lane;
  const mark = `${moment}-${k}`;
  await Promise.all([cluster.deploy(`a-${mark}`, 4), cluster.deploy(`b-${mark}`, 2)]);
  let writes = 0;
  let died = false;
  leader.proxy.intercept = {
    [moment]: (request: Parameters<typeof isWrite>[0]) => {
      if (died || !isWrite(request)) return died;
      writes += 1;
      if (writes < k) return false;
      died = true;
      leader.process.kill();
      lane.expireLease();
      return true;
    },
  };
  await cluster.createRun(mark, template(mark));
  const run = await cluster.finished(mark, { within: 30_000 });
  leader.proxy.intercept = {};
  if (died) await leader.process.ended;
  return died ? run : undefined;
}

/** What must be true however often the controller died. */
function check(cluster: TestCluster, moment: Moment, k: number, { status, metadata }: ExperimentRun): string {
  const mark = `${moment}-${k}`;
  const killed = [cluster.deletedOf(`a-${mark}`).length, cluster.deletedOf(`b-${mark}`).length];
  const told = status?.steps?.map(({ hit, effective }) => `${hit}/${effective}`);
  const conditions = Object.fromEntries(status?.conditions?.map(({ type, status: value }) => [type, value]) ?? []);
  expect({ mark, killed, told, finalizers: metadata.finalizers ?? [], conditions }).toMatchObject({
    killed: [3, 1],
    told: ['2/2', '1/1', '1/1'],
    finalizers: [],
    conditions: { TargetsSelected: 'True', BaselineHeld: 'True', Injected: 'True', Reverted: 'True' },
  });
  expect(['HypothesisHeld', 'NotEnoughSamples']).toContain(status?.reason);
  return `${mark}: ${status?.verdict}/${status?.reason}`;
}

async function lane(first: number, lines: string[]): Promise<void> {
  const lane = new Lane(await startTestCluster(bundle.workerUrl));
  try {
    let leader = await lane.candidate();
    await lane.leads(leader);
    let standby = await lane.candidate();
    for (const moment of moments) {
      for (let k = first; ; k += LANES) {
        await until(() => standby.proxy.requests.length > 0, 'the standby to look at the Lease', 30_000);
        const run = await runCase(lane, leader, k, moment);
        if (!run) break;
        lines.push(check(lane.cluster, moment, k, run));
        await lane.leads(standby);
        leader = standby;
        standby = await lane.candidate();
      }
    }
    expect(lane.cluster.injections()).toEqual([]);
  } finally {
    await lane.stop();
  }
}

test('a controller that is killed at any write is followed by one that ends the run as if nothing had happened', async () => {
  const lines: string[] = [];
  await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index + 1, lines)));
  const passed = lines.filter((line) => line.includes('Passed')).length;
  console.info(
    `${lines.length} deaths: ${passed} passed, leftovers 0\n${lines.filter((line) => !line.includes('Passed')).join('\n')}`,
  );
  expect(lines.length).toBeGreaterThan(30);
}, 180_000);
