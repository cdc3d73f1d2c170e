import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Json, nodes, podDisruptionBudgets } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';

let bundle: ControllerBundle;
let cluster: TestCluster;

beforeAll(async () => {
  bundle = await bundleController();
  // Zones are z1: n1, n4; z2: n2, n5; z3: n3.
  cluster = await startTestCluster(bundle.workerUrl, { nodes: 5 });
  const controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
}, 30_000);

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

const all = ['n1', 'n2', 'n3', 'n4', 'n5'];
const node = (name: string) => cluster.cluster.store.get('nodes', undefined, name) as Json;
const zoneOf = (name: string) => node(name).metadata.labels['topology.kubernetes.io/zone'];
const patchNode = (name: string, patch: Json) => cluster.client.patch(nodes, undefined, name, patch);

function outage(zones: Json, more: Json = {}): Json {
  return { name: 'lose', zoneOutage: {}, targets: { zones, ...more }, duration: '600ms' };
}

async function outcome(name: string, template: Json): Promise<Json> {
  await cluster.createRun(name, template);
  return (await cluster.finished(name, { within: 30_000 })).status;
}

describe('the outage of a zone', () => {
  test('kills what runs on all of its nodes whatever budgets say, and opens them again at the end', async () => {
    await cluster.deploy('web', 6);
    await cluster.client.create(podDisruptionBudgets, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { minAvailable: 6, selector: { matchLabels: { app: 'web' } } },
    });
    await cluster.createRun('outage', {
      method: [outage({ names: ['z1'] })],
      hypothesis: [availableProbe('web', 0)],
    });
    await cluster.inStage('outage', 'Holding');
    const isAway = ({ spec }: Json) => spec.nodeName === undefined || zoneOf(spec.nodeName) !== 'z1';
    await until(() => cluster.pods('web').every(isAway), 'pods to leave the zone');
    expect(node('n1').spec.unschedulable).toBe(true);
    expect(node('n1').spec.taints).toContainEqual({ key: 'squall.dev/zone-outage', effect: 'NoSchedule' });
    const { status } = await cluster.finished('outage');
    expect(status).toMatchObject({
      verdict: 'Passed',
      steps: [
        { targets: 2, hit: 2 },
        { name: 'lose.partition', hit: 0 },
      ],
    });
    expect([node('n1').spec, node('n4').spec]).toEqual([{}, {}]);
  });

  test('draws zones by count, with all their nodes', async () => {
    const { steps } = await outcome('two-zones', { method: [outage({}, { count: 2 })] });
    const zones = new Set(steps[0].names.map(zoneOf));
    expect(zones.size).toBe(2);
    expect([...steps[0].names].sort()).toEqual(all.filter((name) => zones.has(zoneOf(name))));
  });

  test('leaves a zone when all are asked for, and nodes of the control plane wherever they are', async () => {
    const label = 'node-role.kubernetes.io/control-plane';
    const taints = [{ key: label, effect: 'NoSchedule' }];
    await patchNode('n5', { metadata: { labels: { [label]: '' } }, spec: { taints } });
    const { selection } = await outcome('everywhere', { method: [outage({}, { percent: 100 })] });
    expect(selection[0]).toMatchObject({ matched: 5, removed: { controlPlane: 1 } });
    expect([1, 2]).toContain(selection[0].removed.lastReady);
    expect(selection[0].chosen + selection[0].removed.lastReady).toBe(4);
    expect(node('n5').spec).toEqual({ taints });
    await patchNode('n5', { metadata: { labels: { [label]: null } }, spec: { taints: null } });
  });

  test('of a zone that does not exist says so', async () => {
    const status = await outcome('nowhere', { method: [outage({ names: ['z9'] })] });
    expect(status.message).toMatch(/in the cluster no node is in zone 'z9'/);
  });
});
