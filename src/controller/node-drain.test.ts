import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { events, type Json, namespaces, nodes, pods } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';
import type { Controller } from './controller.js';
import { safetyPolicies } from './resources.js';

const budgets = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
  namespaced: true,
};

let bundle: ControllerBundle;
let cluster: TestCluster;
let controller: Controller;

beforeAll(async () => {
  bundle = await bundleController();
  // Zones are z1: n1, n4; z2: n2, n5; z3: n3.
  cluster = await startTestCluster(bundle.workerUrl, { nodes: 5 });
  controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
}, 30_000);

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

afterEach(() => {
  for (const kind of ['deployments.apps', 'poddisruptionbudgets.policy']) {
    for (const { metadata } of cluster.cluster.store.list(kind, 'default'))
      cluster.cluster.store.delete(kind, 'default', metadata.name);
  }
});

const node = (name: string) => cluster.cluster.store.get('nodes', undefined, name) as Json;
const patchNode = (name: string, patch: Json) => cluster.client.patch(nodes, undefined, name, patch);
const pinned = (...names: string[]) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: names }] }],
      },
    },
  },
});

function drainStep(names: string[], more: Json = {}): Json {
  const { nodeDrain = {}, ...step } = more;
  return { name: 'drain', nodeDrain, targets: { nodes: { names }, percent: 100 }, duration: '600ms', ...step };
}

async function budget(app: string, minAvailable: number): Promise<void> {
  const spec = { minAvailable, selector: { matchLabels: { app } } };
  await cluster.client.create(budgets, { metadata: { name: app, namespace: 'default' }, spec });
  await until(() => {
    const found = cluster.cluster.store.get('poddisruptionbudgets.policy', 'default', app) as Json;
    return found?.status?.observedGeneration === found?.metadata.generation && found?.status?.expectedPods > 0;
  }, `the budget of ${app}`);
}

/** Runs an experiment to its end. */
async function outcome(name: string, template: Json): Promise<Json> {
  await cluster.createRun(name, template);
  return (await cluster.finished(name, { within: 30_000 })).status;
}

describe('a drain', () => {
  test('evicts the pods of a node, and uncordons it at the end', async () => {
    await cluster.deploy('web', 4, { pod: pinned('n1', 'n2') });
    const status = await outcome('drained', {
      method: [drainStep(['n1'])],
      hypothesis: [availableProbe('web', 1)],
    });
    expect(status).toMatchObject({ verdict: 'Passed' });
    expect(status.steps).toMatchObject([{ targets: 1, hit: 1, effective: 1, names: ['n1'] }]);
    expect(node('n1').spec).toEqual({});
    expect(node('n1').metadata.annotations ?? {}).toEqual({});
    const told = (await cluster.client.list(events, { namespace: 'default' })).items;
    expect(
      told.filter(({ message }) => message === "Taken off node n1 by step 'drain' of run default/drained").length,
    ).toBeGreaterThan(0);
  });

  test('leaves a node cordoned that was cordoned before', async () => {
    await cluster.deploy('web', 1, { pod: pinned('n1') });
    await patchNode('n1', { spec: { unschedulable: true } });
    const status = await outcome('cordoned', { method: [drainStep(['n1'])], hypothesis: [availableProbe('web', 0)] });
    expect(status).toMatchObject({ verdict: 'Passed' });
    expect(node('n1').spec.unschedulable).toBe(true);
    await patchNode('n1', { spec: { unschedulable: null } });
  });

  test('that a budget allows nothing says which pod was held, and that it had no effect', async () => {
    await cluster.deploy('web', 2, { pod: pinned('n1') });
    await budget('web', 2);
    const status = await outcome('held', { method: [drainStep(['n1'])], hypothesis: [availableProbe('web', 2)] });
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'FaultNotEffective' });
    expect(status.steps[0].message).toMatch(/^2 of 2 pods could not be evicted: default\/web-\S+: Cannot evict pod/);
    expect(cluster.readyPods('web')).toHaveLength(2);
    expect(node('n1').spec).toEqual({});
  });

  test('that is to be held back by a budget passes when it is', async () => {
    await cluster.deploy('web', 2, { pod: pinned('n1') });
    await budget('web', 2);
    const status = await outcome('expected', {
      method: [drainStep(['n1'], { nodeDrain: { budget: 'Expect' } })],
      hypothesis: [availableProbe('web', 2)],
    });
    expect(status).toMatchObject({ verdict: 'Passed' });
  });

  test('that is to be held back by a budget and is not violates the hypothesis, naming the node', async () => {
    await cluster.deploy('web', 2, { pod: pinned('n1', 'n2') });
    const status = await outcome('unexpected', {
      method: [drainStep(['n1', 'n2'], { nodeDrain: { budget: 'Expect' } })],
      hypothesis: [availableProbe('web', 0)],
    });
    expect(status).toMatchObject({ verdict: 'Failed', reason: 'HypothesisViolated' });
    expect(status.findings.map(({ reason }: Json) => reason)).not.toContain('FaultNotEffective');
    expect(status.findings[0].message).toMatch(/^Node n[12] was not held back by a disruption budget/);
  });

  test('of a node with a pod that nothing replaces is refused, and the node is not touched', async () => {
    await cluster.client.create(pods, {
      metadata: { name: 'lone', namespace: 'default' },
      spec: { nodeName: 'n3', containers: [{ name: 'main', image: 'busybox:1' }] },
    });
    const { resourceVersion } = node('n3').metadata;
    const status = await outcome('refused', { method: [drainStep(['n3'])] });
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotSupported' });
    expect(status.message).toMatch(/default\/lone.*`unmanaged: true` would allow that/);
    expect(node('n3').metadata.resourceVersion).toBe(resourceVersion);
    await cluster.client.delete(pods, 'default', 'lone', { gracePeriodSeconds: 0 });
  });

  test('spares what a policy or a namespace protects, and says so', async () => {
    const { client } = cluster;
    await cluster.deploy('precious', 1, { pod: pinned('n1'), labels: { tier: 'gold' } });
    await cluster.deploy('web', 1, { pod: pinned('n1') });
    await client.create(namespaces, { metadata: { name: 'vault', labels: { 'squall.dev/protected': 'true' } } });
    await cluster.deploy('vault', 1, { namespace: 'vault', pod: pinned('n1') });
    await client.create(safetyPolicies, {
      metadata: { name: 'gold' },
      spec: { protectedLabels: [{ matchLabels: { tier: 'gold' } }] },
    });
    const status = await outcome('spared', { method: [drainStep(['n1'])] });
    expect(status.steps).toMatchObject([{ effective: 1, message: '2 protected pods were left' }]);
    expect([...cluster.readyPods('precious'), ...cluster.readyPods('vault', 'vault')]).toHaveLength(2);
    await client.delete(safetyPolicies, undefined, 'gold');
    await client.delete(namespaces, undefined, 'vault');
  });

  test('of a node with nothing to evict had no effect', async () => {
    const status = await outcome('idle', { method: [drainStep(['n5'])] });
    expect(status.findings).toContainEqual({
      reason: 'FaultNotEffective',
      message: expect.stringMatching(/none of 1 targets showed the effect \(no pod had to go\)/),
    });
  });

  test('of a pod that does not end is over with its step, and says what holds it', async () => {
    await cluster.deploy('stuck', 1, { pod: pinned('n1') });
    const [pod] = cluster.pods('stuck');
    await cluster.client.patch(pods, 'default', pod?.metadata.name ?? '', {
      metadata: { finalizers: ['example.com/hold'] },
    });
    const status = await outcome('stuck', { method: [drainStep(['n1'])] });
    expect(status.steps[0].message).toMatch(/^1 of 1 pods did not go in time: default\/stuck-.*example.com\/hold$/);
    expect(node('n1').spec).toEqual({});
    await cluster.client.patch(pods, 'default', pod?.metadata.name ?? '', { metadata: { finalizers: null } });
  });

  test('goes on under another controller, and ends when it was to', async () => {
    await cluster.deploy('web', 3, { pod: pinned('n1', 'n2') });
    await budget('web', 3);
    await cluster.createRun('handed-over', {
      method: [drainStep(['n1', 'n2'], { duration: '2500ms' })],
      hypothesis: [availableProbe('web', 0)],
    });
    await cluster.inStage('handed-over', 'Holding');
    await controller.stop();
    controller = cluster.controller();
    await cluster.client.patch(budgets, 'default', 'web', { spec: { minAvailable: 0 } });
    const { status } = await cluster.finished('handed-over');
    expect(status).toMatchObject({ verdict: 'Passed' });
    expect(status?.steps).toMatchObject([{ hit: 2 }]);
    expect([node('n1').spec, node('n2').spec]).toEqual([{}, {}]);
  });

  test('of a node that is deleted meanwhile goes on with the others, and takes back what it can', async () => {
    await cluster.deploy('web', 4, { pod: pinned('n4', 'n5') });
    await budget('web', 4);
    await cluster.createRun('deleted', {
      method: [drainStep(['n4', 'n5'], { duration: '1500ms' })],
      hypothesis: [availableProbe('web', 0)],
    });
    await cluster.inStage('deleted', 'Holding');
    const { metadata, spec, status: before } = node('n5');
    await cluster.client.delete(nodes, undefined, 'n5');
    const { status } = await cluster.finished('deleted');
    expect(status?.findings?.map(({ reason }) => reason)).not.toContain('CleanupFailed');
    expect(node('n4').spec).toEqual({});
    cluster.cluster.store.create('nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n5', labels: metadata.labels },
      spec: {},
      status: before,
    });
    expect(spec.unschedulable).toBe(true);
  });

  test('by a selector leaves one node Ready, and those of the control plane alone', async () => {
    await patchNode('n5', {
      metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } },
      spec: { taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] },
    });
    const matchLabels = { 'kubernetes.io/os': 'linux' };
    const status = await outcome('everywhere', {
      method: [drainStep([], { targets: { nodes: { selector: { matchLabels } }, percent: 100 } })],
    });
    expect(status.selection).toMatchObject([{ matched: 5, chosen: 3, removed: { controlPlane: 1, lastReady: 1 } }]);
    await patchNode('n5', {
      metadata: { labels: { 'node-role.kubernetes.io/control-plane': null } },
      spec: { taints: null },
    });
  });

  const nowhere: [string, Json, RegExp][] = [
    ['nodes of a name', { nodes: { names: ['n9'] } }, /in the cluster there is no node named 'n9'/],
    ['nodes of a label', { nodes: { selector: { matchLabels: { pool: 'red' } } } }, /match no node: .*pool=red/],
  ];
  test.each(nowhere)('that finds no %s says what it looked for', async (name, targets, expected) => {
    const status = await outcome(name.replaceAll(' ', '-'), { method: [drainStep([], { targets })] });
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NoTargets' });
    expect(status.message).toMatch(expected);
  });
});

describe('the outage of a zone', () => {
  const outage = (more: Json = {}): Json => ({
    name: 'lose',
    zoneOutage: {},
    targets: { zones: {} },
    duration: '600ms',
    ...more,
  });
  const zoneOf = (name: string) => node(name).metadata.labels['topology.kubernetes.io/zone'];

  test('kills what runs on all of its nodes whatever budgets say, and opens them again at the end', async () => {
    await cluster.deploy('web', 6);
    await budget('web', 6);
    await cluster.createRun('outage', {
      method: [outage({ targets: { zones: { names: ['z1'] } } })],
      hypothesis: [availableProbe('web', 0)],
    });
    await cluster.inStage('outage', 'Holding');
    await until(
      () => cluster.pods('web').every(({ spec }) => zoneOf(spec.nodeName ?? 'n2') !== 'z1'),
      'pods to leave the zone',
    );
    expect(node('n1').spec.unschedulable).toBe(true);
    expect(node('n1').spec.taints).toContainEqual({ key: 'squall.dev/zone-outage', effect: 'NoSchedule' });
    const { status } = await cluster.finished('outage');
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ targets: 2, hit: 2 }] });
    expect([node('n1').spec, node('n4').spec]).toEqual([{}, {}]);
  });

  test('draws zones by count, with all their nodes', async () => {
    await cluster.deploy('web', 10);
    const status = await outcome('two-zones', { method: [outage({ targets: { zones: {}, count: 2 } })] });
    const zones = new Set(status.steps[0].names.map(zoneOf));
    expect(zones.size).toBe(2);
    expect(status.steps[0].names).toHaveLength(
      ['n1', 'n2', 'n3', 'n4', 'n5'].filter((name) => zones.has(zoneOf(name))).length,
    );
  });

  test('of a zone that does not exist says so', async () => {
    const status = await outcome('nowhere', { method: [outage({ targets: { zones: { names: ['z9'] } } })] });
    expect(status.message).toMatch(/in the cluster no node is in zone 'z9'/);
  });
});
