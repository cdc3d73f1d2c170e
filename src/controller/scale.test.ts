import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { type CrashProxy, isWrite, startCrashProxy } from '../testing/crash-proxy.js';
import { until } from '../testing/scripted-server.js';

const TARGETS = 6_000;

let bundle: ControllerBundle;
let cluster: TestCluster;
let proxy: CrashProxy;

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl, { nodes: 100 });
  proxy = await startCrashProxy(cluster.cluster.url);
}, 30_000);

afterAll(async () => {
  await cluster?.stop();
  await proxy?.close();
  bundle?.remove();
});

/** Ready pods that nothing runs and nobody replaces, straight into the store. */
function fill(app: string, count: number): void {
  const status = { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] };
  for (let index = 0; index < count; index += 1) {
    cluster.cluster.store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `${app}-${index}`, namespace: 'default', labels: { app } },
      spec: { containers: [{ name: 'main', image: 'busybox:1' }], nodeName: `n${1 + (index % 100)}` },
      status,
    });
  }
}

test('6,000 targets are drawn, recorded and hit, each once, and other pods are never read', async () => {
  fill('many', TARGETS);
  fill('others', 1_000);
  await until(() => cluster.readyPods('many').length === TARGETS, 'all to be Ready', 30_000);
  const controller = cluster.controller({
    server: proxy.url,
    qps: 2_000,
    lease: { leaseDurationMs: 15_000, renewEveryMs: 5_000, renewDeadlineMs: 10_000 },
  });
  await until(() => controller.isLeading(), 'the controller to lead');
  const started = performance.now();
  await cluster.createRun('many', {
    method: [killStep('many', { name: 'all', duration: '1s', pods: { unmanaged: true }, targets: { percent: 100 } })],
  });
  await until(() => (cluster.run('many')?.status?.selection?.[0]?.chosen ?? 0) > 0, 'the draw to be recorded', 60_000);
  const drawn = performance.now();
  expect(cluster.injections()).toHaveLength(TARGETS / 100);
  const { status } = await cluster.finished('many', { within: 90_000 });
  const took = performance.now() - started;
  expect(status?.steps).toMatchObject([{ targets: TARGETS, hit: TARGETS, effective: TARGETS }]);
  expect(new Set(cluster.deletedOf('many')).size).toBe(TARGETS);
  const writes = proxy.requests.filter(isWrite);
  const deletions = writes.filter(({ method, path }) => method === 'DELETE' && path.includes('/pods/'));
  expect(deletions).toHaveLength(TARGETS);
  console.info(
    `${TARGETS} targets: drawn and recorded in ${Math.round(drawn - started)} ms, all over in ${Math.round(took)} ms; ` +
      `${writes.length - deletions.length} other writes, ${proxy.requests.length} requests`,
  );
  expect(writes.length - deletions.length).toBeLessThan(1_500);
  const reads = proxy.requests.filter(({ method, path }) => method === 'GET' && /\/pods\b/.test(path));
  expect(reads.filter(({ path }) => !path.includes('labelSelector=app%3Dmany'))).toEqual([]);
  await until(() => controller.busy().watches === 0, 'no watch to be left');
}, 150_000);
