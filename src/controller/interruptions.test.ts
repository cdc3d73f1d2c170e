import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LABEL_EXPERIMENT } from '../api/labels.js';
import { type Json, namespaces } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  experimentRuns,
  injections,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';
import { experiments } from './resources.js';

let bundle: ControllerBundle;
let cluster: TestCluster;

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
  cluster.controller();
  for (let lane = 0; lane < SCENARIOS_AT_ONCE; lane += 1) void work(scenarios);
}, 30_000);

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

/** More at once would make samples late, which then don't count. */
const SCENARIOS_AT_ONCE = 5;
const scenarios: (() => Promise<void>)[] = [];

async function work(queue: (() => Promise<void>)[]): Promise<void> {
  for (let next = queue.shift(); next; next = queue.shift()) await next();
}

/** A test whose work is done beside that of other scenarios: most of it is waiting. */
function scenario(name: string, perform: () => Promise<void>): void {
  const outcome = new Promise<void>((resolve, reject) => {
    scenarios.push(() => perform().then(resolve, reject));
  });
  outcome.catch(() => {});
  test(name, () => outcome, 60_000);
}

/** Enough time between samples that a busy machine is seldom late. */
const calm = { minSamples: 3 };

/** A run that stays about a second in each of its stages, and hits one of three pods. */
const slow = (app: string, more: Json = {}) => ({
  hypothesis: [availableProbe(app, 1, calm)],
  method: [killStep(app, { duration: '1500ms' })],
  ...more,
});

async function start(
  name: string,
  stage: string,
  template: Json = slow(name),
  where = cluster,
  namespace = 'default',
): Promise<void> {
  await where.deploy(name, 3, { namespace });
  await where.createRun(name, template, { namespace });
  await where.inStage(name, stage, namespace);
}

async function nothingLeft(name: string): Promise<void> {
  await until(() => cluster.injections().every(({ spec }) => spec.run.name !== name), `injections of ${name}`);
}

/** How many pods are hit when it ends in this stage. */
const stages: [stage: string, hit: number][] = [
  ['Baseline', 0],
  ['Holding', 1],
  ['Recovering', 1],
];

describe.each(stages)('a run in %s', (stage, hit) => {
  const suffix = stage.toLowerCase();

  scenario('ends with the reason when it is aborted', async () => {
    const name = `abort-${suffix}`;
    await start(name, stage);
    await cluster.client.patch(experimentRuns, 'default', name, { spec: { abort: { reason: 'lunch' } } });
    const { status } = await cluster.finished(name);
    expect(status).toMatchObject({
      verdict: 'Aborted',
      reason: 'AbortedByUser',
      message: expect.stringContaining('lunch'),
    });
    expect(cluster.deletedOf(name)).toHaveLength(hit);
  });

  scenario('is taken back and gone when it is deleted', async () => {
    const name = `delete-${suffix}`;
    await start(name, stage);
    await cluster.client.delete(experimentRuns, 'default', name);
    await until(() => cluster.run(name) === undefined, `${name} to be gone`);
    await nothingLeft(name);
    expect(cluster.deletedOf(name)).toHaveLength(hit);
  });

  scenario('says so when its injection is deleted', async () => {
    const name = `lost-${suffix}`;
    await start(name, stage);
    const injection = cluster.injections().find(({ spec }) => spec.run.name === name);
    await cluster.client.delete(injections, 'squall-system', injection.metadata.name);
    const { status } = await cluster.finished(name);
    // Once the fault is taken back its injection has nothing more to say.
    const expected = stage === 'Recovering' ? ['Passed', 'HypothesisHeld'] : ['Error', 'InjectionFailed'];
    expect([status?.verdict, status?.reason]).toEqual(expected);
    expect(cluster.deletedOf(name)).toHaveLength(hit);
  });
});

describe('a run', () => {
  scenario('goes on as it began when its experiment is edited and deleted', async () => {
    const spec = slow('edited');
    const created = { metadata: { name: 'edited', namespace: 'default' }, spec };
    await cluster.client.create<Json>(experiments, created);
    await start('edited', 'Baseline');
    await cluster.client.patch(experimentRuns, 'default', 'edited', {
      metadata: { labels: { [LABEL_EXPERIMENT]: 'edited' } },
    });
    const worse = { ...spec, method: [killStep('edited', { targets: { percent: 100 } })] };
    await cluster.client.patch(experiments, 'default', 'edited', { spec: worse });
    await cluster.client.delete(experiments, 'default', 'edited');
    expect((await cluster.finished('edited')).status?.verdict).toBe('Passed');
    expect(cluster.deletedOf('edited')).toHaveLength(1);
  });

  scenario('ends with its namespace', async () => {
    await cluster.createNamespace('doomed');
    await start(
      'doomed',
      'Holding',
      slow('doomed', { method: [killStep('doomed', { duration: '50m' })] }),
      cluster,
      'doomed',
    );
    await cluster.client.delete(namespaces, undefined, 'doomed');
    await until(() => cluster.run('doomed', 'doomed') === undefined, 'the run to be gone');
    await nothingLeft('doomed');
    await until(
      () => cluster.cluster.store.get('namespaces', undefined, 'doomed') === undefined,
      'the namespace to be gone',
    );
  });

  scenario('ends with its timeout', async () => {
    await start('late', 'Holding', slow('late', { timeout: '4s', method: [killStep('late', { duration: '3900ms' })] }));
    const { status } = await cluster.finished('late');
    expect(status).toMatchObject({ verdict: 'Error', reason: 'Timeout' });
    expect(cluster.deletedOf('late')).toHaveLength(1);
  });

  scenario('takes the next candidates for targets that others delete just before the fault', async () => {
    await start('churn', 'Baseline', slow('churn', { method: [killStep('churn', { targets: { count: 2 } })] }));
    const drawn: Json[] = cluster.injections().find(({ spec }) => spec.run.name === 'churn').spec.targets;
    const { name, uid } = drawn[0];
    cluster.cluster.store.delete('pods', 'default', name, { gracePeriodSeconds: 0 });
    const { status } = await cluster.finished('churn');
    expect(status).toMatchObject({ verdict: 'Passed' });
    expect(status?.steps).toMatchObject([{ rounds: 2, hit: 2, effective: 2 }]);
    expect(cluster.deletedOf('churn')).toHaveLength(3);
    expect(cluster.deletedOf('churn').filter((each) => each === uid)).toHaveLength(1);
  });
});

describe('a halt', () => {
  test('stops runs in every stage, and no other starts until it is lifted', async () => {
    await Promise.all([
      start(
        'halt-baseline',
        'Baseline',
        slow('halt-baseline', { hypothesis: [availableProbe('halt-baseline', 1, { minSamples: 100 })] }),
      ),
      start(
        'halt-holding',
        'Holding',
        slow('halt-holding', { method: [killStep('halt-holding', { duration: '50m' })] }),
      ),
      start(
        'halt-recovering',
        'Recovering',
        slow('halt-recovering', {
          hypothesis: [availableProbe('halt-recovering', 3, { stages: ['After'], minSamples: 100 })],
        }),
      ),
    ]);
    await cluster.halt('fire drill');
    for (const name of ['halt-baseline', 'halt-holding', 'halt-recovering']) {
      const { status } = await cluster.finished(name);
      expect(status).toMatchObject({
        verdict: 'Aborted',
        reason: 'Halted',
        message: expect.stringContaining('fire drill'),
      });
    }
    expect(cluster.deletedOf('halt-baseline')).toEqual([]);
    await cluster.deploy('halted', 2);
    await cluster.createRun('halted', { method: [killStep('halted')] });
    expect((await cluster.finished('halted')).status).toMatchObject({ verdict: 'Aborted', reason: 'Halted' });
    expect(cluster.deletedOf('halted')).toEqual([]);
    await cluster.resume();
    await cluster.createRun('resumed', { method: [killStep('halted')] });
    expect((await cluster.finished('resumed')).status?.steps).toMatchObject([{ effective: 1 }]);
  }, 20_000);

  test('also counts for what waits for the API server to take it', async () => {
    const { knobs } = cluster.cluster;
    knobs.set({ faults: [{ method: 'DELETE', path: '/pods/', code: 429, retryAfterSeconds: 1 }] });
    await start('waiting', 'Injecting', slow('waiting', { method: [killStep('waiting', { targets: { count: 2 } })] }));
    const asked = () => cluster.injections().some(({ status }) => status?.targets?.length === 2);
    await until(asked, 'the deletions to be asked for');
    await cluster.halt('fire drill');
    await until(() => cluster.run('waiting')?.status?.stage !== 'Injecting', 'the halt to be seen');
    knobs.set({ faults: [] });
    expect((await cluster.finished('waiting')).status).toMatchObject({ reason: 'Halted', steps: [{ hit: 0 }] });
    expect(cluster.deletedOf('waiting')).toEqual([]);
    await cluster.resume();
  }, 30_000);
});
