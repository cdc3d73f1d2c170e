import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { events, type Json, namespaces, nodes, podDisruptionBudgets, pods } from '../kubernetes/resource.js';
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

let bundle: ControllerBundle;
let cluster: TestCluster;
let controller: Controller;
/** What came of the runs that have nothing to do with each other: they are all under way at once. */
const statuses = new Map<string, Promise<Json>>();

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl, { nodes: 13 });
  controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
  for (const [name, begin] of Object.entries(apart)) {
    const status = begin(name).then((template) => outcome(name, template));
    status.catch(() => {});
    statuses.set(name, status);
  }
}, 30_000);

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
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
  return { name: 'drain', nodeDrain, targets: { nodes: { names }, percent: 100 }, duration: '1s', ...step };
}

/** Deploys pods that can only be on these nodes. */
async function deploy(app: string, replicas: number, names: string[], minAvailable?: number): Promise<void> {
  await cluster.deploy(app, replicas, { pod: pinned(...names) });
  if (minAvailable === undefined) return;
  const spec = { minAvailable, selector: { matchLabels: { app } } };
  await cluster.client.create(podDisruptionBudgets, { metadata: { name: app, namespace: 'default' }, spec });
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

/** Experiments on nodes of their own, by name. */
const apart: Record<string, (name: string) => Promise<Json>> = {
  drained: async (name) => {
    await deploy(name, 4, ['n1', 'n2']);
    return { method: [drainStep(['n1'])], hypothesis: [availableProbe(name, 1)] };
  },
  cordoned: async (name) => {
    await deploy(name, 1, ['n3']);
    await patchNode('n3', { spec: { unschedulable: true } });
    return { method: [drainStep(['n3'])], hypothesis: [availableProbe(name, 0)] };
  },
  held: async (name) => {
    await deploy(name, 2, ['n4'], 2);
    return { method: [drainStep(['n4'])], hypothesis: [availableProbe(name, 2)] };
  },
  expected: async (name) => {
    await deploy(name, 2, ['n5'], 2);
    const step = drainStep(['n5'], { nodeDrain: { budget: 'Expect' } });
    return { method: [step], hypothesis: [availableProbe(name, 2)] };
  },
  unexpected: async (name) => {
    await deploy(name, 2, ['n6', 'n7']);
    const step = drainStep(['n6', 'n7'], { nodeDrain: { budget: 'Expect' } });
    return { method: [step], hypothesis: [availableProbe(name, 0)] };
  },
  refused: async () => {
    await cluster.client.create(pods, {
      metadata: { name: 'lone', namespace: 'default' },
      spec: { nodeName: 'n8', containers: [{ name: 'main', image: 'busybox:1' }] },
    });
    return { method: [drainStep(['n8'])] };
  },
  idle: async () => ({ method: [drainStep(['n9'])] }),
  stuck: async (name) => {
    await deploy(name, 1, ['n10']);
    const [pod] = cluster.pods(name);
    const patch = { metadata: { finalizers: ['example.com/hold'] } };
    await cluster.client.patch(pods, 'default', pod?.metadata.name ?? '', patch);
    return { method: [drainStep(['n10'])] };
  },
  spared: async (name) => {
    const { client } = cluster;
    await client.create(namespaces, { metadata: { name: 'vault', labels: { 'squall.dev/protected': 'true' } } });
    const protectedLabels = [{ matchLabels: { tier: 'gold' } }];
    await client.create(safetyPolicies, { metadata: { name: 'gold' }, spec: { protectedLabels } });
    await deploy(name, 1, ['n11']);
    await cluster.deploy('precious', 1, { pod: pinned('n11'), labels: { tier: 'gold' } });
    await cluster.deploy('vault', 1, { namespace: 'vault', pod: pinned('n11') });
    return { method: [drainStep(['n11'])] };
  },
};

describe('a drain', () => {
  test('evicts the pods of a node, and uncordons it at the end', async () => {
    const status = await statuses.get('drained');
    expect(status).toMatchObject({ verdict: 'Passed' });
    expect(status.steps).toMatchObject([{ targets: 1, hit: 1, effective: 1, names: ['n1'] }]);
    expect(node('n1').spec).toEqual({});
    expect(node('n1').metadata.annotations ?? {}).toEqual({});
    const told = (await cluster.client.list(events, { namespace: 'default' })).items;
    const words = "Taken off node n1 by step 'drain' of run default/drained";
    expect(told.filter(({ message }) => message === words).length).toBeGreaterThan(0);
  });

  test('leaves a node cordoned that was cordoned before', async () => {
    expect(await statuses.get('cordoned')).toMatchObject({ verdict: 'Passed' });
    expect(node('n3').spec.unschedulable).toBe(true);
  });

  test('that a budget allows nothing says which pod was held, and that it had no effect', async () => {
    const status = await statuses.get('held');
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'FaultNotEffective' });
    expect(status.steps[0].message).toMatch(/^2 of 2 pods could not be evicted: default\/held-\S+: Cannot evict pod/);
    expect(status.steps[0].progress).toMatchObject({ done: 0, total: 2, refused: 2 });
    expect(cluster.readyPods('held')).toHaveLength(2);
    expect(node('n4').spec).toEqual({});
  });

  test('that is to be held back by a budget passes when it is', async () => {
    expect(await statuses.get('expected')).toMatchObject({ verdict: 'Passed' });
  });

  test('that is to be held back by a budget and is not violates the hypothesis, naming the node', async () => {
    const status = await statuses.get('unexpected');
    expect(status).toMatchObject({ verdict: 'Failed', reason: 'HypothesisViolated' });
    expect(status.findings.map(({ reason }: Json) => reason)).not.toContain('FaultNotEffective');
    expect(status.findings[0].message).toMatch(/^Node n[67] was not held back by a disruption budget/);
  });

  test('of a node with a pod that nothing replaces is refused, and the node is not touched', async () => {
    const status = await statuses.get('refused');
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotSupported' });
    expect(status.message).toMatch(/default\/lone.*`unmanaged: true` would allow that/);
    expect(node('n8').metadata.managedFields?.some(({ manager }: Json) => manager === 'squall') ?? false).toBe(false);
    expect(node('n8').spec).toEqual({});
  });

  test('of a node with nothing to evict had no effect', async () => {
    const status = await statuses.get('idle');
    expect(status.findings).toContainEqual({
      reason: 'FaultNotEffective',
      message: expect.stringMatching(/none of 1 targets showed the effect \(no pod had to go\)/),
    });
  });

  test('of a pod that does not end is over with its step, and says what holds it', async () => {
    const status = await statuses.get('stuck');
    expect(status.steps[0].message).toMatch(/^1 of 1 pods did not go in time: default\/stuck-.*example.com\/hold$/);
    expect(node('n10').spec).toEqual({});
  });

  test('spares what a policy or a namespace protects, and says so', async () => {
    const status = await statuses.get('spared');
    expect(status.steps).toMatchObject([{ effective: 1, message: '2 protected pods were left' }]);
    expect([...cluster.readyPods('precious'), ...cluster.readyPods('vault', 'vault')]).toHaveLength(2);
  });

  const nowhere: [string, Json, RegExp][] = [
    ['nodes-of-a-name', { nodes: { names: ['n99'] } }, /in the cluster there is no node named 'n99'/],
    ['nodes-of-a-label', { nodes: { selector: { matchLabels: { pool: 'red' } } } }, /match no node: .*pool=red/],
  ];
  test.each(nowhere)('that finds no %s says what it looked for', async (name, targets, expected) => {
    const status = await outcome(name, { method: [drainStep([], { targets })] });
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NoTargets' });
    expect(status.message).toMatch(expected);
  });

  test('of a node that is deleted meanwhile takes back what it can', async () => {
    await deploy('deleted', 4, ['n12', 'n13'], 4);
    await cluster.createRun('deleted', {
      method: [drainStep(['n12', 'n13'])],
      hypothesis: [availableProbe('deleted', 0)],
    });
    await cluster.inStage('deleted', 'Holding');
    expect(node('n13').spec.unschedulable).toBe(true);
    await cluster.client.delete(nodes, undefined, 'n13');
    const { status } = await cluster.finished('deleted');
    expect(status?.findings?.map(({ reason }) => reason)).not.toContain('CleanupFailed');
    expect(node('n12').spec).toEqual({});
  });

  test('that is held back ends at once when everything is halted', async () => {
    await Promise.all(statuses.values());
    await deploy('halted', 1, ['n12'], 1);
    await cluster.createRun('halted', { method: [drainStep(['n12'], { duration: '1m' })] });
    await cluster.inStage('halted', 'Holding');
    await cluster.halt('fire drill');
    const { status } = await cluster.finished('halted');
    await cluster.resume();
    expect(status).toMatchObject({ verdict: 'Aborted', reason: 'Halted' });
    expect(status?.steps?.[0]?.message).toMatch(/could not be evicted/);
    expect(node('n12').spec).toEqual({});
  });

  test('goes on under another controller, and ends when it was to', async () => {
    await Promise.all(statuses.values());
    await deploy('handed-over', 3, ['n1', 'n2'], 3);
    await cluster.createRun('handed-over', {
      method: [drainStep(['n1', 'n2'], { duration: '2500ms' })],
      hypothesis: [availableProbe('handed-over', 0)],
    });
    await cluster.inStage('handed-over', 'Holding');
    await controller.stop();
    controller = cluster.controller();
    await cluster.client.patch(podDisruptionBudgets, 'default', 'handed-over', { spec: { minAvailable: 0 } });
    const { status } = await cluster.finished('handed-over');
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ hit: 2 }] });
    expect([node('n1').spec, node('n2').spec]).toEqual([{}, {}]);
  });
});
