import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { hasKubectl, type Kubectl, kubectlFor } from '../testing/kubectl.js';
import { isPodReady, until } from '../testing/workloads.js';
import { type Cluster, startCluster } from './cluster.js';
import type { Json } from './store/types.js';

jest.setTimeout(60_000);

const describeWithKubectl = hasKubectl() ? describe : describe.skip;

let cluster: Cluster;
let kubectl: Kubectl;

async function deploy(name: string, replicas: number): Promise<void> {
  const labels = { app: name };
  cluster.store.create('deployments.apps', {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'app:1' }] } },
    },
  });
  await until(() => podsOf(name).filter(isPodReady).length === replicas);
}

const podsOf = (app: string) =>
  cluster.store.list('pods', 'default').filter(({ metadata }) => metadata.labels?.app === app);
const node = (name: string) => cluster.store.get('nodes', undefined, name)!;
const nodesOf = (app: string) => podsOf(app).map((pod) => pod.spec.nodeName);

describeWithKubectl('kubectl', () => {
  beforeAll(async () => {
    cluster = await startCluster({ nodes: 3, simulated: true });
    kubectl = kubectlFor(cluster.url);
  });

  afterAll(async () => {
    kubectl?.remove();
    await cluster?.stop();
  });

  test('taints and untaints a node', async () => {
    expect((await kubectl('taint nodes n1 gpu=yes:NoSchedule maintenance:NoExecute')).stdout).toBe('node/n1 tainted\n');
    expect(node('n1').spec.taints).toEqual([
      { key: 'gpu', value: 'yes', effect: 'NoSchedule' },
      { key: 'maintenance', effect: 'NoExecute' },
    ]);
    expect((await kubectl('taint nodes n1 gpu=no:NoSchedule')).stderr).toContain('already has gpu taint');
    await kubectl('taint nodes n1 gpu- maintenance-');
    expect(node('n1').spec.taints).toBeUndefined();
  });

  test('drains as a budget lets it, and waits for one that allows nothing', async () => {
    await deploy('web', 3);
    cluster.store.create('poddisruptionbudgets.policy', {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'web', namespace: 'default' },
      spec: { minAvailable: 3, selector: { matchLabels: { app: 'web' } } },
    });
    await until(() => cluster.store.get('poddisruptionbudgets.policy', 'default', 'web')!.status.expectedPods === 3);
    const held = await kubectl('drain n2 --timeout=3s');
    expect(held.code).toBe(1);
    expect(held.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
    expect(nodesOf('web')).toContain('n2');
    expect(node('n2').spec.unschedulable).toBe(true);
    await kubectl('delete poddisruptionbudget web');
    expect((await kubectl('drain n2 --timeout=20s')).code).toBe(0);
    await until(() => podsOf('web').filter(isPodReady).length === 3);
    expect(nodesOf('web')).not.toContain('n2');
    await kubectl('uncordon n2');
    await until(() => node('n2').spec.taints === undefined);
  });

  test('drains pods that nobody owns only by force', async () => {
    expect((await kubectl('run bare --image=app:1 --overrides={"spec":{"nodeName":"n3"}}')).code).toBe(0);
    await until(() => isPodReady(cluster.store.get('pods', 'default', 'bare')));
    expect((await kubectl('drain n3 --timeout=5s')).stderr).toContain('use --force to override');
    expect((await kubectl('drain n3 --force --timeout=20s')).code).toBe(0);
    expect(cluster.store.get('pods', 'default', 'bare')).toBeUndefined();
    await kubectl('uncordon n3');
  });

  test('autoscales, and shows what came of it', async () => {
    await deploy('api', 1);
    cluster.store.create('horizontalpodautoscalers.autoscaling', {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'api', namespace: 'default' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'api' },
        minReplicas: 2,
        maxReplicas: 4,
      },
    });
    await until(() => podsOf('api').filter(isPodReady).length === 2);
    await until(
      () => cluster.store.get('horizontalpodautoscalers.autoscaling', 'default', 'api')!.status.currentReplicas === 2,
    );
    expect((await kubectl('get hpa')).stdout).toMatch(/\napi +Deployment\/api +cpu: <unknown>\/80% +2 +4 +2 +/);
    await kubectl('scale deployment/api --replicas=0');
    await until(() => podsOf('api').length === 0);
  });

  test('deletes a node, and its pods go', async () => {
    cluster.store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'lost', namespace: 'default' },
      spec: { nodeName: 'n3', containers: [{ name: 'main', image: 'app:1' }] },
    });
    await kubectl('delete node n3');
    await until(() => cluster.store.get('pods', 'default', 'lost') === undefined);
  });
});

describe('a node or a workload that is changed by two at once', () => {
  let api: Cluster;

  beforeAll(async () => {
    api = await startCluster({ nodes: 1, simulated: true });
  });

  afterAll(() => api.stop());

  async function call(method: string, path: string, body: Json, type = 'application/json') {
    const response = await fetch(api.url + path, {
      method,
      headers: { 'Content-Type': type },
      body: JSON.stringify(body),
    });
    return { code: response.status, body: (await response.json()) as Json };
  }

  test('refuses who read it before the other wrote', async () => {
    const path = '/api/v1/nodes/n1';
    const stale = structuredClone(api.store.get('nodes', undefined, 'n1')!);
    const { resourceVersion } = stale.metadata;
    const cordon = { metadata: { resourceVersion }, spec: { unschedulable: true } };
    const merge = 'application/merge-patch+json';
    expect((await call('PATCH', path, cordon, merge)).code).toBe(200);
    for (const answer of [
      await call('PATCH', path, cordon, merge),
      await call('PATCH', path, cordon, 'application/strategic-merge-patch+json'),
      await call('PUT', path, stale),
    ]) {
      expect(answer).toMatchObject({ code: 409, body: { reason: 'Conflict', details: { kind: 'nodes', name: 'n1' } } });
      expect(answer.body.message).toMatch(/^Operation cannot be fulfilled on nodes "n1": the object has been modified/);
    }
    const other = { metadata: { uid: 'another' }, spec: { unschedulable: false } };
    expect((await call('PATCH', path, other, merge)).code).toBe(409);
  });

  test('fails a JSON patch whose test does not hold, and changes nothing', async () => {
    const patch = [
      { op: 'replace', path: '/metadata/labels/zone', value: 'x' },
      { op: 'test', path: '/spec/unschedulable', value: 'never' },
    ];
    const before = api.store.get('nodes', undefined, 'n1')!.metadata.resourceVersion;
    const { code, body } = await call('PATCH', '/api/v1/nodes/n1', patch, 'application/json-patch+json');
    expect([code, body.reason]).toEqual([422, 'Invalid']);
    expect(api.store.get('nodes', undefined, 'n1')!.metadata.resourceVersion).toBe(before);
  });

  test('replaces all taints in a strategic merge patch: they have no merge key', async () => {
    const strategic = 'application/strategic-merge-patch+json';
    const taint = (key: string) => ({ key, effect: 'PreferNoSchedule' });
    await call('PATCH', '/api/v1/nodes/n1', { spec: { taints: [taint('a'), taint('b')] } }, strategic);
    await call('PATCH', '/api/v1/nodes/n1', { spec: { taints: [taint('c')] } }, strategic);
    const keys = api.store.get('nodes', undefined, 'n1')!.spec.taints.map(({ key }: Json) => key);
    expect(keys).toContain('c');
    expect(keys).not.toContain('a');
  });

  test.each([
    [{ maxReplicas: 0 }, 'spec.maxReplicas'],
    [{ minReplicas: 3, maxReplicas: 2 }, 'spec.maxReplicas'],
    [{ minReplicas: 0, maxReplicas: 2 }, 'spec.minReplicas'],
    [{ maxReplicas: 2, scaleTargetRef: { kind: 'Deployment' } }, 'spec.scaleTargetRef.name'],
  ])('has no autoscaler of %j', async (more, field) => {
    const spec = { scaleTargetRef: { kind: 'Deployment', name: 'web' }, ...more };
    const path = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
    const { code, body } = await call('POST', path, { metadata: { name: 'bad' }, spec });
    expect([code, body.details.causes[0].field]).toEqual([422, field]);
  });
});
