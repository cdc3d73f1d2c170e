import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Targets } from '../../api/targets.js';
import { Client } from '../../kubernetes/client.js';
import { clusterAt } from '../../kubernetes/kubeconfig.js';
import { type Json, nodes, pods } from '../../kubernetes/resource.js';
import { createTransport, type Transport } from '../../kubernetes/transport.js';
import { type Cluster, startCluster } from '../../sandbox/cluster.js';
import { until } from '../../testing/scripted-server.js';
import { watchOf } from './candidate-watch.js';
import { projectNode } from './node-targets.js';
import type { CandidateWatch } from './watched-candidates.js';

let cluster: Cluster;
let transport: Transport;
let asked: string[] = [];
let watches: CandidateWatch[] = [];

beforeAll(async () => {
  // Zones are z1: n1, n4; z2: n2; z3: n3.
  cluster = await startCluster({ nodes: 4, simulated: true });
  transport = createTransport(clusterAt(cluster.url), { userAgent: 'test' });
}, 30_000);

afterEach(async () => {
  await Promise.all(watches.map((watch) => watch.stop()));
  watches = [];
  asked = [];
});

afterAll(async () => {
  transport?.close();
  await cluster?.stop();
});

function client(): Client {
  const { clock, server, namespace } = transport;
  return new Client({
    clock,
    server,
    namespace,
    request: (options) => {
      asked.push(`${options.method} ${options.path}`);
      return transport.request(options);
    },
    watch: (options) => transport.watch(options),
    close: () => {},
  });
}

async function watching(targets: Targets, ownNode?: string, namespace = 'shop'): Promise<CandidateWatch> {
  const onError = (error: unknown) => {
    throw error;
  };
  const watch = watchOf(targets, { client: client(), namespace, ownNode, onChange: () => {}, onError });
  watches.push(watch);
  await watch.start();
  return watch;
}

const names = (watch: CandidateWatch) =>
  watch
    .list()
    ?.map(({ name }) => name)
    .sort();
const patch = (name: string, body: Json) => client().patch(nodes, undefined, name, body);

describe('the nodes that targets name', () => {
  test('are found by label, and the others that could take their pods by name', async () => {
    const watch = await watching({ nodes: { selector: { matchLabels: { 'topology.kubernetes.io/zone': 'z1' } } } });
    expect(names(watch)).toEqual(['n1', 'n4']);
    expect(watch.spares?.()).toEqual(['n2', 'n3']);
    expect(asked).toEqual(['GET /api/v1/nodes', 'GET /api/v1/nodes']);
  });

  test('are found by name, and nobody asks for others', async () => {
    const watch = await watching({ nodes: { names: ['n2', 'n9'] } });
    expect(names(watch)).toEqual(['n2']);
    expect(watch.spares?.()).toEqual([]);
  });

  test('are those of the zones that are named, or of all zones', async () => {
    expect(names(await watching({ zones: { names: ['z1', 'z3'] } }))).toEqual(['n1', 'n3', 'n4']);
    const all = await watching({ zones: {} });
    expect(names(all)).toEqual(['n1', 'n2', 'n3', 'n4']);
    expect(all.list()?.map(({ zone }) => zone)).toEqual(expect.arrayContaining(['z1', 'z2', 'z3']));
  });

  test('are followed, and the one that the controller runs on is known', async () => {
    const watch = await watching({ nodes: { names: ['n3'] } }, 'n3');
    expect(watch.list()).toMatchObject([{ kind: 'Node', namespace: '', node: 'n3', reserved: 'controllerNode' }]);
    await patch('n3', { spec: { unschedulable: true } });
    await until(() => watch.list()?.[0]?.unschedulable === true, 'the cordon to be seen');
    await patch('n3', { spec: { unschedulable: null } });
  });

  test('leave nodes that take no pods out of the others', async () => {
    await patch('n2', { spec: { unschedulable: true } });
    await patch('n3', { spec: { taints: [{ key: 'dedicated', effect: 'NoExecute' }] } });
    const watch = await watching({ nodes: { selector: { matchLabels: { 'kubernetes.io/hostname': 'n1' } } } });
    expect(watch.spares?.()).toEqual(['n4']);
    await patch('n2', { spec: { unschedulable: null } });
    await patch('n3', { spec: { taints: null } });
  });
});

test('pods can be narrowed down to the zones of their nodes', async () => {
  for (const node of ['n1', 'n2', 'n4']) {
    await client().create(pods, {
      metadata: { name: `on-${node}`, namespace: 'default', labels: { app: 'web' } },
      spec: { nodeName: node, containers: [{ name: 'main', image: 'busybox:1' }] },
    });
  }
  const selector = { matchLabels: { app: 'web' } };
  const podsIn = (zones?: string[]): Targets => ({
    pods: { selector, minAge: '0s', unmanaged: true, ...(zones && { zones }) },
  });
  expect(names(await watching(podsIn(['z1', 'z3']), undefined, 'default'))).toEqual(['on-n1', 'on-n4']);
  expect(names(await watching(podsIn(['z9']), undefined, 'default'))).toEqual([]);
  expect(names(await watching(podsIn(), undefined, 'default'))).toEqual(['on-n1', 'on-n2', 'on-n4']);
});

describe('a node', () => {
  const aNode = (metadata: Json = {}, spec: Json = {}) => ({ metadata: { name: 'a', uid: 'u', ...metadata }, spec });
  const label = (name: string, value = '') => ({ labels: { [name]: value } });
  const cases: [string, Json, object][] = [
    ['of the control plane', aNode(label('node-role.kubernetes.io/control-plane')), { reserved: 'controlPlane' }],
    ['of an old control plane', aNode(label('node-role.kubernetes.io/master')), { reserved: 'controlPlane' }],
    ['that is protected', aNode(label('squall.dev/protected', 'true')), { protected: true }],
    [
      'that another run has changed',
      aNode({ annotations: { 'undo.squall.dev/0a1b2c3d': '{}' } }),
      { obstacle: 'inUse' },
    ],
    ['that is on its way out', aNode({ deletionTimestamp: '2026-01-01T00:00:00Z' }), { terminating: true }],
    ['that was never Ready', aNode(), { ready: false }],
    ['with a taint that only advises', aNode({}, { taints: [{ key: 'x', effect: 'PreferNoSchedule' }] }), {}],
  ];
  test.each(cases)('%s is known as such', (_, object, expected) => {
    const { unschedulable, ...known } = projectNode(object, 'own');
    expect(known).toMatchObject(expected);
    expect(unschedulable).toBeUndefined();
  });
});
