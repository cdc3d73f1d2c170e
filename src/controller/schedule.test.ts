import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Experiment } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import { deployments, events, type Json } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';
import { experimentRuns, experiments, safetyPolicies } from './resources.js';

jest.setTimeout(40_000);

let bundle: ControllerBundle;
let cluster: TestCluster;

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
  const controller = cluster.controller();
  await Promise.all([cluster.deploy('web', 3), until(() => controller.isLeading(), 'the controller to lead')]);
  await cluster.createNamespace('other');
});

afterEach(async () => {
  for (const { metadata } of cluster.cluster.store.list('experiments.squall.dev'))
    await cluster.client.delete(experiments, metadata.namespace, metadata.name ?? '');
  for (const { metadata } of runs())
    if (!metadata.ownerReferences) await cluster.client.delete(experimentRuns, metadata.namespace, metadata.name);
  await until(() => runs().length === 0, 'the runs to go with their experiments', 20_000).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(runs(), undefined, 1)}`);
  });
});

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

interface Wanted {
  namespace?: string;
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
  spec?: Json;
}

/** An experiment whose runs hit nothing and end at once, unless it says otherwise. */
async function create(name: string, schedule: Json | undefined, more: Wanted = {}): Promise<void> {
  const { namespace = 'default', annotations = {}, labels = {}, spec = {} } = more;
  await cluster.client.create(experiments, {
    metadata: { name, namespace, annotations, labels },
    spec: { method: [killStep('nobody')], ...(schedule && { schedule }), ...spec },
  });
  await until(() => stored(name, namespace).status?.observedGeneration === 1, `the first look at ${name}`);
}

/** A method that keeps a run under way until it is ended. */
const lasting = { method: [killStep('web', { duration: '55m' })] };
const everyMinute = { every: '1m' };

function stored(name: string, namespace = 'default'): Experiment {
  return cluster.cluster.store.get('experiments.squall.dev', namespace, name) as unknown as Experiment;
}

function statusOf(name: string, namespace = 'default') {
  return stored(name, namespace).status ?? {};
}

function runs(): ExperimentRun[] {
  return cluster.cluster.store.list('experimentruns.squall.dev') as unknown as ExperimentRun[];
}

function runsOf(name: string, namespace = 'default'): ExperimentRun[] {
  return runs()
    .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.['squall.dev/experiment'] === name)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function condition(name: string, type: string): string {
  const found = statusOf(name).conditions?.find((each) => each.type === type);
  return found ? `${found.status}/${found.reason}` : 'none';
}

function patch(name: string, change: Json, namespace = 'default'): Promise<unknown> {
  return cluster.client.patch(experiments, namespace, name, change);
}

async function abort(name: string | undefined): Promise<void> {
  await cluster.client.patch(experimentRuns, 'default', name ?? '', { spec: { abort: { reason: 'end of test' } } });
}

let touches = 0;

/** Moves the API server's clock on, and has all experiments looked at: no timer knows of it. */
async function pass(seconds: number): Promise<void> {
  cluster.cluster.knobs.settings.clockOffsetMilliseconds += seconds * 1_000;
  const renewals = () =>
    cluster.cluster.store.get('leases.coordination.k8s.io', 'squall-system', 'squall-controller')?.spec;
  for (let seen = 0; seen < 2; seen += 1) {
    const before = renewals()?.renewTime;
    await until(() => renewals()?.renewTime !== before, 'the controller to hear of the time');
  }
  touches += 1;
  for (const { metadata } of cluster.cluster.store.list('experiments.squall.dev'))
    await patch(metadata.name ?? '', { metadata: { annotations: { touched: String(touches) } } }, metadata.namespace);
}

const idle = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('a schedule', () => {
  test('starts one run that is named after its time, and says when the next one comes', async () => {
    await create('steady', everyMinute, { labels: { team: 'shop' } });
    expect(condition('steady', 'Ready')).toBe('True/Valid');
    expect(condition('steady', 'Scheduled')).toBe('True/Scheduled');
    const due = Date.parse(stored('steady').metadata.creationTimestamp) + 60_000;
    expect(Date.parse(statusOf('steady').nextRunTime ?? '')).toBe(due);
    await pass(60);
    await until(() => statusOf('steady').lastRun !== undefined, 'the run to end');
    const [run] = runsOf('steady');
    expect(run?.metadata).toMatchObject({
      name: `steady-${Math.floor(due / 60_000)}`,
      labels: { team: 'shop', 'squall.dev/experiment': 'steady' },
      ownerReferences: [{ kind: 'Experiment', name: 'steady', controller: true }],
    });
    expect(run?.spec.trigger).toBe('Schedule');
    expect(Date.parse(run?.spec.scheduledTime ?? '')).toBe(due);
    expect(run?.spec.template).not.toHaveProperty('schedule');
    expect(Date.parse(statusOf('steady').lastScheduleTime ?? '')).toBe(due);
    expect(Date.parse(statusOf('steady').nextRunTime ?? '')).toBe(due + 60_000);
    expect(statusOf('steady')).toMatchObject({ lastRun: { name: run?.metadata.name, reason: 'NoTargets' } });
    expect(statusOf('steady').missedRuns).toBeUndefined();
    const told = (await cluster.client.list(events, { namespace: 'default' })).items;
    expect(told.filter(({ involvedObject }) => involvedObject.name === 'steady').map(({ reason }) => reason)).toContain(
      'RunStarted',
    );
  });

  test('counts what was missed, says why, and starts the latest that is not too late', async () => {
    await create('missed', { ...everyMinute, startingDeadline: '90s' });
    await pass(250 * 60 + 5);
    await until(() => runsOf('missed').length === 1, 'a run');
    await until(() => statusOf('missed').lastRun !== undefined, 'the run to end');
    expect(runsOf('missed')).toHaveLength(1);
    expect(statusOf('missed').missedRuns).toBe(249);
    expect(statusOf('missed').lastMissed?.message).toContain('did not look in time');
    await pass(1_000 * 60);
    await until(() => (statusOf('missed').missedRuns ?? 0) > 249, 'the count');
    expect(statusOf('missed').missedRuns).toBe(249 + 999);
  });

  test('that is suspended starts nothing, and makes up for nothing when it is resumed', async () => {
    await create('paused', { ...everyMinute, suspend: true });
    expect(condition('paused', 'Scheduled')).toBe('False/Suspended');
    expect(statusOf('paused').nextRunTime).toBeUndefined();
    await pass(150);
    await patch('paused', { spec: { schedule: { suspend: false } } });
    await until(() => condition('paused', 'Scheduled') === 'True/Scheduled', 'the condition');
    expect(runsOf('paused')).toEqual([]);
    expect(statusOf('paused').missedRuns).toBeUndefined();
    await pass(60);
    await until(() => runsOf('paused').length === 1, 'a run');
  });

  test('that is changed counts from then on', async () => {
    await create('changed', { every: '1h' });
    await pass(1_800);
    // Half an hour of due times lies behind; none of them is this schedule's.
    await patch('changed', { spec: { schedule: { every: '7m' } } });
    await until(() => statusOf('changed').schedule?.rhythm === 'every 7m', 'the status');
    expect(Date.parse(statusOf('changed').nextRunTime ?? '')).toBe(
      Date.parse(stored('changed').metadata.creationTimestamp) + 35 * 60_000,
    );
    expect(runsOf('changed')).toEqual([]);
    expect(statusOf('changed').missedRuns).toBeUndefined();
  });

  test('that is never due, or not valid, says so', async () => {
    await create('broken', { cron: '0 0 31 2 *' });
    expect(condition('broken', 'Ready')).toBe('False/InvalidSpec');
    expect(condition('broken', 'Scheduled')).toBe('False/InvalidSpec');
    await patch('broken', { spec: { schedule: { cron: '0 0 28 2 *' } } });
    await until(() => condition('broken', 'Scheduled') === 'True/Scheduled', 'the condition');
    expect(statusOf('broken').nextRunTime).toMatch(/-02-28T00:00:00Z$/);
  });

  test('keeps to the freeze of a policy, from the moment it is there', async () => {
    await create('frozen', everyMinute);
    const today = cluster.cluster.knobs.now().toISOString().slice(0, 10);
    const spec = { freezes: [{ from: today, to: today }] };
    await cluster.client.create(safetyPolicies, { metadata: { name: 'peak' }, spec });
    await until(() => !statusOf('frozen').nextRunTime?.startsWith(today), 'the next run on another day');
    await pass(130);
    await idle(200);
    expect(runsOf('frozen')).toEqual([]);
    await cluster.client.delete(safetyPolicies, undefined, 'peak');
    await until(() => statusOf('frozen').nextRunTime?.startsWith(today) === true, 'the next run today');
    // What was passed over is not made up for, and was not missed.
    expect(runsOf('frozen')).toEqual([]);
    expect(statusOf('frozen').missedRuns).toBeUndefined();
  });

  test('starts nothing while everything is halted, counts that, and goes on afterwards', async () => {
    await create('halted', everyMinute);
    await cluster.halt('fire drill');
    await until(() => condition('halted', 'Scheduled') === 'False/Halted', 'the condition');
    expect(statusOf('halted').nextRunTime).toBeUndefined();
    await pass(120);
    await until(() => statusOf('halted').missedRuns === 2, 'the count');
    expect(statusOf('halted').lastMissed?.message).toContain('fire drill');
    await cluster.resume();
    await until(() => condition('halted', 'Scheduled') === 'True/Scheduled', 'the condition');
    expect(runsOf('halted')).toEqual([]);
    await pass(60);
    await until(() => runsOf('halted').length === 1, 'a run');
  });

  test('waits until its targets are Ready and nothing rolls out, and misses the run when that takes too long', async () => {
    await cluster.deploy('slow', 2);
    const startWhen = ['NoRolloutInProgress', 'TargetsReady'];
    const spec = { method: [killStep('slow')], hypothesis: [availableProbe('slow', 99)] };
    await create('waiting', { ...everyMinute, startWhen, startingDeadline: '50s' }, { spec });
    // No node has this label: the new pods stay Pending, and the rollout does not end.
    const nowhere = { spec: { template: { spec: { nodeSelector: { never: 'here' } } } } };
    await cluster.client.patch(deployments, 'default', 'slow', nowhere);
    await until(() => cluster.pods('slow').length > 2, 'the rollout');
    await pass(60);
    await until(() => condition('waiting', 'Scheduled') === 'False/Waiting', 'the condition');
    const message = statusOf('waiting').conditions?.find(({ type }) => type === 'Scheduled')?.message;
    expect(message).toContain('a rollout of Deployment/slow is in progress');
    expect(message).toMatch(/1 of 3 targets of step 'kill-slow' are not Ready: slow-/);
    await pass(51);
    await until(() => statusOf('waiting').missedRuns === 1, 'the count');
    expect(statusOf('waiting').lastMissed?.message).toContain('a rollout of Deployment/slow');
    expect(runsOf('waiting')).toEqual([]);
    await pass(9);
    await until(() => condition('waiting', 'Scheduled') === 'False/Waiting', 'the condition');
    await cluster.client.patch(deployments, 'default', 'slow', {
      spec: { template: { spec: { nodeSelector: null } } },
    });
    await until(() => runsOf('waiting').length === 1, 'a run', 20_000);
  });
});

describe('the runs of an experiment', () => {
  test('are its own, and not those of one of the same name in another namespace', async () => {
    await create('twin', everyMinute, { spec: lasting });
    await create('twin', everyMinute, { namespace: 'other', spec: { history: { passed: 0, failed: 0, other: 0 } } });
    await pass(60);
    // Forbid does not hold the other one up, and its limits don't touch these.
    await until(() => statusOf('twin', 'other').lastRun !== undefined, 'the other run to end');
    await until(() => runsOf('twin', 'other').length === 0, 'the other run to be deleted');
    await until(() => statusOf('twin').active?.length === 1, 'the status');
    const [run] = runsOf('twin');
    expect(run?.spec.abort).toBeUndefined();
    expect(statusOf('twin').active).toEqual([run?.metadata.name]);
    await cluster.client.delete(experiments, 'other', 'twin');
    await idle(200);
    expect(runsOf('twin')[0]?.metadata.deletionTimestamp).toBeUndefined();
  });

  test('with Forbid are skipped and counted while one is under way, also one that a person started', async () => {
    await create('forbid', everyMinute, { spec: lasting });
    await pass(60);
    await until(() => statusOf('forbid').active?.length === 1, 'a run');
    await pass(60);
    await until(() => statusOf('forbid').missedRuns === 1, 'the count');
    const [first] = runsOf('forbid');
    expect(statusOf('forbid').lastMissed?.message).toContain(`Run ${first?.metadata.name} was still under way`);
    await abort(first?.metadata.name);
    await until(() => statusOf('forbid').active === undefined, 'the run to end');
    const labels = { 'squall.dev/experiment': 'forbid' };
    const mine = { metadata: { name: 'mine', namespace: 'default', labels }, spec: { template: lasting } };
    await cluster.client.create(experimentRuns, mine);
    await until(() => statusOf('forbid').active?.join() === 'mine', 'mine to be active');
    await pass(60);
    await until(() => statusOf('forbid').missedRuns === 2, 'the count');
    await cluster.client.delete(experimentRuns, 'default', 'mine');
    await until(() => runs().every(({ metadata }) => metadata.name !== 'mine'), 'mine to be gone');
  });

  test('with Replace end the one before, and begin when that is over', async () => {
    await create('replace', { ...everyMinute, concurrencyPolicy: 'Replace' }, { spec: lasting });
    await pass(60);
    await until(() => runsOf('replace').length === 1, 'a run');
    await until(() => runsOf('replace')[0]?.status?.stage === 'Holding', 'its fault');
    await pass(60);
    await until(() => runsOf('replace').length === 2, 'the next run');
    const [first, second] = runsOf('replace');
    expect(first?.spec.abort).toMatchObject({ superseded: true });
    expect(first?.status).toMatchObject({ verdict: 'Aborted', reason: 'Superseded' });
    await until(() => statusOf('replace').active?.join() === second?.metadata.name, 'only the second to be active');
    expect(statusOf('replace').missedRuns).toBeUndefined();
  });

  test('with Allow begin beside one another', async () => {
    await create('allow', { ...everyMinute, concurrencyPolicy: 'Allow' }, { spec: lasting });
    await pass(60);
    await until(() => runsOf('allow').length === 1, 'a run');
    await pass(60);
    await until(() => statusOf('allow').active?.length === 2, 'two runs');
  });

  test('are kept by verdict, the newest of them, but for those of people', async () => {
    const labels = { 'squall.dev/experiment': 'kept' };
    await create('kept', everyMinute, { spec: { history: { passed: 0, failed: 0, other: 2 } } });
    const mine = {
      metadata: { name: 'mine', namespace: 'default', labels },
      spec: { template: { method: [killStep('nobody')] } },
    };
    await cluster.client.create(experimentRuns, mine);
    await cluster.finished('mine');
    const names: (string | undefined)[] = [];
    for (let round = 0; round < 4; round += 1) {
      await pass(60);
      const before = names.at(-1);
      await until(() => ![undefined, 'mine', before].includes(statusOf('kept').lastRun?.name), 'a run to end');
      names.push(statusOf('kept').lastRun?.name);
    }
    await until(() => runsOf('kept').length === 3, 'the oldest to be deleted');
    expect(runsOf('kept').map(({ metadata }) => metadata.name)).toEqual([...names.slice(2), 'mine']);
    await cluster.client.delete(experimentRuns, 'default', 'mine');
  });
});

describe('the annotation squall.dev/run-now', () => {
  const runNow = (value: string) => ({ 'squall.dev/run-now': value });

  test('starts one run for each new value, also without a schedule, and of a new experiment', async () => {
    await create('asked', undefined, { annotations: runNow('v1') });
    await until(() => statusOf('asked').lastRun !== undefined, 'the run to end');
    const [run] = runsOf('asked');
    // sha256 of `v1`.
    expect(run?.metadata.name).toBe('asked-n3bfc2695');
    expect(run?.spec).toMatchObject({ trigger: 'RunNow' });
    expect(statusOf('asked').lastRunNow).toBe('v1');
    expect(condition('asked', 'Scheduled')).toBe('none');
    await until(() => statusOf('asked').active === undefined, 'the status');
    await cluster.client.delete(experimentRuns, 'default', run?.metadata.name ?? '');
    await pass(1);
    await idle(200);
    expect(runsOf('asked')).toEqual([]);
    await patch('asked', { metadata: { annotations: runNow('v2') } });
    await until(() => runsOf('asked').length === 1, 'the second run');
    await patch('asked', { metadata: { annotations: runNow('') } });
    await idle(200);
    expect(runsOf('asked')).toHaveLength(1);
  });

  test('waits for the end of a run under way and of a halt, and says so', async () => {
    await create('patient', { every: '1h', suspend: true }, { annotations: runNow('a'), spec: lasting });
    await until(() => statusOf('patient').active?.length === 1, 'a run');
    await patch('patient', { metadata: { annotations: runNow('b') } });
    await until(() => condition('patient', 'RunNowWaiting') === 'True/RunUnderWay', 'the condition');
    await cluster.halt('not now');
    await until(() => condition('patient', 'RunNowWaiting') === 'True/Halted', 'the condition');
    await until(() => runsOf('patient')[0]?.status?.verdict === 'Aborted', 'the halt');
    await idle(200);
    expect(runsOf('patient')).toHaveLength(1);
    await cluster.resume();
    await until(() => runsOf('patient').length === 2, 'the second run');
    await until(() => condition('patient', 'RunNowWaiting') === 'none', 'the condition to go');
    expect(statusOf('patient').lastRunNow).toBe('b');
  });
});
