import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { deployments, events } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { everyMinute, idle, scheduledExperiments } from '../testing/scheduled-experiments.js';
import { until } from '../testing/scripted-server.js';
import { safetyPolicies } from './resources.js';

jest.setTimeout(40_000);

let bundle: ControllerBundle;
let cluster: TestCluster;
let world: ReturnType<typeof scheduledExperiments>;

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
  world = scheduledExperiments(cluster);
  const controller = cluster.controller();
  await Promise.all([until(() => controller.isLeading(), 'the controller to lead')]);
});

afterEach(() => world.clearAway());

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

describe('a schedule', () => {
  test('starts one run that is named after its time, and says when the next one comes', async () => {
    await world.create('steady', everyMinute, { labels: { team: 'shop' } });
    expect(world.condition('steady', 'Ready')).toBe('True/Valid');
    expect(world.condition('steady', 'Scheduled')).toBe('True/Scheduled');
    const due = Date.parse(world.stored('steady').metadata.creationTimestamp) + 60_000;
    expect(Date.parse(world.statusOf('steady').nextRunTime ?? '')).toBe(due);
    await world.pass(60);
    await until(() => world.statusOf('steady').lastRun !== undefined, 'the run to end');
    const [run] = world.runsOf('steady');
    expect(run?.metadata).toMatchObject({
      name: `steady-${Math.floor(due / 60_000)}`,
      labels: { team: 'shop', 'squall.dev/experiment': 'steady' },
      ownerReferences: [{ kind: 'Experiment', name: 'steady', controller: true }],
    });
    expect(run?.spec.trigger).toBe('Schedule');
    expect(Date.parse(run?.spec.scheduledTime ?? '')).toBe(due);
    expect(run?.spec.template).not.toHaveProperty('schedule');
    expect(Date.parse(world.statusOf('steady').lastScheduleTime ?? '')).toBe(due);
    expect(Date.parse(world.statusOf('steady').nextRunTime ?? '')).toBe(due + 60_000);
    expect(world.statusOf('steady')).toMatchObject({ lastRun: { name: run?.metadata.name, reason: 'NoTargets' } });
    expect(world.statusOf('steady').missedRuns).toBeUndefined();
    const told = (await cluster.client.list(events, { namespace: 'default' })).items;
    expect(told.filter(({ involvedObject }) => involvedObject.name === 'steady').map(({ reason }) => reason)).toContain(
      'RunStarted',
    );
  });

  test('counts what was missed, says why, and starts the latest that is not too late', async () => {
    await world.create('missed', { ...everyMinute, startingDeadline: '90s' });
    await world.pass(250 * 60 + 5);
    await until(() => world.runsOf('missed').length === 1, 'a run');
    await until(() => world.statusOf('missed').lastRun !== undefined, 'the run to end');
    expect(world.runsOf('missed')).toHaveLength(1);
    expect(world.statusOf('missed').missedRuns).toBe(249);
    expect(world.statusOf('missed').lastMissed?.message).toContain('did not look in time');
    await world.pass(1_000 * 60);
    await until(() => (world.statusOf('missed').missedRuns ?? 0) > 249, 'the count');
    expect(world.statusOf('missed').missedRuns).toBe(249 + 999);
  });

  test('that is suspended starts nothing, and makes up for nothing when it is resumed', async () => {
    await world.create('paused', { ...everyMinute, suspend: true });
    expect(world.condition('paused', 'Scheduled')).toBe('False/Suspended');
    expect(world.statusOf('paused').nextRunTime).toBeUndefined();
    await world.pass(150);
    await world.patch('paused', { spec: { schedule: { suspend: false } } });
    await until(() => world.condition('paused', 'Scheduled') === 'True/Scheduled', 'the condition');
    expect(world.runsOf('paused')).toEqual([]);
    expect(world.statusOf('paused').missedRuns).toBeUndefined();
    await world.pass(60);
    await until(() => world.runsOf('paused').length === 1, 'a run');
  });

  test('that is changed counts from then on', async () => {
    await world.create('changed', { every: '1h' });
    await world.pass(1_800);
    // Half an hour of due times lies behind; none of them is this schedule's.
    await world.patch('changed', { spec: { schedule: { every: '7m' } } });
    await until(() => world.statusOf('changed').schedule?.rhythm === 'every 7m', 'the status');
    expect(Date.parse(world.statusOf('changed').nextRunTime ?? '')).toBe(
      Date.parse(world.stored('changed').metadata.creationTimestamp) + 35 * 60_000,
    );
    expect(world.runsOf('changed')).toEqual([]);
    expect(world.statusOf('changed').missedRuns).toBeUndefined();
  });

  test('that is never due, or not valid, says so', async () => {
    await world.create('broken', { cron: '0 0 31 2 *' });
    expect(world.condition('broken', 'Ready')).toBe('False/InvalidSpec');
    expect(world.condition('broken', 'Scheduled')).toBe('False/InvalidSpec');
    await world.patch('broken', { spec: { schedule: { cron: '0 0 28 2 *' } } });
    await until(() => world.condition('broken', 'Scheduled') === 'True/Scheduled', 'the condition');
    expect(world.statusOf('broken').nextRunTime).toMatch(/-02-28T00:00:00Z$/);
  });

  test('keeps to the freeze of a policy, from the moment it is there', async () => {
    await world.create('frozen', everyMinute);
    const today = cluster.cluster.knobs.now().toISOString().slice(0, 10);
    const spec = { freezes: [{ from: today, to: today }] };
    await cluster.client.create(safetyPolicies, { metadata: { name: 'peak' }, spec });
    await until(() => !world.statusOf('frozen').nextRunTime?.startsWith(today), 'the next run on another day');
    await world.pass(130);
    await idle(200);
    expect(world.runsOf('frozen')).toEqual([]);
    await cluster.client.delete(safetyPolicies, undefined, 'peak');
    await until(() => world.statusOf('frozen').nextRunTime?.startsWith(today) === true, 'the next run today');
    // What was passed over is not made up for, and was not missed.
    expect(world.runsOf('frozen')).toEqual([]);
    expect(world.statusOf('frozen').missedRuns).toBeUndefined();
  });

  test('starts nothing while everything is halted, counts that, and goes on afterwards', async () => {
    await world.create('halted', everyMinute);
    await cluster.halt('fire drill');
    await until(() => world.condition('halted', 'Scheduled') === 'False/Halted', 'the condition');
    expect(world.statusOf('halted').nextRunTime).toBeUndefined();
    await world.pass(120);
    await until(() => world.statusOf('halted').missedRuns === 2, 'the count');
    expect(world.statusOf('halted').lastMissed?.message).toContain('fire drill');
    await cluster.resume();
    await until(() => world.condition('halted', 'Scheduled') === 'True/Scheduled', 'the condition');
    expect(world.runsOf('halted')).toEqual([]);
    await world.pass(60);
    await until(() => world.runsOf('halted').length === 1, 'a run');
  });

  test('waits until its targets are Ready and nothing rolls out, and misses the run when that takes too long', async () => {
    await cluster.deploy('slow', 2);
    const startWhen = ['NoRolloutInProgress', 'TargetsReady'];
    const spec = { method: [killStep('slow')], hypothesis: [availableProbe('slow', 99)] };
    await world.create('waiting', { ...everyMinute, startWhen, startingDeadline: '50s' }, { spec });
    // No node has this label: the new pods stay Pending, and the rollout does not end.
    const nowhere = { spec: { template: { spec: { nodeSelector: { never: 'here' } } } } };
    await cluster.client.patch(deployments, 'default', 'slow', nowhere);
    await until(() => cluster.pods('slow').length > 2, 'the rollout');
    await world.pass(60);
    await until(() => world.condition('waiting', 'Scheduled') === 'False/Waiting', 'the condition');
    const message = world.statusOf('waiting').conditions?.find(({ type }) => type === 'Scheduled')?.message;
    expect(message).toContain('a rollout of Deployment/slow is in progress');
    expect(message).toMatch(/1 of 3 targets of step 'kill-slow' are not Ready: slow-/);
    await world.pass(51);
    await until(() => world.statusOf('waiting').missedRuns === 1, 'the count');
    expect(world.statusOf('waiting').lastMissed?.message).toContain('a rollout of Deployment/slow');
    expect(world.runsOf('waiting')).toEqual([]);
    await world.pass(9);
    await until(() => world.condition('waiting', 'Scheduled') === 'False/Waiting', 'the condition');
    await cluster.client.patch(deployments, 'default', 'slow', {
      spec: { template: { spec: { nodeSelector: null } } },
    });
    await until(() => world.runsOf('waiting').length === 1, 'a run', 20_000);
  });
});
