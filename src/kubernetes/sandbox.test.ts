import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { type Cluster, startCluster } from '../sandbox/cluster.js';
import { until } from '../testing/scripted-server.js';
import { ensure } from './apply.js';
import { Client } from './client.js';
import { EventRecorder } from './events.js';
import { clusterAt } from './kubeconfig.js';
import { LeaderElector } from './lease.js';
import { Reflector } from './reflector.js';
import { customResource, events, type KubeObject, leases, pods, type Resource } from './resource.js';
import { createTransport, type Transport } from './transport.js';

const configMaps: Resource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true };
const runs = customResource('experimentruns', 'ExperimentRun', true);

let cluster: Cluster;
let transport: Transport;
let client: Client;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1, simulated: true });
  transport = createTransport(clusterAt(cluster.url), { userAgent: 'squall/test', qps: 10_000, burst: 10_000 });
  client = new Client(transport);
});

afterAll(async () => {
  transport?.close();
  await cluster?.stop();
});

beforeEach(() => cluster.knobs.set({ faults: [], latencyMilliseconds: 0 }));

const configMap = (name: string, labels: Record<string, string> = {}): KubeObject => ({
  metadata: { name, namespace: 'default', labels },
  data: { round: '0' },
});

describe('against the embedded cluster', () => {
  test('our kinds are installed, twice, and their status is written by version', async () => {
    for (let round = 0; round < 2; round += 1) {
      for (const plural of ['experimentruns', 'injections']) {
        await ensure(client, parse(await readFile(`crds/squall.dev_${plural}.yaml`, 'utf8')));
      }
    }
    await until(
      async () => (await client.discover('squall.dev/v1alpha1', 'ExperimentRun').catch(() => undefined)) !== undefined,
    );
    const template = {
      method: [{ name: 'kill', podKill: {}, targets: { pods: { selector: { matchLabels: { app: 'a' } } } } }],
    };
    const run = { metadata: { name: 'a', namespace: 'default' }, spec: { template } };
    const created = await client.create<KubeObject>(runs, run);
    const first = await client.replaceStatus(
      runs,
      'default',
      'a',
      { stage: 'Admitted', message: 'm' },
      created.metadata.resourceVersion,
    );
    expect(first.status).toMatchObject({ stage: 'Admitted', message: 'm' });
    const stale = client.replaceStatus(runs, 'default', 'a', { stage: 'Baseline' }, created.metadata.resourceVersion);
    await expect(stale).rejects.toMatchObject({ isConflict: true });
    const staleMerge = client.patchStatus(
      runs,
      'default',
      'a',
      { stage: 'Baseline' },
      created.metadata.resourceVersion,
    );
    await expect(staleMerge).rejects.toMatchObject({ isConflict: true });
    const second = await client.patchStatus(
      runs,
      'default',
      'a',
      { stage: 'Baseline', message: null },
      first.metadata.resourceVersion,
    );
    expect(second.status.stage).toBe('Baseline');
    expect(second.status.message).toBeUndefined();
    expect((await client.replaceStatus(runs, 'default', 'a', { stage: 'Injecting' })).status).toEqual({
      stage: 'Injecting',
    });
    await expect(client.create<KubeObject>(runs, run)).rejects.toMatchObject({ isAlreadyExists: true });
    const bad = client.create<KubeObject>(runs, {
      metadata: { name: 'b', namespace: 'default' },
      spec: { template: 5 },
    });
    await expect(bad).rejects.toMatchObject({ isInvalid: true });
    await expect(client.delete(runs, 'default', 'a', { uid: 'another' })).rejects.toMatchObject({ isConflict: true });
    await client.delete(runs, 'default', 'a', { uid: created.metadata.uid ?? '' });
    await expect(client.get(runs, 'default', 'a')).rejects.toMatchObject({ isNotFound: true });
  });

  test('a list of many pages starts again when history is forgotten half-way', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `page-${index}`);
    await Promise.all(names.map((name) => client.create(configMaps, configMap(name, { set: 'pages' }))));
    let seen: (string | undefined)[] = [];
    let restarts = 0;
    let compacted = false;
    for await (const { items, restarted } of client.listAll(configMaps, {
      namespace: 'default',
      labelSelector: 'set=pages',
      limit: 10,
    })) {
      if (restarted) {
        restarts += 1;
        seen = [];
      }
      seen.push(...items.map(({ metadata }) => metadata.name));
      if (!compacted) {
        compacted = true;
        await client.patch(configMaps, 'default', 'page-0', { data: { round: '1' } });
        cluster.knobs.compact();
      }
    }
    expect(restarts).toBe(1);
    expect(new Set(seen)).toEqual(new Set(names));
    expect(seen).toHaveLength(names.length);
  });

  test('a reflector has the same objects as the server, whatever happens to its watches', async () => {
    const reflector = new Reflector<string>({
      client,
      resource: configMaps,
      namespace: 'default',
      labelSelector: 'set=churn',
      pageSize: 5,
      watchdogMs: 200,
      backoff: { baseMs: 20, maxMs: 200 },
      project: ({ metadata, data }) => `${metadata.name} ${data?.round}`,
    });
    reflector.start();
    const mirror = new Map<string, string>();
    reflector.onChange((key, next) => (next === undefined ? mirror.delete(key) : mirror.set(key, next)));
    await reflector.synced;
    const disturbances = [
      () => cluster.knobs.dropWatches('configmaps'),
      () => cluster.knobs.hangWatches('configmaps'),
      () => cluster.knobs.expireWatches('configmaps'),
      () => cluster.knobs.compact(),
      () => cluster.knobs.set({ faults: [{ path: 'watch=true', code: 500, count: 2 }] }),
      () => cluster.knobs.outage(150),
    ];
    for (let round = 0; round < 24; round += 1) {
      const name = `churn-${round % 7}`;
      const exists = await client.get(configMaps, 'default', name).catch(() => undefined);
      if (!exists) await client.create(configMaps, configMap(name, { set: 'churn' }));
      else if (round % 3 === 0) await client.delete(configMaps, 'default', name);
      // An object that leaves the selector is gone for the watch.
      else if (round % 5 === 0)
        await client.patch(configMaps, 'default', name, { metadata: { labels: { set: 'other' } } });
      else
        await client.patch(configMaps, 'default', name, {
          metadata: { labels: { set: 'churn' } },
          data: { round: String(round) },
        });
      await disturbances[round % disturbances.length]?.();
    }
    const truth = async (): Promise<string[]> => {
      const { items } = await client.list(configMaps, { namespace: 'default', labelSelector: 'set=churn' });
      return items.map(({ metadata, data }) => `${metadata.name} ${data?.round}`).sort();
    };
    const expected = await truth();
    expect(expected.length).toBeGreaterThan(0);
    await until(
      () => JSON.stringify(reflector.list().sort()) === JSON.stringify(expected),
      'the cache equals the server',
    );
    expect([...mirror.values()].sort()).toEqual(expected);
    await reflector.stop();
  });

  test('a request comes through an outage of the server', async () => {
    const outage = cluster.knobs.outage(500);
    expect((await client.create(configMaps, configMap('after-outage'))).metadata.uid).toBeDefined();
    await outage;
  });

  test('errors and Retry-After of an overloaded server are waited out', async () => {
    cluster.knobs.set({ faults: [{ method: 'POST', path: '/configmaps', code: 429, retryAfterSeconds: 1, count: 1 }] });
    expect((await client.create(configMaps, configMap('after-429'))).metadata.uid).toBeDefined();
  });

  test('a disruption budget refuses an eviction, and the pod stays', async () => {
    const metadata = { name: 'guarded', namespace: 'default', labels: { app: 'guarded' } };
    await client.create<KubeObject>(pods, { metadata, spec: { containers: [{ name: 'c', image: 'none' }] } });
    await ensure(client, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'guarded', namespace: 'default' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'guarded' } } },
    });
    const budgets = await client.discover('policy/v1', 'PodDisruptionBudget');
    await until(
      async () => (await client.get(budgets, 'default', 'guarded')).status?.currentHealthy === 1,
      'the budget counts',
    );
    await expect(client.evict('default', 'guarded')).rejects.toMatchObject({ isDisruptionBudget: true });
    await client.delete(budgets, 'default', 'guarded');
    await client.evict('default', 'guarded', { gracePeriodSeconds: 0 });
    await until(
      async () => (await client.get(pods, 'default', 'guarded').catch(() => undefined)) === undefined,
      'the pod is gone',
    );
  });

  test('of two electors one leads; it keeps the lead through a short outage, and hands over when it stops', async () => {
    const log: string[] = [];
    const electors = ['a', 'b'].map(
      (identity) =>
        new LeaderElector({
          client,
          namespace: 'default',
          name: 'squall-controller',
          identity,
          leaseDurationMs: 3_000,
          renewEveryMs: 200,
          renewDeadlineMs: 2_000,
          canRenew: () => true,
          onAcquired: () => log.push(`${identity} acquired`),
          onLost: () => log.push(`${identity} lost`),
        }),
    );
    for (const elector of electors) elector.start();
    await until(() => log.length === 1);
    await cluster.knobs.outage(300);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(log).toHaveLength(1);
    const first = electors.findIndex((elector) => elector.isLeader());
    await electors[first]?.stop();
    await until(() => electors[1 - first]?.isLeader() === true);
    expect((await client.get(leases, 'default', 'squall-controller')).spec.leaseTransitions).toBeGreaterThanOrEqual(1);
    await electors[1 - first]?.stop();
    expect(log).toHaveLength(4);
  });

  test('an event lies where kubectl describe looks for it', async () => {
    const recorder = new EventRecorder({ client, component: 'squall-controller', instance: 'test' });
    const object = { apiVersion: 'v1', kind: 'ConfigMap', name: 'described', namespace: 'default', uid: 'u' };
    recorder.record({ object, type: 'Normal', reason: 'TargetsSelected', message: 'Two pods were drawn.' });
    recorder.record({ object, type: 'Normal', reason: 'TargetsSelected', message: 'Two pods were drawn.' });
    await recorder.flush();
    const fieldSelector = 'involvedObject.name=described,involvedObject.namespace=default';
    const { items } = await client.list(events, { namespace: 'default', fieldSelector });
    expect(items.map(({ reason, count, message }) => [reason, count, message])).toEqual([
      ['TargetsSelected', 2, 'Two pods were drawn.'],
    ]);
  });
});
