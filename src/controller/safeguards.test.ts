import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { ExperimentRun } from '../api/experiment-run.js';
import { ApiError } from '../kubernetes/errors.js';
import { type Json, namespaces, podDisruptionBudgets } from '../kubernetes/resource.js';
import {
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { type CrashProxy, startCrashProxy } from '../testing/crash-proxy.js';
import { until } from '../testing/scripted-server.js';
import type { Controller } from './controller.js';
import { experimentRuns, safetyPolicies } from './resources.js';

jest.setTimeout(60_000);

let bundle: ControllerBundle;
let cluster: TestCluster;
let proxy: CrashProxy;
let controller: Controller;

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
  proxy = await startCrashProxy(cluster.cluster.url);
  controller = cluster.controller({ server: proxy.url });
  await until(() => controller.isLeading(), 'the controller to lead');
}, 30_000);

afterAll(async () => {
  await controller?.stop();
  await proxy?.close();
  await cluster?.stop();
  bundle?.remove();
});

/** A namespace of its own for each test, so that none minds the others. */
let space: string;
let tests = 0;
const made: string[] = [];

beforeEach(async () => {
  tests += 1;
  space = `space-${tests}`;
  await cluster.createNamespace(space);
});

afterEach(async () => {
  for (const name of made.splice(0)) await deletePolicy(name);
});

let looks = 0;

/** How a run of nothing ends at this moment. */
async function look(): Promise<string | undefined> {
  looks += 1;
  const { status } = await run('nothing', kill('nothing'), `look-${looks}`);
  return status?.reason;
}

async function awaitReason(reason: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) if ((await look()) === reason) return;
  throw new Error(`no run has ended ${reason}`);
}

/** Makes a policy, and waits until the controller knows it: it halts at first. */
async function createPolicy(name: string, spec: Json): Promise<void> {
  made.push(name);
  await cluster.client.create(safetyPolicies, {
    metadata: { name },
    spec: { ...spec, halt: { reason: 'not known yet' } },
  });
  await awaitReason('Halted');
  await cluster.client.patch(safetyPolicies, undefined, name, { spec: { halt: null } });
  await awaitReason('NoTargets');
}

async function deletePolicy(name: string): Promise<void> {
  await cluster.client.delete(safetyPolicies, undefined, name).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.isNotFound)) throw error;
  });
}

async function label(labels: Json): Promise<void> {
  await cluster.client.patch(namespaces, undefined, space, { metadata: { labels } });
}

async function createBudget(name: string, app: string, spec: Json): Promise<void> {
  const selector = { matchLabels: { app } };
  await cluster.client.create(podDisruptionBudgets, {
    metadata: { name, namespace: space },
    spec: { selector, ...spec },
  });
  const status = () => cluster.cluster.store.get('poddisruptionbudgets.policy', space, name)?.status as Json;
  await until(() => status()?.disruptionsAllowed !== undefined, `the status of ${name}`);
}

/** Runs an experiment of one step on an app to its end. */
async function run(app: string, template: Json, name = app): Promise<ExperimentRun> {
  await cluster.createRun(name, template, { namespace: space });
  return cluster.finished(name, { namespace: space });
}

const deploy = (app: string, replicas: number, more: Json = {}) =>
  cluster.deploy(app, replicas, { namespace: space, ...more });
const kill = (app: string, more: Json = {}) => ({ method: [killStep(app, more)] });
const outcome = ({ status }: ExperimentRun) => `${status?.reason}: ${status?.message}`;

describe('a run that is refused', () => {
  test('hits nothing and says which safeguards refuse it', async () => {
    await deploy('web', 4);
    const safeguards = { maxTargets: 2, maxPercentOfWorkload: 50, minReady: 2 };
    await createPolicy('prod', { safeguards: { maxTargets: 1 } });
    const refused = await run('web', { ...kill('web', { targets: { count: 3 } }), safeguards });
    expect(refused.status).toMatchObject({ verdict: 'Inconclusive', reason: 'BlockedBySafety' });
    for (const by of ['maxTargets', 'maxPercentOfWorkload', 'minReady'])
      expect(outcome(refused)).toContain(`safeguards.${by}`);
    expect(outcome(refused)).toContain("SafetyPolicy 'prod' safeguards.maxTargets");
    expect(cluster.deletedOf('web')).toEqual([]);
  });

  test('would take more out of service than its disruption budget allows', async () => {
    await deploy('guarded', 3);
    await createBudget('guarded', 'guarded', { minAvailable: 2 });
    const safeguards = { respectDisruptionBudgets: true };
    const two = await run('guarded', { ...kill('guarded', { targets: { count: 2 } }), safeguards }, 'two');
    expect(outcome(two)).toContain(`PodDisruptionBudget ${space}/guarded`);
    expect(cluster.deletedOf('guarded')).toEqual([]);
    const one = await run('guarded', { ...kill('guarded'), safeguards }, 'one');
    expect(one.status?.steps).toMatchObject([{ hit: 1, effective: 1 }]);
  });

  test('has a budget that allows nothing, and one beside it that selects nothing', async () => {
    await deploy('strict', 2);
    await createBudget('nobody', 'nobody', { minAvailable: 5 });
    await createBudget('strict', 'strict', { maxUnavailable: 0 });
    const safeguards = { respectDisruptionBudgets: true };
    const refused = await run('strict', { ...kill('strict'), safeguards });
    expect(outcome(refused)).toContain(`${space}/strict would be taken out of service, and it allows 0 now`);
    expect(outcome(refused)).not.toContain('nobody');
  });

  test('uses a fault that a policy does not allow', async () => {
    await deploy('api', 2);
    await createPolicy('only-network', { faults: ['network'] });
    expect(outcome(await run('api', kill('api')))).toContain("SafetyPolicy 'only-network' faults");
  });

  test('starts in a freeze', async () => {
    await deploy('frozen', 2);
    await createPolicy('freeze', { freezes: [{ from: '2000-01-01', to: '2999-12-31', reason: 'for good' }] });
    expect(outcome(await run('frozen', kill('frozen')))).toContain("SafetyPolicy 'freeze' freezes (no run may start");
  });

  test('would hit a workload that another run has', async () => {
    await deploy('shared', 4);
    await cluster.createRun('first', kill('shared', { duration: '30s' }), { namespace: space });
    await cluster.inStage('first', 'Holding', space);
    const second = await run('shared', kill('shared'), 'second');
    expect(outcome(second)).toContain(
      `run ${space}/first (Deployment/shared in namespace ${space} belongs to that run`,
    );
    await cluster.client.patch(experimentRuns, space, 'first', { spec: { abort: { reason: 'enough' } } });
    await cluster.finished('first', { namespace: space });
    expect((await run('shared', kill('shared'), 'third')).status?.steps).toMatchObject([{ hit: 1 }]);
  });
});

describe('what must not be hit', () => {
  test('is what carries a label that a policy protects', async () => {
    await deploy('mixed', 2, { labels: { tier: 'critical' } });
    await createPolicy('critical', { protectedLabels: [{ matchLabels: { tier: 'critical' } }] });
    const refused = await run('mixed', kill('mixed'));
    expect(refused.status).toMatchObject({ reason: 'NoTargets' });
    expect(outcome(refused)).toContain('2 protected');
  });

  test('is everything in a namespace that is labelled so', async () => {
    await deploy('kept', 2);
    await label({ 'squall.dev/protected': 'true' });
    expect(outcome(await run('kept', kill('kept')))).toContain('2 protected');
  });

  test('is what is not allowed, where only that may be hit', async () => {
    await deploy('closed', 1);
    await deploy('open', 1, { labels: { 'squall.dev/allowed': 'true' } });
    await createPolicy('opt-in', { onlyAllowed: true });
    expect(outcome(await run('closed', kill('closed'), 'a'))).toContain('1 without the label that a policy asks for');
    expect((await run('open', kill('open'), 'b')).status?.steps).toMatchObject([{ hit: 1 }]);
    await label({ 'squall.dev/allowed': 'true' });
    expect((await run('closed', kill('closed'), 'c')).status?.steps).toMatchObject([{ hit: 1 }]);
  });
});

describe('a budget over all runs', () => {
  test('is kept by twenty runs that are created at once', async () => {
    const apps = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    await Promise.all(apps.map((app) => deploy(app, 2)));
    await createPolicy('five', { budgets: [{ per: 'Cluster', maxTargets: 5 }] });
    await Promise.all(apps.map((app) => cluster.createRun(app, kill(app, { duration: '2s' }), { namespace: space })));
    const runs = await Promise.all(apps.map((app) => cluster.finished(app, { namespace: space, within: 30_000 })));
    const admitted = runs.filter(({ status }) => status?.reason !== 'BlockedBySafety');
    expect(admitted).toHaveLength(5);
    expect(apps.flatMap((app) => cluster.deletedOf(app))).toHaveLength(5);
    const refused = runs.find(({ status }) => status?.reason === 'BlockedBySafety');
    expect(refused?.status?.message).toContain(
      'the cluster would have 6 targets at the same time (1 of this run, 5 of ',
    );
  });

  test('of 0 lets nothing be hit, until its policy is gone', async () => {
    await deploy('zero', 2);
    await createPolicy('zero', { budgets: [{ per: 'Namespace', maxTargets: 0 }] });
    expect(outcome(await run('zero', kill('zero'), 'a'))).toContain("SafetyPolicy 'zero' budgets[per=Namespace]");
    await deletePolicy('zero');
    const again = async (tries: number) => (await run('zero', kill('zero'), `again-${tries}`)).status?.steps?.[0]?.hit;
    let tries = 0;
    while ((await again(tries)) !== 1 && tries < 100) tries += 1;
    expect(cluster.deletedOf('zero')).toHaveLength(1);
  });

  test('that appears during a run spares what is not hit yet, and leaves what is', async () => {
    await deploy('later', 5);
    const repeating = { podKill: { gracePeriod: '0s', repeatEvery: '1s' }, duration: '4s' };
    await cluster.createRun('later', kill('later', repeating), { namespace: space });
    await cluster.inStage('later', 'Holding', space);
    made.push('one');
    const spec = { budgets: [{ per: 'Namespace', maxTargets: 1 }] };
    await cluster.client.create(safetyPolicies, { metadata: { name: 'one' }, spec });
    const { status } = await cluster.finished('later', { namespace: space });
    expect(status?.steps?.[0]?.message).toContain("SafetyPolicy 'one' budgets[per=Namespace]");
    expect(status?.steps?.[0]?.hit).toBeLessThan(4);
    expect(status?.reason).toBe('NotEnoughSamples');
  });
});

describe('what a run asks the API server for', () => {
  const bounded = { maxPercentOfWorkload: 90, minReady: 0, respectDisruptionBudgets: true };

  test('is little for ten targets, and hardly more with every safeguard', async () => {
    await deploy('ten', 20);
    const calls = async (name: string, template: Json) => {
      const from = proxy.requests.length;
      const { status } = await run('ten', template, name);
      expect(status?.steps).toMatchObject([{ hit: 10 }]);
      return proxy.requests.slice(from).filter(({ path }) => !path.includes('leases') && !path.includes('events'));
    };
    const plain = await calls('plain', kill('ten', { targets: { count: 10 } }));
    const guarded = await calls('guarded', { ...kill('ten', { targets: { count: 10 } }), safeguards: bounded });
    expect(plain.length).toBeLessThanOrEqual(40);
    expect(guarded.length).toBeLessThanOrEqual(plain.length + 10);
  });
});
