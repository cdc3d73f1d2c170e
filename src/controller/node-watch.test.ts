import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Client } from '../kubernetes/client.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';
import { type Json, leases, namespaces, nodes } from '../kubernetes/resource.js';
import { createTransport, type Transport } from '../kubernetes/transport.js';
import { startTestCluster, type TestCluster } from '../testing/controllers.js';
import { type CrashProxy, startCrashProxy } from '../testing/crash-proxy.js';
import { until } from '../testing/scripted-server.js';
import { NodeWatch } from './node-watch.js';

const SYSTEM = 'squall-system';

let cluster: TestCluster;
let proxy: CrashProxy;
let transport: Transport;
let changes: string[];
let watch: NodeWatch;

beforeAll(async () => {
  cluster = await startTestCluster(new URL('file:///no-probes'));
  proxy = await startCrashProxy(cluster.cluster.url);
  transport = createTransport(clusterAt(proxy.url), { userAgent: 'test', qps: 5_000, burst: 5_000 });
  for (const name of ['n1', 'n2']) await boot(name, `${name}-boot`);
}, 30_000);

afterAll(async () => {
  transport?.close();
  await proxy?.close();
  await cluster?.stop();
});

beforeEach(() => {
  changes = [];
  watch = new NodeWatch(
    new Client(transport),
    SYSTEM,
    (uid) => changes.push(uid),
    () => {},
  );
  cluster.onStop(async () => watch.stopAll());
});

async function boot(name: string, bootID: string): Promise<void> {
  await cluster.client.patchStatus(nodes, undefined, name, { nodeInfo: { bootID } });
}

async function lease(name: string, annotations: Json = {}, node = name): Promise<void> {
  await cluster.client.delete(leases, SYSTEM, `squall-agent-${name}`).catch(() => {});
  await cluster.client.create(leases, {
    metadata: {
      name: `squall-agent-${name}`,
      namespace: SYSTEM,
      annotations: { 'squall.dev/node-name': node, ...annotations },
    },
    spec: { renewTime: new Date(cluster.client.clock.now()).toISOString().replace('Z', '000Z') },
  });
}

/** Waits until these nodes are known for a run. */
async function known(...names: string[]) {
  watch.ensure('run', 'default', names);
  await until(() => changes.length > 0 && names.every((name) => watch.node(name)), 'the nodes to be known');
  return names.map((name) => watch.node(name));
}

const reads = (part: string) => proxy.requests.filter(({ path }) => path.includes(part)).length;

describe('what is known of nodes', () => {
  test('is whether they have an agent, what that says of itself, and on which boot', async () => {
    await lease('n1', { 'squall.dev/abilities': '{"nft":""}', 'squall.dev/boot-id': 'n1-boot' });
    const [one, two] = await known('n1', 'n2');
    expect(one).toMatchObject({ abilities: '{"nft":""}', bootId: 'n1-boot', renewedAt: expect.any(Number) });
    expect(two?.renewedAt).toBeUndefined();
    expect(watch.namespace('default')).toMatchObject({ refusal: undefined });
  });

  test('holds no boot that agent and kubelet do not agree on', async () => {
    await lease('n1', { 'squall.dev/boot-id': 'another-boot' });
    const [one] = await known('n1');
    expect(one?.renewedAt).toEqual(expect.any(Number));
    expect(one).not.toHaveProperty('bootId');
  });

  test('is not what the agent of another node says whose name is shortened to the same', async () => {
    await lease('n1', {}, 'n1-of-another-cloud');
    const [one] = await known('n1');
    expect(one?.renewedAt).toBeUndefined();
  });

  test('is what a node says of why it has no agent', async () => {
    await cluster.client.delete(leases, SYSTEM, 'squall-agent-n1').catch(() => {});
    await cluster.client.patch(nodes, undefined, 'n1', {
      metadata: { annotations: { 'squall.dev/agent-hint': 'run the sandbox as root' } },
    });
    const [one, gone] = await known('n1', 'n99');
    expect(one?.hint).toBe('run the sandbox as root');
    expect(gone?.hint).toContain('the node is gone');
  });

  test('is read one by one for a few, and listed for many', async () => {
    const from = reads('/leases');
    await known('n1', 'n2');
    expect(reads('/leases/squall-agent-') - reads('/leases/squall-agent-zzz')).toBeGreaterThanOrEqual(2);
    expect(reads('/leases') - from).toBe(2);
    watch.stopAll();
    changes = [];
    const before = reads('/leases');
    await known(...Array.from({ length: 60 }, (_, index) => `n${index}`));
    expect(reads('/leases') - before).toBe(1);
  });

  test('is not read any more, and forgotten, when no run asks for it', async () => {
    await known('n1');
    expect(watch.size).toBe(1);
    watch.ensure('run', 'default', []);
    expect(watch.size).toBe(0);
    expect(watch.node('n1')).toBeUndefined();
    expect(watch.namespace('default')).toBeUndefined();
  });

  test('includes why a namespace admits no sidecars', async () => {
    await cluster.createNamespace('strict');
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await cluster.client.patch(namespaces, undefined, 'strict', { metadata: { labels } });
    watch.ensure('run', 'strict', ['n1']);
    await until(() => watch.namespace('strict') !== undefined, 'the namespace to be known');
    expect(watch.namespace('strict')?.refusal).toContain("enforces the Pod Security level 'restricted'");
  });
});
