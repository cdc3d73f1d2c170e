import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { daemonSets, events, type Json, pods, replicaSets, statefulSets } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { type CrashProxy, isQuestion, isWrite, startCrashProxy } from '../testing/crash-proxy.js';
import { until } from '../testing/scripted-server.js';
import type { Controller } from './controller.js';

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

/** Names of the pods that a run hit, by step. */
function hitNames(status: Json): Record<string, string[]> {
  return Object.fromEntries(status.steps.map((step: Json) => [step.name, [...(step.names ?? [])].sort()]));
}

describe('a run', () => {
  test('that loses half of a Deployment passes, tells it in few writes, and leaves nothing', async () => {
    await cluster.deploy('web', 4);
    const from = proxy.requests.length;
    await cluster.createRun('web', {
      method: [killStep('web', { targets: { percent: 50 } })],
      hypothesis: [availableProbe('web', 1)],
    });
    const { status, metadata } = await cluster.finished('web');
    expect(status).toMatchObject({ verdict: 'Passed', reason: 'HypothesisHeld', stage: 'Finished' });
    expect(status?.steps).toMatchObject([{ state: 'Done', rounds: 1, targets: 2, hit: 2, effective: 2 }]);
    expect(cluster.deletedOf('web')).toHaveLength(2);
    const writes = proxy.requests.slice(from).filter(isWrite);
    const statusWrites = writes.filter(({ path }) => path.includes('experimentruns/web/status'));
    expect(statusWrites.length).toBeLessThanOrEqual(14);
    expect(writes.length).toBeLessThanOrEqual(28);
    // One for the fault, and for the probe one about the account and one about the controller: once in a run of one step.
    expect(proxy.requests.slice(from).filter(isQuestion)).toHaveLength(3);
    const told = (await cluster.client.list(events, { namespace: 'default' })).items.filter(
      ({ involvedObject }) =>
        involvedObject.uid === metadata.uid || cluster.deletedOf('web').includes(involvedObject.uid),
    );
    const own = told.filter(({ source }) => source?.component === 'squall-controller');
    expect(own.filter(({ involvedObject }) => involvedObject.kind === 'Pod').map(({ reason }) => reason)).toEqual([
      'FaultInjected',
      'FaultInjected',
    ]);
    expect(own.length).toBeLessThanOrEqual(10);
  });

  test('without a hypothesis deletes its pod after few round trips, and is inconclusive', async () => {
    await cluster.deploy('quick', 2);
    const from = proxy.requests.length;
    await cluster.createRun('quick', { method: [killStep('quick')] });
    const { status } = await cluster.finished('quick');
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotEnoughSamples' });
    const own = proxy.requests.slice(from);
    const deletion = own.findIndex(({ method, path }) => method === 'DELETE' && path.includes('/pods/'));
    const before = own.slice(0, deletion).filter(isWrite);
    // Finalizer, injection, selection, Apply (with the step's status beside it), intent.
    expect(before.length).toBeLessThanOrEqual(6);
    // Selection, begun, confirmed, effective, taken back from then on, taken back, finished.
    expect(own.filter(({ path }) => path.includes('experimentruns/quick/status')).length).toBeLessThanOrEqual(7);
  });

  test('is repeated by its seed', async () => {
    await cluster.deploy('seeded', 6, { pod: { terminationGracePeriodSeconds: 0 } });
    const names = Array.from({ length: 6 }, (_, index) => cluster.pods('seeded')[index]?.metadata.uid).sort();
    const draw = async (name: string, seed: number) => {
      // Nothing is hit: the baseline is never met.
      await cluster.createRun(
        name,
        { method: [killStep('seeded', { targets: { count: 3 } })], hypothesis: [availableProbe('seeded', 99)] },
        { seed },
      );
      const { status } = await cluster.finished(name);
      expect(status).toMatchObject({ reason: 'BaselineUnmet', seed });
      return status?.selection?.[0]?.digest;
    };
    const first = await draw('seed-a', 7);
    expect(await draw('seed-b', 7)).toBe(first);
    expect(
      new Set([first, await draw('seed-c', 8), await draw('seed-d', 9), await draw('seed-e', 10)]).size,
    ).toBeGreaterThan(1);
    expect(
      cluster
        .pods('seeded')
        .map(({ metadata }) => metadata.uid)
        .sort(),
    ).toEqual(names);
  });

  test('has parallel steps together, and the others one after the other', async () => {
    await Promise.all(['one', 'two', 'three'].map((name) => cluster.deploy(name, 2)));
    await cluster.createRun('steps', {
      method: [killStep('one'), killStep('two', { parallel: true }), killStep('three')],
    });
    const { status } = await cluster.finished('steps');
    const [one, two, three] = status?.steps ?? [];
    expect(one?.startTime).toBe(two?.startTime);
    expect((three?.startTime ?? '') >= (one?.endTime ?? '~')).toBe(true);
    expect(status?.steps?.map(({ effective }) => effective)).toEqual([1, 1, 1]);
  });

  test('whose steps have drawn the same pod hits it once, and then the one that took its place', async () => {
    await cluster.deploy('shared', 1);
    const kill = (name: string) => killStep('shared', { name });
    await cluster.createRun('shared', { method: [kill('first'), kill('second')] });
    const { status } = await cluster.finished('shared');
    expect(new Set(status?.selection?.map(({ digest }) => digest)).size).toBe(1);
    expect(status?.steps).toMatchObject([
      { rounds: 1, hit: 1, effective: 1 },
      { rounds: 2, hit: 1, effective: 1 },
    ]);
    expect(new Set(cluster.deletedOf('shared')).size).toBe(2);
    expect(cluster.deletedOf('shared')).toHaveLength(2);
  });

  test('kills anew every interval while the duration lasts, each pod once', async () => {
    await cluster.deploy('again', 4);
    await cluster.createRun('again', {
      method: [killStep('again', { podKill: { gracePeriod: '0s', repeatEvery: '300ms' }, duration: '1s' })],
    });
    const { status } = await cluster.finished('again');
    const killed = cluster.deletedOf('again');
    expect(status?.steps?.[0]?.rounds).toBeGreaterThanOrEqual(2);
    expect(status?.steps?.[0]?.rounds).toBeLessThanOrEqual(4);
    expect(killed).toHaveLength(status?.steps?.[0]?.hit ?? -1);
    expect(killed.length).toBeLessThanOrEqual(status?.steps?.[0]?.rounds ?? 0);
  });

  test('leaves no watch, probe or timer when it is over', async () => {
    const open = () =>
      cluster.cluster.store.list('experimentruns.squall.dev').filter(({ status }) => !status?.finishTime);
    await until(() => open().length === 0, 'all runs to be over');
    // The four caches of the controller, and nothing for any run.
    await until(() => controller.busy().watches === 0, 'no watch of targets is left');
    expect(controller.busy()).toEqual({ runs: 0, watches: 0, nodes: 0, probes: 0, injections: 0, keys: 0 });
  });
});

describe('targets are picked', () => {
  const select = async (name: string, targetPods: Json, more: Json = {}) => {
    const step = killStep('unused', { name: 'kill', pods: targetPods, targets: { percent: 100 }, ...more });
    await cluster.createRun(name, { method: [step] });
    return (await cluster.finished(name)).status as Json;
  };

  test('by name', async () => {
    await cluster.deploy('named', 3);
    const [first, second] = cluster.pods('named').map(({ metadata }) => metadata.name as string);
    const status = await select('named', { names: [first, second, 'nobody'] }, { duration: '100ms' });
    expect(hitNames(status)).toEqual({ kill: [first, second].sort() });
  });

  test('by label expressions', async () => {
    await Promise.all([
      cluster.deploy('gold', 1, { labels: { tier: 'gold' } }),
      cluster.deploy('lead', 1, { labels: { tier: 'lead' } }),
      cluster.deploy('tin', 1, { labels: { tier: 'tin', spare: 'yes' } }),
    ]);
    const status = await select('expressions', {
      selector: {
        matchExpressions: [
          { key: 'tier', operator: 'In', values: ['gold', 'tin'] },
          { key: 'tier', operator: 'Exists' },
          { key: 'spare', operator: 'DoesNotExist' },
          { key: 'tier', operator: 'NotIn', values: ['lead'] },
        ],
      },
    });
    expect(hitNames(status).kill).toEqual([expect.stringMatching(/^gold-/)]);
  });

  test('by the workload that owns them, whatever its kind', async () => {
    await cluster.deploy('owner', 2);
    const meta = (name: string) => ({ name, namespace: 'default' });
    const spec = (name: string, more: Json = {}) => ({
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'busybox:1' }] } },
      ...more,
    });
    await cluster.client.create(replicaSets, { metadata: meta('owner-rs'), spec: spec('owner-rs', { replicas: 1 }) });
    await cluster.client.create(statefulSets, {
      metadata: meta('owner-ss'),
      spec: spec('owner-ss', { replicas: 1, serviceName: 'owner-ss' }),
    });
    await cluster.client.create(daemonSets, { metadata: meta('owner-ds'), spec: spec('owner-ds') });
    // A pod that looks like one of the Deployment's, and is not.
    await cluster.client.create(pods, {
      metadata: { name: 'stray', namespace: 'default', labels: { app: 'stray', own: 'er' } },
      spec: { containers: [{ name: 'main', image: 'busybox:1' }] },
    });
    await until(
      () =>
        ['owner-rs', 'owner-ss', 'stray'].every((app) => cluster.readyPods(app).length === 1) &&
        cluster.readyPods('owner-ds').length === 2,
      'all workloads to be Ready',
    );
    const workload = (kind: string, name: string) => ({ workload: { kind, name } });
    const [deployment, replicaSet, statefulSet, daemonSet, anyway] = await Promise.all([
      select('by-deployment', workload('Deployment', 'owner')),
      select('by-replica-set', workload('ReplicaSet', 'owner-rs')),
      select('by-stateful-set', workload('StatefulSet', 'owner-ss')),
      select('by-daemon-set', workload('DaemonSet', 'owner-ds')),
      select('unmanaged', { names: ['stray'], unmanaged: true }, { duration: '100ms' }),
    ]);
    expect([deployment, replicaSet, statefulSet].map(({ steps }) => steps[0].effective)).toEqual([2, 1, 1]);
    expect(daemonSet).toMatchObject({
      reason: 'NoTargets',
      message: expect.stringContaining('0 of 2: 2 without a controller that replaces them'),
    });
    expect(hitNames(anyway)).toEqual({ kill: ['stray'] });
  });

  test('and a run that finds none says what it looked for', async () => {
    await cluster.deploy('spared', 2, { labels: { 'squall.dev/protected': 'true' } });
    await cluster.deploy('fresh', 1);
    const [missing, none, unnamed, guarded, young] = await Promise.all([
      select('no-workload', { workload: { kind: 'Deployment', name: 'chekout' } }),
      select('no-label', { selector: { matchLabels: { app: 'chekout' } } }),
      select('no-name', { names: ['chekout-1'] }),
      select('guarded', { selector: { matchLabels: { app: 'spared' } } }),
      select('young', { selector: { matchLabels: { app: 'fresh' } }, minAge: '1h' }),
    ]);
    for (const status of [missing, none, unnamed, guarded, young])
      expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NoTargets' });
    expect(missing.message).toContain("in namespace 'default' there is no Deployment 'chekout', or it has no pods");
    expect(none.message).toContain('none has the labels app=chekout');
    expect(unnamed.message).toContain("there is no pod named 'chekout-1'");
    expect(guarded.message).toContain('0 of 2: 2 protected');
    expect(young.message).toContain('0 of 1: 1 younger than `minAge`');
  });

  test('never in a protected namespace', async () => {
    await cluster.deploy('system', 1, { namespace: 'kube-system' });
    await cluster.createRun('system', { method: [killStep('system')] }, { namespace: 'kube-system' });
    const { status } = await cluster.finished('system', { namespace: 'kube-system' });
    expect(status).toMatchObject({ reason: 'NoTargets', message: expect.stringContaining('1 protected') });
    expect(cluster.deletedOf('system')).toEqual([]);
  });
});
