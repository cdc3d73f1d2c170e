import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  bundleController,
  type ControllerBundle,
  type ControllerProcess,
  experimentRuns,
  killStep,
  startControllerProcess,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { type CrashProxy, isWrite, startCrashProxy } from '../testing/crash-proxy.js';
import { until } from '../testing/scripted-server.js';

let bundle: ControllerBundle;
let cluster: TestCluster;
const candidates: Candidate[] = [];

interface Candidate {
  proxy: CrashProxy;
  process: ControllerProcess;
}

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
}, 30_000);

afterAll(async () => {
  for (const { process, proxy } of candidates) {
    process.kill();
    await process.ended;
    await proxy.close();
  }
  await cluster?.stop();
  bundle?.remove();
});

async function candidate(): Promise<Candidate> {
  const proxy = await startCrashProxy(cluster.cluster.url);
  const made = { proxy, process: startControllerProcess(bundle, proxy.url) };
  candidates.push(made);
  await until(() => proxy.requests.length > 0, 'it to look at the Lease', 30_000);
  return made;
}

async function leads({ process }: Candidate): Promise<void> {
  const times = () => process.log().match(/"Leading"/g)?.length ?? 0;
  await until(() => times() > 0, `${process.identity} to lead: ${process.log()}`, 30_000);
}

/** Everything a controller has changed, Events too; it may try for the Lease. */
function changes({ proxy }: Candidate, since = 0): string[] {
  return proxy.requests
    .filter(({ method, path, at }) => method !== 'GET' && at >= since && !path.includes('/leases'))
    .map(({ method, path }) => `${method} ${path}`);
}

/** Kills one pod every 250 ms until it is stopped: how long a change of leaders takes depends on the machine. */
const busy = (app: string) => ({
  method: [killStep(app, { duration: '50m', podKill: { gracePeriod: '0s', repeatEvery: '250ms' } })],
});

/** Waits for one more pod to be killed. */
async function anotherRound(app: string): Promise<void> {
  const before = cluster.deletedOf(app).length;
  await until(() => cluster.deletedOf(app).length > before, 'another round', 30_000);
}

/** Ends a run, and returns its only step. */
async function stopped(name: string) {
  await cluster.client.patch(experimentRuns, 'default', name, { spec: { abort: { reason: 'seen enough' } } });
  const { status } = await cluster.finished(name);
  expect(status).toMatchObject({ reason: 'AbortedByUser', steps: [{ hit: expect.any(Number) }] });
  return status?.steps?.[0];
}

test('a second controller never acts; on SIGTERM it takes over at once, and the run goes on', async () => {
  await cluster.deploy('handover', 3);
  const first = await candidate();
  await leads(first);
  const second = await candidate();
  await cluster.createRun('handover', busy('handover'));
  await until(() => cluster.deletedOf('handover').length >= 2, 'two rounds');
  expect(changes(second)).toEqual([]);
  const asked = performance.now();
  first.process.child.kill('SIGTERM');
  await first.process.ended;
  expect(first.process.child.exitCode).toBe(0);
  await leads(second);
  expect(performance.now() - asked).toBeLessThan(5_000);
  await anotherRound('handover');
  const step = await stopped('handover');
  expect(cluster.deletedOf('handover')).toHaveLength(step?.hit ?? -1);
  expect(step?.rounds).toBeGreaterThanOrEqual(step?.hit ?? 0);
  second.process.kill();
  await second.process.ended;
}, 60_000);

test('a controller that was frozen past its Lease does nothing when it wakes up', async () => {
  await cluster.deploy('frozen', 3);
  const first = await candidate();
  await leads(first);
  const second = await candidate();
  await cluster.createRun('frozen', busy('frozen'));
  await until(() => cluster.deletedOf('frozen').length >= 2, 'two rounds');
  first.process.child.kill('SIGSTOP');
  await leads(second);
  await anotherRound('frozen');
  const woken = performance.now();
  first.process.child.kill('SIGCONT');
  await until(() => first.process.log().includes('Not leading any more'), 'the first to notice', 30_000);
  // Those of the second go on all the while.
  await anotherRound('frozen');
  const step = await stopped('frozen');
  expect(changes(first, woken)).toEqual([]);
  expect(second.proxy.requests.filter(isWrite).some(({ at }) => at > woken)).toBe(true);
  expect(cluster.deletedOf('frozen')).toHaveLength(step?.hit ?? -1);
  expect(new Set(cluster.deletedOf('frozen')).size).toBe(step?.hit);
}, 60_000);
