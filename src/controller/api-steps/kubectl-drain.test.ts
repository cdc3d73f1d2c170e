import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from '../../kubernetes/client.js';
import { clusterAt } from '../../kubernetes/kubeconfig.js';
import { daemonSets, type Json, pods } from '../../kubernetes/resource.js';
import { createTransport, type Transport } from '../../kubernetes/transport.js';
import { type Cluster, startCluster } from '../../sandbox/cluster.js';
import { until } from '../../testing/scripted-server.js';
import { readDrainPlan } from './node-pods.js';

const present = spawnSync('kubectl', ['version', '--client']).status === 0;
const describeWithKubectl = present ? describe : describe.skip;

let cluster: Cluster;
let transport: Transport;
let client: Client;
let folder: string;

/** Which pods kubectl would evict from n1, as `namespace/name`; undefined: it refuses to. */
async function byKubectl(flags: string[]): Promise<string[] | undefined> {
  const env = { ...process.env, KUBECONFIG: join(folder, 'config'), HOME: folder };
  const args = ['drain', 'n1', '--ignore-daemonsets', '--dry-run=server', ...flags];
  const { failed, stdout } = await new Promise<{ failed: boolean; stdout: string }>((resolve) => {
    execFile('kubectl', args, { env, timeout: 20_000 }, (error, text) =>
      resolve({ failed: error !== null, stdout: text }),
    );
  });
  if (failed) return undefined;
  return [...new Set([...stdout.matchAll(/^evicting pod (\S+)/gm)].map(([, name = '']) => name))].sort();
}

async function bySquall(unmanaged: boolean, emptyDirData: boolean): Promise<string[] | undefined> {
  const step = {
    do: 'emptyNode',
    node: 'n1',
    uid: '',
    by: 'Evict',
    budget: 'Respect',
    unmanaged,
    emptyDirData,
  } as const;
  const known = { daemonSets: new Map(), namespaces: new Map() };
  const where = { client, protectionIn: () => ({ against: () => undefined }) };
  const { going, refusal } = await readDrainPlan(step, where, known);
  return refusal === undefined ? going.map(({ namespace, name }) => `${namespace}/${name}`).sort() : undefined;
}

const owner = (kind: string, name: string, controller = true) => ({
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: `uid-${name}`, controller }],
});

/** A finalizer keeps what the garbage collector would take away, as its owner is not there. */
async function createPod(name: string, metadata: Json = {}, spec: Json = {}, phase?: string): Promise<void> {
  const containers = [{ name: 'main', image: 'busybox:1' }];
  await client.create(pods, {
    metadata: { name, namespace: 'default', finalizers: ['example.com/hold'], ...metadata },
    spec: { nodeName: 'n1', containers, ...spec },
  });
  if (phase) await client.patchStatus(pods, 'default', name, { phase });
}

describeWithKubectl('a drain takes the pods that kubectl drain takes', () => {
  const scratch = { volumes: [{ name: 'scratch', emptyDir: {} }] };
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'x' } };

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, simulated: true });
    transport = createTransport(clusterAt(cluster.url), { userAgent: 'test', qps: 500, burst: 1_000 });
    client = new Client(transport);
    folder = mkdtempSync(join(tmpdir(), 'squall-drain-'));
    writeFileSync(join(folder, 'config'), cluster.kubeconfig);
    const labels = { app: 'agent' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'busybox:1' }] } };
    await client.create(daemonSets, {
      metadata: { name: 'agent', namespace: 'default' },
      spec: { selector: { matchLabels: labels }, template },
    });
    await until(() => cluster.store.list('pods').length === 1, 'the pod of the DaemonSet');
  }, 30_000);

  afterAll(async () => {
    transport?.close();
    await cluster?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const steps: [string, () => Promise<void>][] = [
    ['where nothing but a DaemonSet and a static pod is', () => createPod('static', mirror)],
    ['where a pod has a controller', () => createPod('owned', owner('ReplicaSet', 'web'))],
    [
      'where bare pods have ended',
      async () => {
        await createPod('succeeded', {}, {}, 'Succeeded');
        await createPod('failed', {}, scratch, 'Failed');
      },
    ],
    [
      'where a pod is ending',
      async () => {
        await createPod('ending', owner('ReplicaSet', 'web'));
        await client.delete(pods, 'default', 'ending', { gracePeriodSeconds: 60 });
      },
    ],
    ['where a pod has an emptyDir', () => createPod('cache', owner('ReplicaSet', 'cache'), scratch)],
    ['where a pod has no controller', () => createPod('bare')],
    ['where a pod has an owner that is no controller', () => createPod('half', owner('ReplicaSet', 'web', false))],
    ['where the DaemonSet of a pod is gone', () => createPod('orphan', owner('DaemonSet', 'gone'), scratch)],
  ];
  // One after the other, for kubectl takes its time to start.
  test.each(steps)('%s', async (_, prepare) => {
    await prepare();
    const choices = [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const;
    const both = choices.map(async ([unmanaged, emptyDirData]) => {
      const flags = [...(unmanaged ? ['--force'] : []), ...(emptyDirData ? ['--delete-emptydir-data'] : [])];
      return [flags, await bySquall(unmanaged, emptyDirData), await byKubectl(flags)] as const;
    });
    for (const [flags, ours, theirs] of await Promise.all(both)) expect([flags, ours]).toEqual([flags, theirs]);
  });
});
