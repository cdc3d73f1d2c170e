import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isAlive, isPodReady, pidOf, read, until, webContainer } from '../testing/workloads.js';
import { type Cluster, startCluster } from './cluster.js';
import type { Json, KubeObject } from './store/types.js';

const hasKubectl = (process.env.PATH ?? '')
  .split(delimiter)
  .some((directory) => existsSync(join(directory, 'kubectl')));
const withKubectl = hasKubectl ? describe : describe.skip;

const shop = (replicas: number): Json[] => [
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [webContainer], terminationGracePeriodSeconds: 2 },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
  },
];

function pods(cluster: Cluster): KubeObject[] {
  return cluster.store.list('pods', 'default');
}

async function deployShop(cluster: Cluster, replicas: number): Promise<void> {
  const paths = ['apis/apps/v1/namespaces/default/deployments', 'api/v1/namespaces/default/services'];
  for (const [index, object] of shop(replicas).entries()) {
    const response = await fetch(`${cluster.url}/${paths[index]}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(object),
    });
    expect(response.status).toBe(201);
  }
  await until(() => pods(cluster).filter(isPodReady).length === replicas);
}

describe('a cluster', () => {
  test('that stops leaves no process and no port', async () => {
    const cluster = await startCluster({ nodes: 2, isolation: 'loopback' });
    await deployShop(cluster, 2);
    const { clusterIP } = cluster.store.get('services', 'default', 'web')!.spec;
    await until(() => cluster.store.get('endpoints', 'default', 'web') !== undefined);
    // The proxy listens a moment after the endpoints are there.
    await until(async () => (await read(clusterIP).catch(() => '')).startsWith('web-'));
    const open = connect(80, clusterIP).on('error', () => undefined);
    const pids = pods(cluster).map(pidOf);
    expect(pids.every(isAlive)).toBe(true);
    await Promise.all([cluster.stop(), cluster.stop()]);
    expect(pids.filter(isAlive)).toEqual([]);
    open.destroy();
    await expect(read(clusterIP)).rejects.toThrow('ECONNREFUSED');
    await expect(fetch(cluster.url)).rejects.toThrow();
  });

  test('that cannot have its port says so and leaves nothing behind', async () => {
    const taken: Server = createServer().listen(0, '127.0.0.1');
    await until(() => taken.listening);
    const { port } = taken.address() as { port: number };
    await expect(startCluster({ nodes: 1, isolation: 'loopback', port })).rejects.toThrow('EADDRINUSE');
    taken.close();
  });

  test('that is given up during its start stops what it has started', async () => {
    const giveUp = new AbortController();
    const starting = startCluster({ nodes: 1, isolation: 'loopback', signal: giveUp.signal });
    giveUp.abort(new Error('changed my mind'));
    await expect(starting).rejects.toThrow('changed my mind');
  });

  test('shares the machine with another one', async () => {
    const clusters = await Promise.all([0, 1].map(() => startCluster({ nodes: 1, isolation: 'loopback' })));
    try {
      await Promise.all(clusters.map((cluster) => deployShop(cluster, 1)));
      const addresses = clusters.map((cluster) => pods(cluster)[0]!.status.podIP);
      expect(new Set(addresses).size).toBe(2);
    } finally {
      await Promise.all(clusters.map((cluster) => cluster.stop()));
    }
  });

  test('has the namespaces, accounts and node labels of any cluster', async () => {
    const cluster = await startCluster({ nodes: 4, simulated: true });
    const { store } = cluster;
    await until(() => store.list('serviceaccounts').length === 4);
    await cluster.stop();
    const namespaces = store.list('namespaces').map(({ metadata }) => metadata.name);
    expect(namespaces.sort()).toEqual(['default', 'kube-node-lease', 'kube-public', 'kube-system']);
    const zones = store.list('nodes').map(({ metadata }) => metadata.labels!['topology.kubernetes.io/zone']);
    expect(zones).toEqual(['z1', 'z2', 'z3', 'z1']);
    const { spec } = store.get('leases.coordination.k8s.io', 'kube-node-lease', 'n1')!;
    expect(spec.renewTime).toMatch(/\.\d{6}Z$/);
  });
});

test('a control-plane node takes only pods that tolerate it', async () => {
  const cluster = await startCluster({ nodes: 1, controlPlane: true, simulated: true });
  const { store } = cluster;
  const create = (name: string, tolerations: Json[]) =>
    store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: {
        tolerations,
        nodeSelector: { 'node-role.kubernetes.io/control-plane': '' },
        containers: [{ name: 'main', image: 'a:1' }],
      },
    });
  create('guest', []);
  create('system', [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' }]);
  await until(() => isPodReady(store.get('pods', 'default', 'system')));
  await cluster.stop();
  expect(store.get('pods', 'default', 'guest')!.spec.nodeName).toBeUndefined();
  expect(store.get('pods', 'default', 'system')!.spec.nodeName).toBe('control-plane');
});

withKubectl('kubectl', () => {
  let cluster: Cluster;
  let directory: string;

  beforeEach(async () => {
    cluster = await startCluster({ nodes: 2, isolation: 'loopback' });
    directory = mkdtempSync(join(tmpdir(), 'squall-test-'));
    writeFileSync(join(directory, 'kubeconfig'), cluster.kubeconfig);
  });

  afterEach(async () => {
    await cluster.stop();
    rmSync(directory, { recursive: true });
  });

  async function kubectl(...args: string[]): Promise<string> {
    const env = { PATH: process.env.PATH, HOME: directory, KUBECONFIG: join(directory, 'kubeconfig') };
    const { stdout } = await promisify(execFile)('kubectl', args, { env, timeout: 25_000 });
    return stdout;
  }

  async function apply(...objects: Json[]): Promise<void> {
    const file = join(directory, 'manifest.json');
    writeFileSync(file, objects.map((object) => JSON.stringify(object)).join('\n'));
    await kubectl('apply', '-f', file);
  }

  test('rolls out, waits, scales and reads logs', async () => {
    await apply(...shop(2));
    expect(await kubectl('rollout', 'status', 'deployment/web')).toContain('successfully rolled out');
    await kubectl('wait', '--for=condition=Available', 'deployment/web', '--timeout=10s');
    await kubectl('scale', 'deployment/web', '--replicas=3');
    await kubectl('rollout', 'status', 'deployment/web');
    expect(pods(cluster).filter(isPodReady)).toHaveLength(3);
    await kubectl('run', 'talk', '--image=busybox', '--restart=Never', '--command', '--', 'sh', '-c', 'echo hello');
    await kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/talk', '--timeout=10s');
    expect(await kubectl('logs', 'talk')).toBe('hello\n');
    await kubectl('rollout', 'restart', 'deployment/web');
    expect(await kubectl('rollout', 'status', 'deployment/web')).toContain('successfully rolled out');
  });

  test('cordons and drains a node without breaking a disruption budget', async () => {
    await deployShop(cluster, 3);
    await apply({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'web', namespace: 'default' },
      spec: { minAvailable: 2, selector: { matchLabels: { app: 'web' } } },
    });
    let fewest = 3;
    const watch = cluster.store.subscribe('pods', () => {
      fewest = Math.min(
        fewest,
        pods(cluster).filter((pod) => isPodReady(pod) && !pod.metadata.deletionTimestamp).length,
      );
    });
    await kubectl('cordon', 'n1');
    await kubectl('drain', 'n1', '--ignore-daemonsets', '--timeout=20s');
    watch();
    expect(pods(cluster).every((pod) => pod.spec.nodeName === 'n2')).toBe(true);
    expect(fewest).toBeGreaterThanOrEqual(2);
    await kubectl('uncordon', 'n1');
    expect(cluster.store.get('nodes', undefined, 'n1')!.spec.unschedulable).toBeFalsy();
  });

  test('deletes a namespace with all that runs in it', async () => {
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    await kubectl(
      'run',
      'sleeper',
      '--namespace=shop',
      '--image=busybox',
      '--grace-period=1',
      '--command',
      '--',
      'sleep',
      '1000',
    );
    await kubectl('wait', '--namespace=shop', '--for=condition=Ready', 'pod/sleeper', '--timeout=10s');
    const pid = pidOf(cluster.store.get('pods', 'shop', 'sleeper')!);
    cluster.store.delete('pods', 'shop', 'sleeper', { gracePeriodSeconds: 1 });
    await kubectl('delete', 'namespace', 'shop');
    expect(isAlive(pid)).toBe(false);
    expect(cluster.store.get('namespaces', undefined, 'shop')).toBeUndefined();
  });
});
