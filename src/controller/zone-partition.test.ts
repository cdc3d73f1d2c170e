import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { daemonSets, type Json } from '../kubernetes/resource.js';
import { AgentNode } from '../testing/agent-nodes.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';

jest.setTimeout(30_000);

let bundle: ControllerBundle;
let cluster: TestCluster;
let one: AgentNode;
let four: AgentNode;

beforeAll(async () => {
  bundle = await bundleController();
  // Zones are z1: n1, n4; z2: n2, n5; z3: n3.
  cluster = await startTestCluster(bundle.workerUrl, { nodes: 5 });
  one = new AgentNode(cluster, 'n1');
  four = new AgentNode(cluster, 'n4');
  const controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
  await cluster.client.create(daemonSets, {
    metadata: { name: 'logs', namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: 'logs' } },
      template: { metadata: { labels: { app: 'logs' } }, spec: { containers: [{ name: 'main', image: 'logs:1' }] } },
    },
  });
  await until(() => logs().length === 5, 'the DaemonSet to be everywhere');
}, 60_000);

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

const logs = () => cluster.pods('logs').filter(({ status }) => status?.phase === 'Running');
const logOn = (node: string) => logs().find(({ spec }) => spec.nodeName === node)?.metadata.uid ?? '';

/** Loses zone z1, in which a pod of the app runs, and returns what is said of that at the end. */
async function lose(app: string, more: Json, whileOn: () => Promise<void> = async () => {}): Promise<Json> {
  await cluster.deploy(app, 5);
  await cluster.createRun(app, {
    method: [{ name: 'lose', zoneOutage: more, targets: { zones: { names: ['z1'] } }, duration: '2s' }],
    hypothesis: [availableProbe(app, 0)],
  });
  await whileOn();
  const { status } = await cluster.finished(app, { within: 60_000 });
  return status as Json;
}

describe('what the outage of a zone leaves on its nodes', () => {
  test('stays reachable where there is no agent', async () => {
    const status = await lose('shop', {});
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ hit: 2 }, { name: 'lose.partition', hit: 0 }] });
  });

  test('is cut off where there is an agent, and let back at the end', async () => {
    await one.startAgent();
    const staying = logOn('n1');
    const status = await lose('web', {}, () =>
      until(() => one.node.hit.includes(staying), 'the pod of the DaemonSet to be cut off'),
    );
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ name: 'lose', hit: 2 }, { name: 'lose.partition' }] });
    expect(logOn('n1')).toBe(staying);
    expect(one.node.hit.includes(staying) || four.node.hit.length > 0).toBe(false);
    expect(cluster.injections()).toEqual([]);
  });

  test('is left alone when that is wanted', async () => {
    const status = await lose('bank', { partition: false });
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ name: 'lose' }] });
    expect(status.steps).toHaveLength(1);
  });
});
