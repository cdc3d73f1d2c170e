import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { daemonSets, deployments, events, type Json, nodes, statefulSets } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  experimentRuns,
  injections,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';
import { horizontalPodAutoscalers } from './api-steps/objects.js';

let bundle: ControllerBundle;
let cluster: TestCluster;

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl, { nodes: 6 });
  const controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
  await cluster.deploy('probed', 1);
}, 30_000);

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

const onNodes = (names: string[], fault: Json, more: Json = {}): Json => ({
  name: 'hold',
  duration: '1s',
  targets: { nodes: { names }, count: names.length },
  ...fault,
  ...more,
});
const onWorkload = (kind: string, name: string, fault: Json, more: Json = {}): Json => ({
  name: 'hold',
  duration: '1s',
  targets: { workloads: { kind, names: [name] } },
  ...fault,
  ...more,
});
/** A run that passes when its fault takes effect. */
const run = async (name: string, step: Json) => {
  await cluster.createRun(name, { hypothesis: [availableProbe('probed', 0)], method: [step] });
  return { finished: async () => (await cluster.finished(name)).status as Json };
};

const stored = (type: string, name: string, namespace?: string): Json =>
  cluster.cluster.store.get(type, namespace, name);
const node = (name: string): Json => stored('nodes', name);
const deployment = (name: string): Json => stored('deployments.apps', name, 'default');
const seen = ({ metadata: { labels, annotations }, spec }: Json) => structuredClone({ labels, annotations, spec });
const held = async (name: string, on = 1) => {
  await until(() => (cluster.run(name)?.status?.steps?.[0]?.effective ?? 0) >= on, `the effect of ${name}`);
};

/** Waits until an object is as it was: what follows from a change, such as the taint of a cordoned node, comes a little later. */
async function restored(look: () => Json, before: Json): Promise<void> {
  await until(() => JSON.stringify(seen(look())) === JSON.stringify(before), 'everything to be as before').catch(
    () => {},
  );
  expect(seen(look())).toEqual(before);
}

describe('nodes', () => {
  test('are cordoned, and as they were before in the end', async () => {
    await cluster.client.patch(nodes, undefined, 'n2', { spec: { unschedulable: true } });
    await until(() => node('n2').spec.taints?.length === 1, 'the node controller');
    const before = ['n1', 'n2'].map((name) => seen(node(name)));
    const { finished } = await run('cordon', onNodes(['n1', 'n2'], { nodeCordon: {} }));
    await held('cordon', 2);
    expect(['n1', 'n2'].map((name) => node(name).spec.unschedulable)).toEqual([true, true]);
    expect(await finished()).toMatchObject({ verdict: 'Passed', steps: [{ hit: 2, effective: 2 }] });
    await restored(() => node('n1'), before[0]);
    await restored(() => node('n2'), before[1]);
    await cluster.client.patch(nodes, undefined, 'n2', { spec: { unschedulable: null } });
  });

  test('are tainted, and keep what they had', async () => {
    const taints = [
      { key: 'gpu', value: 'theirs', effect: 'NoSchedule' },
      { key: 'gpu', effect: 'PreferNoSchedule' },
    ];
    await cluster.client.patch(nodes, undefined, 'n3', { spec: { taints } });
    const before = seen(node('n3'));
    const ours = [
      { key: 'gpu', value: 'ours', effect: 'NoSchedule' },
      { key: 'new', effect: 'NoExecute' },
    ];
    const { finished } = await run('taint', onNodes(['n3'], { nodeTaint: { taints: ours } }));
    await held('taint');
    expect(node('n3').spec.taints).toEqual([ours[0], taints[1], ours[1]]);
    expect(await finished()).toMatchObject({ verdict: 'Passed' });
    await restored(() => node('n3'), before);
  });

  test('of which somebody uncordons one are left so, and the run says it', async () => {
    const before = ['n4', 'n5'].map((name) => seen(node(name)));
    const { finished } = await run('uncordoned', onNodes(['n4', 'n5'], { nodeCordon: {} }, { duration: '3s' }));
    await held('uncordoned', 2);
    await cluster.client.patch(nodes, undefined, 'n4', { spec: { unschedulable: null } });
    // What else changes meanwhile is none of our business.
    await cluster.client.patch(nodes, undefined, 'n5', { spec: { podCIDR: '10.9.0.0/24' } });
    expect(await finished()).toMatchObject({
      verdict: 'Passed',
      message: expect.stringContaining('somebody else changed what the fault had changed on 1 of 2 targets'),
    });
    await restored(() => node('n4'), before[0]);
    expect(seen(node('n5'))).toEqual({ ...before[1], spec: { ...before[1]?.spec, podCIDR: '10.9.0.0/24' } });
  });

  test('that somebody uncordons all test nothing any more', async () => {
    const { finished } = await run('lost', onNodes(['n6'], { nodeCordon: {} }, { duration: '60s' }));
    await held('lost');
    await cluster.client.patch(nodes, undefined, 'n6', { spec: { unschedulable: null } });
    const { verdict, reason, message } = await finished();
    expect({ verdict, reason }).toEqual({ verdict: 'Inconclusive', reason: 'FaultLost' });
    expect(message).toContain('spec.unschedulable is not set: somebody else took the fault away');
    const told = (await cluster.client.list(events)).items.filter(({ involvedObject }) => involvedObject.name === 'n6');
    expect(told.map(({ reason: why }) => why)).toEqual(expect.arrayContaining(['FaultInjected', 'FaultConflict']));
  }, 20_000);

  test('that another run holds are left out, or refused', async () => {
    const first = await run('first', onNodes(['n1'], { nodeCordon: {} }, { duration: '2s' }));
    await held('first');
    const second = await run(
      'second',
      onNodes(['n1'], { nodeTaint: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }),
    );
    expect(await second.finished()).toMatchObject({ verdict: 'Inconclusive' });
    expect(node('n1').spec.taints?.some(({ key }: Json) => key === 'a')).toBe(false);
    await first.finished();
  });

  test('are given back when their run is gone, whoever let go of it', async () => {
    const before = seen(node('n6'));
    await run('forced', onNodes(['n6'], { nodeCordon: {} }, { duration: '60s' }));
    await held('forced');
    await cluster.client.patch(experimentRuns, 'default', 'forced', { metadata: { finalizers: [] } });
    await cluster.client.delete(experimentRuns, 'default', 'forced');
    await restored(() => node('n6'), before);
    await until(() => cluster.injections().every(({ spec }) => spec.run.name !== 'forced'), 'the injection to go');
  });

  test('are given back when their injection is deleted', async () => {
    const before = seen(node('n6'));
    const { finished } = await run('unrecorded', onNodes(['n6'], { nodeCordon: {} }, { duration: '60s' }));
    await held('unrecorded');
    const own = cluster.injections().find(({ spec }) => spec.run.name === 'unrecorded');
    await cluster.client.delete(injections, own.metadata.namespace, own.metadata.name);
    expect(await finished()).toMatchObject({ verdict: 'Error' });
    await restored(() => node('n6'), before);
  });

  test('that are deleted meanwhile are let go of', async () => {
    await cluster.client.create(nodes, { metadata: { name: 'short-lived' }, status: { conditions: [] } });
    await cluster.client.patchStatus(nodes, undefined, 'short-lived', {
      conditions: [{ type: 'Ready', status: 'True' }],
    });
    const { finished } = await run('deleted', onNodes(['short-lived'], { nodeCordon: {} }, { duration: '2s' }));
    await held('deleted');
    await cluster.client.delete(nodes, undefined, 'short-lived');
    expect(await finished()).toMatchObject({ verdict: 'Passed' });
  });
});

describe('a workload', () => {
  test('is scaled, and has as many as before in the end', async () => {
    await cluster.deploy('web', 4);
    const before = seen(deployment('web'));
    const { finished } = await run('scale', onWorkload('Deployment', 'web', { scale: { percent: 50 } }));
    await held('scale');
    expect(cluster.pods('web')).toHaveLength(2);
    expect(await finished()).toMatchObject({ verdict: 'Passed', steps: [{ hit: 1, effective: 1 }] });
    await restored(() => deployment('web'), before);
    await until(() => cluster.readyPods('web').length === 4, 'all pods');
  });

  test('that somebody else scales meanwhile is left so, and the run says it', async () => {
    await cluster.deploy('fought', 3);
    const { finished } = await run(
      'fought',
      onWorkload('Deployment', 'fought', { scale: { replicas: 1 } }, { duration: '2s' }),
    );
    await held('fought');
    await cluster.client.patch(deployments, 'default', 'fought', { spec: { replicas: 2 } });
    const { message } = await finished();
    expect(message).toContain('somebody else changed what the fault had changed on 1 of 1 targets');
    expect(message).toContain('spec.replicas is 2');
    expect(deployment('fought').spec.replicas).toBe(2);
    expect(deployment('fought').metadata.annotations?.['undo.squall.dev/']).toBeUndefined();
  });

  test('under an autoscaler is refused, unless that is paused with it', async () => {
    await cluster.deploy('auto', 3);
    const spec = {
      minReplicas: 2,
      maxReplicas: 5,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'auto' },
    };
    await cluster.client.create(horizontalPodAutoscalers, { metadata: { name: 'auto', namespace: 'default' }, spec });
    const autoscaler = () => stored('horizontalpodautoscalers.autoscaling', 'auto', 'default');
    const before = [seen(deployment('auto')), seen(autoscaler())];
    const refused = await run('refused', onWorkload('Deployment', 'auto', { scale: { replicas: 1 } }));
    expect(await refused.finished()).toMatchObject({
      reason: 'NoTargets',
      message: expect.stringContaining('workloads with an autoscaler that is not paused'),
    });
    const paused = await run(
      'paused',
      onWorkload('Deployment', 'auto', { scale: { replicas: 1, autoscaler: 'Pause' } }),
    );
    await held('paused');
    expect(deployment('auto').spec.replicas).toBe(1);
    expect(await paused.finished()).toMatchObject({ verdict: 'Passed' });
    await restored(() => deployment('auto'), before[0]);
    await restored(autoscaler, before[1]);
  });

  test('is restarted, once', async () => {
    await cluster.deploy('restarted', 2);
    const before = cluster.pods('restarted').map(({ metadata }) => metadata.uid);
    const { finished } = await run(
      'restart',
      onWorkload('Deployment', 'restarted', { rolloutRestart: {} }, { duration: undefined }),
    );
    expect(await finished()).toMatchObject({ verdict: 'Passed', steps: [{ hit: 1, effective: 1 }] });
    const generation = deployment('restarted').metadata.generation;
    await until(
      () => cluster.pods('restarted').every(({ metadata }) => !before.includes(metadata.uid)),
      'all new pods',
    );
    expect(deployment('restarted').metadata.generation).toBe(generation);
    expect(generation).toBe(2);
  });

  test('is found by its kind and its own labels', async () => {
    const template = (app: string) => ({
      metadata: { labels: { app } },
      spec: { containers: [{ name: 'main', image: 'busybox:1' }] },
    });
    const meta = (name: string) => ({ name, namespace: 'default', labels: { own: name } });
    const spec = (app: string, more: Json = {}) => ({
      selector: { matchLabels: { app } },
      template: template(app),
      ...more,
    });
    await cluster.client.create(statefulSets, {
      metadata: meta('state'),
      spec: spec('state', { replicas: 2, serviceName: 's' }),
    });
    await cluster.client.create(daemonSets, { metadata: meta('daemon'), spec: spec('daemon') });
    await until(
      () => cluster.readyPods('state').length === 2 && cluster.readyPods('daemon').length >= 5,
      'both to be Ready',
    );
    const by = (kind: string, own: string) => ({
      targets: { workloads: { kind, selector: { matchLabels: { own } } } },
    });
    const state = await run('state', onWorkload('', '', { scale: { replicas: 1 } }, by('StatefulSet', 'state')));
    const daemon = await run(
      'daemon',
      onWorkload('', '', { rolloutRestart: {} }, { ...by('DaemonSet', 'daemon'), duration: undefined }),
    );
    expect(await state.finished()).toMatchObject({ verdict: 'Passed' });
    expect(stored('statefulsets.apps', 'state', 'default').spec.replicas).toBe(2);
    expect(await daemon.finished()).toMatchObject({ verdict: 'Passed' });
  });
});
