import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ExperimentRun } from '../api/experiment-run.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { CrashLane, type Moment, moments } from '../testing/crash-lane.js';

/** How many clusters work on the cases side by side. */
const LANES = 3;

let bundle: ControllerBundle;

beforeAll(async () => {
  bundle = await bundleController();
}, 30_000);

afterAll(() => bundle?.remove());

const template = (mark: string) => ({
  hypothesis: [availableProbe(`a-${mark}`, 1)],
  method: [
    killStep(`a-${mark}`, { name: 'first', targets: { percent: 50 } }),
    killStep(`b-${mark}`, { name: 'beside', parallel: true }),
    killStep(`a-${mark}`, { name: 'then', targets: { count: 1 } }),
  ],
});

/** Runs one experiment while its controller dies at the k-th write; returns whether there was a k-th write. */
async function runCase(lane: CrashLane, nth: number, moment: Moment): Promise<ExperimentRun | undefined> {
  const mark = `${moment}-${nth}`;
  await Promise.all([lane.cluster.deploy(`a-${mark}`, 4), lane.cluster.deploy(`b-${mark}`, 2)]);
  const { run, died } = await lane.play(mark, template(mark), [{ moment, nth }]);
  return died > 0 ? run : undefined;
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
  const lane = new CrashLane(await startTestCluster(bundle.workerUrl), bundle);
  try {
    await lane.begin();
    for (const moment of moments) {
      for (let k = first; ; k += LANES) {
        const run = await runCase(lane, k, moment);
        if (!run) break;
        lines.push(check(lane.cluster, moment, k, run));
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
