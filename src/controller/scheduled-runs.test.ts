import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import {
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { everyMinute, idle, lasting, scheduledExperiments } from '../testing/scheduled-experiments.js';
import { until } from '../testing/scripted-server.js';
import { experimentRuns, experiments } from './resources.js';

jest.setTimeout(40_000);

let bundle: ControllerBundle;
let cluster: TestCluster;
let world: ReturnType<typeof scheduledExperiments>;

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
  world = scheduledExperiments(cluster);
  const controller = cluster.controller();
  await Promise.all([cluster.deploy('web', 3), until(() => controller.isLeading(), 'the controller to lead')]);
  await cluster.createNamespace('other');
});

afterEach(() => world.clearAway());

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

describe('the runs of an experiment', () => {
  test('are its own, and not those of one of the same name in another namespace', async () => {
    await world.create('twin', everyMinute, { spec: lasting });
    await world.create('twin', everyMinute, {
      namespace: 'other',
      spec: { history: { passed: 0, failed: 0, other: 0 } },
    });
    await world.pass(60);
    // Forbid does not hold the other one up, and its limits don't touch these.
    await until(() => world.statusOf('twin', 'other').lastRun !== undefined, 'the other run to end');
    await until(() => world.runsOf('twin', 'other').length === 0, 'the other run to be deleted');
    await until(() => world.statusOf('twin').active?.length === 1, 'the status');
    const [run] = world.runsOf('twin');
    expect(run?.spec.abort).toBeUndefined();
    expect(world.statusOf('twin').active).toEqual([run?.metadata.name]);
    await cluster.client.delete(experiments, 'other', 'twin');
    await idle(200);
    expect(world.runsOf('twin')[0]?.metadata.deletionTimestamp).toBeUndefined();
  });

  test('with Forbid are skipped and counted while one is under way, also one that a person started', async () => {
    await world.create('forbid', everyMinute, { spec: lasting });
    await world.pass(60);
    await until(() => world.statusOf('forbid').active?.length === 1, 'a run');
    await world.pass(60);
    await until(() => world.statusOf('forbid').missedRuns === 1, 'the count');
    const [first] = world.runsOf('forbid');
    expect(world.statusOf('forbid').lastMissed?.message).toContain(`Run ${first?.metadata.name} was still under way`);
    await world.abort(first?.metadata.name);
    await until(() => world.statusOf('forbid').active === undefined, 'the run to end');
    const labels = { 'squall.dev/experiment': 'forbid' };
    const mine = { metadata: { name: 'mine', namespace: 'default', labels }, spec: { template: lasting } };
    await cluster.client.create(experimentRuns, mine);
    await until(() => world.statusOf('forbid').active?.join() === 'mine', 'mine to be active');
    await world.pass(60);
    await until(() => world.statusOf('forbid').missedRuns === 2, 'the count');
    await cluster.client.delete(experimentRuns, 'default', 'mine');
    await until(() => world.runs().every(({ metadata }) => metadata.name !== 'mine'), 'mine to be gone');
  });

  test('with Replace end the one before, and begin when that is over', async () => {
    await world.create('replace', { ...everyMinute, concurrencyPolicy: 'Replace' }, { spec: lasting });
    await world.pass(60);
    await until(() => world.runsOf('replace').length === 1, 'a run');
    await until(() => world.runsOf('replace')[0]?.status?.stage === 'Holding', 'its fault');
    await world.pass(60);
    await until(() => world.runsOf('replace').length === 2, 'the next run');
    const [first, second] = world.runsOf('replace');
    expect(first?.spec.abort).toMatchObject({ superseded: true });
    expect(first?.status).toMatchObject({ verdict: 'Aborted', reason: 'Superseded' });
    await until(
      () => world.statusOf('replace').active?.join() === second?.metadata.name,
      'only the second to be active',
    );
    expect(world.statusOf('replace').missedRuns).toBeUndefined();
  });

  test('with Allow begin beside one another', async () => {
    await world.create('allow', { ...everyMinute, concurrencyPolicy: 'Allow' }, { spec: lasting });
    await world.pass(60);
    await until(() => world.runsOf('allow').length === 1, 'a run');
    await world.pass(60);
    // The second ends soon, for no two runs may hit the same workload.
    await until(() => world.runsOf('allow').length === 2, 'the second run');
    expect(world.runsOf('allow')[0]?.status?.finishTime).toBeUndefined();
    expect(world.statusOf('allow').missedRuns).toBeUndefined();
  });

  test('are kept by verdict, the newest of them, but for those of people', async () => {
    const labels = { 'squall.dev/experiment': 'kept' };
    await world.create('kept', everyMinute, { spec: { history: { passed: 0, failed: 0, other: 2 } } });
    const mine = {
      metadata: { name: 'mine', namespace: 'default', labels },
      spec: { template: { method: [killStep('nobody')] } },
    };
    await cluster.client.create(experimentRuns, mine);
    await cluster.finished('mine');
    const names: (string | undefined)[] = [];
    for (let round = 0; round < 4; round += 1) {
      await world.pass(60);
      const before = names.at(-1);
      await until(() => ![undefined, 'mine', before].includes(world.statusOf('kept').lastRun?.name), 'a run to end');
      names.push(world.statusOf('kept').lastRun?.name);
    }
    await until(() => world.runsOf('kept').length === 3, 'the oldest to be deleted');
    expect(world.runsOf('kept').map(({ metadata }) => metadata.name)).toEqual([...names.slice(2), 'mine']);
    await cluster.client.delete(experimentRuns, 'default', 'mine');
  });
});

describe('the annotation squall.dev/run-now', () => {
  const runNow = (value: string) => ({ 'squall.dev/run-now': value });

  test('starts one run for each new value, also without a schedule, and of a new experiment', async () => {
    await world.create('asked', undefined, { annotations: runNow('v1') });
    await until(() => world.statusOf('asked').lastRun !== undefined, 'the run to end');
    const [run] = world.runsOf('asked');
    // sha256 of `v1`.
    expect(run?.metadata.name).toBe('asked-n3bfc2695');
    expect(run?.spec).toMatchObject({ trigger: 'RunNow' });
    expect(world.statusOf('asked').lastRunNow).toBe('v1');
    expect(world.condition('asked', 'Scheduled')).toBe('none');
    await until(() => world.statusOf('asked').active === undefined, 'the status');
    await cluster.client.delete(experimentRuns, 'default', run?.metadata.name ?? '');
    await world.pass(1);
    await idle(200);
    expect(world.runsOf('asked')).toEqual([]);
    await world.patch('asked', { metadata: { annotations: runNow('v2') } });
    await until(() => world.runsOf('asked').length === 1, 'the second run');
    await world.patch('asked', { metadata: { annotations: runNow('') } });
    await idle(200);
    expect(world.runsOf('asked')).toHaveLength(1);
  });

  test('waits for the end of a run under way and of a halt, and says so', async () => {
    await world.create('patient', { every: '1h', suspend: true }, { annotations: runNow('a'), spec: lasting });
    await until(() => world.statusOf('patient').active?.length === 1, 'a run');
    await world.patch('patient', { metadata: { annotations: runNow('b') } });
    await until(() => world.condition('patient', 'RunNowWaiting') === 'True/RunUnderWay', 'the condition');
    await cluster.halt('not now');
    await until(() => world.condition('patient', 'RunNowWaiting') === 'True/Halted', 'the condition');
    await until(() => world.runsOf('patient')[0]?.status?.verdict === 'Aborted', 'the halt');
    await idle(200);
    expect(world.runsOf('patient')).toHaveLength(1);
    await cluster.resume();
    await until(() => world.runsOf('patient').length === 2, 'the second run');
    await until(() => world.condition('patient', 'RunNowWaiting') === 'none', 'the condition to go');
    expect(world.statusOf('patient').lastRunNow).toBe('b');
  });
});
