import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { LABEL_FOR_PROBES } from '../../api/labels.js';
import type { Json } from '../../kubernetes/resource.js';
import { availableProbe, bundleController } from '../../testing/controllers.js';
import { createAccount, grantTo } from '../../testing/identities.js';
import { killing, OTHER_SERVER, SECRET, ShopAndBank } from '../../testing/shop-and-bank.js';

jest.setTimeout(30_000);

const RBAC = 'rbac.authorization.k8s.io';
const inShop = { namespace: 'shop' };
// Most of these wait for baselines that never hold, so they do it side by side; then no hook may come before them.
const bundle = await bundleController();
const scene = await ShopAndBank.start(bundle.workerUrl);
const { cluster } = scene;

afterAll(async () => {
  await cluster.stop();
  bundle.remove();
});

describe('a probe', () => {
  const reading = (resource: Json, that: string) => ({
    hypothesis: [{ name: 'spy', resource: { interval: '100ms', ...resource }, expect: { that }, minSamples: 1 }],
  });

  test.concurrent('reads no Secret, whoever may', async () => {
    const spec = killing('web', reading({ apiVersion: 'v1', kind: 'Secret', name: 'password' }, 'object.data.value'));
    const { status } = await scene.run('spy-secret', spec);
    expect(status).toMatchObject({ verdict: 'Error', reason: 'InvalidTemplate' });
    expect(status?.message).toContain('Secrets may not be read by probes');
  });

  test.concurrent('reads nothing that the account may not read, also where the controller may', async () => {
    const pod = reading({ apiVersion: 'v1', kind: 'Pod' }, 'objects.all(o, o.spec.x == 1)');
    const node = reading({ apiVersion: 'v1', kind: 'Node', name: 'n1' }, 'object.metadata.name == "n1"');
    const secret = reading({ apiVersion: 'v1', kind: 'ConfigMap', name: 'password' }, 'object.data.value == ""');
    const messages = await Promise.all(
      [pod, node, secret].map(
        async (each, index) => (await scene.run(`spy-${index}`, killing('web', each))).status?.message,
      ),
    );
    expect(messages[0]).toContain("ServiceAccount shop/chaos may not list pods in namespace shop (probe 'spy')");
    expect(messages[1]).toContain("may not get nodes 'n1' (probe 'spy')");
    expect(messages[2]).toContain("may not get configmaps 'password' in namespace shop");
    expect(scene.visible()).not.toContain(SECRET);
  });

  test.concurrent('reads what both may and a role for probes adds, and shows no value of it', async () => {
    const { store } = cluster.cluster;
    createAccount(store, 'shop', 'reader');
    const configMaps = { apiGroups: [''], resources: ['configmaps'], verbs: ['get'] };
    grantTo(store, 'shop/reader', 'shop', [
      { apiGroups: [''], resources: ['pods'], verbs: ['delete'] },
      { apiGroups: [RBAC], resources: ['roles'], verbs: ['list'] },
      configMaps,
    ]);
    store.create(`clusterroles.${RBAC}`, {
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'probes-read-configmaps', labels: { [LABEL_FOR_PROBES]: 'true' } },
      rules: [configMaps],
    });
    // An app each: no two runs may hit the same workload at a time.
    const read = async (name: string, resource: Json, that: string) => {
      await cluster.deploy(name, 1, inShop);
      return scene.run(name, killing(name, { ...reading(resource, that), serviceAccountName: 'reader' }));
    };
    const password = { apiVersion: 'v1', kind: 'ConfigMap', name: 'password' };
    const leaks = [
      'object.data.value',
      'object.data[object.data.value] == ""',
      'int(object.data.value) == 1',
      '"x".matches("(" + object.data.value)',
      'object.data.value == "x"',
    ];
    const [unaided, held] = await Promise.all([
      read('unaided', { apiVersion: `${RBAC}/v1`, kind: 'Role' }, 'objects.size() > 0'),
      read('reader', password, 'object.data.value.startsWith("hunter2")'),
      ...leaks.map((that, index) => read(`leak-${index}`, password, that)),
    ]);
    expect(unaided.status).toMatchObject({ verdict: 'Error', reason: 'InjectionFailed' });
    expect(unaided.status?.message).toContain(
      `The controller may not list roles.${RBAC} in namespace shop (probe 'spy'); a ClusterRole with the label ${LABEL_FOR_PROBES}`,
    );
    expect(held.status?.verdict).toBe('Passed');
    expect(scene.visible()).not.toContain(SECRET);
  });

  test.concurrent('reads nothing of another namespace, which it can not even name', async () => {
    const spec = killing('web', {
      hypothesis: [
        { ...availableProbe('web', 1), resource: { ...availableProbe('web', 1).resource, namespace: 'bank' } },
      ],
    });
    const { spec: kept } = await scene.run('abroad', spec);
    expect(JSON.stringify(kept)).not.toContain('bank');
  });

  test.concurrent('reaches neither the API server by any of its addresses, nor what is link-local', async () => {
    const { port } = new URL(cluster.cluster.url);
    const urls = [
      `http://127.0.0.1:${port}/`,
      `http://2130706433:${port}/`,
      `http://0x7f.1:${port}/`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://localhost:${port}/`,
      'http://kubernetes.default.svc/',
      'http://kubernetes.default/',
      `http://${cluster.cluster.store.get('services', 'default', 'kubernetes')?.spec.clusterIP}:443/`,
      `http://${OTHER_SERVER}/`,
    ];
    const probes = urls.map((url, index) => ({
      name: `reach-${index}`,
      http: { url, rate: '3/s', status: ['1xx', '2xx', '3xx', '4xx', '5xx'] },
      expect: { successRate: '>= 0%' },
      minSamples: 1,
    }));
    await cluster.deploy('reach', 1, inShop);
    const { status } = await scene.run('reach', killing('reach', { hypothesis: probes }));
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotEnoughSamples' });
    // Whatever came of a request would be a sample.
    for (const probe of status?.probes ?? []) expect(probe.stages[0]).toMatchObject({ samples: 0 });
    expect(JSON.stringify(status?.findings)).toContain('may not reach');
    expect(status?.probes).toHaveLength(urls.length);
    const local = killing('web', {
      hypothesis: [{ name: 'meta', http: { url: 'http://2852039166/' }, expect: { successRate: '> 0%' } }],
    });
    expect((await scene.run('meta', local)).status).toMatchObject({ reason: 'InvalidTemplate' });
  });
});
