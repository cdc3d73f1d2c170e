import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
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

/** Kills one pod every 250 ms for so long. */
const busy = (app: string, duration: string) => ({
  method: [killStep(app, { duration, podKill: { gracePeriod: '0s', repeatEvery: '250ms' } })],
});

test('a second controller never acts; on SIGTERM it takes over at once, and the run goes on', async () => {
  await cluster.deploy('handover', 3);
  const first = await candidate();
  await leads(first);
  const second = await candidate();
  await cluster.createRun('handover', busy('handover', '4s'));
  await until(() => cluster.deletedOf('handover').length >= 2, 'two rounds');
  expect(changes(second)).toEqual([]);
  const asked = performance.now();
  first.process.child.kill('SIGTERM');
  await first.process.ended;
  expect(first.process.child.exitCode).toBe(0);
  await leads(second);
  expect(performance.now() - asked).toBeLessThan(5_000);
  const killedBefore = cluster.deletedOf('handover').length;
  const { status } = await cluster.finished('handover');
  const [step] = status?.steps ?? [];
  expect(cluster.deletedOf('handover').length).toBeGreaterThan(killedBefore);
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
  await cluster.createRun('frozen', busy('frozen', '6s'));
  await until(() => cluster.deletedOf('frozen').length >= 2, 'two rounds');
  first.process.child.kill('SIGSTOP');
  await leads(second);
  const killedBefore = cluster.deletedOf('frozen').length;
  await until(() => cluster.deletedOf('frozen').length > killedBefore, 'a round of the second');
  const woken = performance.now();
  first.process.child.kill('SIGCONT');
  const { status } = await cluster.finished('frozen');
  expect(changes(first, woken)).toEqual([]);
  expect(first.process.log()).toContain('Not leading any more');
  const [step] = status?.steps ?? [];
  expect(cluster.deletedOf('frozen')).toHaveLength(step?.hit ?? -1);
  expect(new Set(cluster.deletedOf('frozen')).size).toBe(step?.hit);
  // Those of the second went on all the while.
  expect(second.proxy.requests.filter(isWrite).some(({ at }) => at > woken)).toBe(true);
}, 60_000);
