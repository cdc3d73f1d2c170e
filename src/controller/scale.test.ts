import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Json } from '../kubernetes/resource.js';
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
function fill(app: string, count: number, nodeOf = (index: number) => `n${1 + (index % 100)}`): void {
  const status = { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] };
  for (let index = 0; index < count; index += 1) {
    cluster.cluster.store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `${app}-${index}`, namespace: 'default', labels: { app } },
      spec: { containers: [{ name: 'main', image: 'busybox:1' }], nodeName: nodeOf(index) },
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

/** Does at once what the agents of all nodes would do. */
function answerForAgents(): void {
  const { store } = cluster.cluster;
  const unsubscribe = store.subscribe('injections.squall.dev', ({ object: { metadata, spec, status } }) => {
    const known = status?.targets?.[0]?.state;
    const wanted = { Apply: 'Effective', Revert: 'Reverted' }[spec.state as string];
    if (!spec.agent || !wanted || known === wanted) return;
    const time = new Date().toISOString();
    const targets = spec.targets.map(({ uid }: Json) => ({
      uid,
      state: wanted,
      time,
      effective: true,
      evidence: { packets: 1 },
    }));
    setImmediate(() => {
      store.update('injections.squall.dev', metadata.namespace, metadata.name, (draft) => {
        draft.status = { targets };
      });
    });
  });
  cluster.onStop(async () => unsubscribe());
}

test('3,000 targets on 300 nodes are reached through their agents, of which few requests are made', async () => {
  for (let index = 0; index < 300; index += 1) {
    const name = `far${index}`;
    const annotations = { 'squall.dev/node-name': name, 'squall.dev/abilities': JSON.stringify({ processes: '' }) };
    const metadata = { name: `squall-agent-${name}`, namespace: 'squall-system', annotations };
    const renewTime = new Date(Date.now() + 600_000).toISOString();
    cluster.cluster.store.create('leases.coordination.k8s.io', {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata,
      spec: { renewTime },
    });
  }
  fill('far', 3_000, (index) => `far${index % 300}`);
  answerForAgents();
  await until(() => cluster.readyPods('far').length === 3_000, 'all to be Ready', 30_000);
  const from = proxy.requests.length;
  const started = performance.now();
  const targets = { pods: { selector: { matchLabels: { app: 'far' } }, minAge: '0s' }, percent: 100 };
  await cluster.createRun('far', { method: [{ name: 'all', processPause: {}, duration: '1s', targets }] });
  await until(() => cluster.run('far')?.status?.stage === 'Holding', 'the fault to be on', 60_000);
  const injected = performance.now();
  const { status } = await cluster.finished('far', { within: 60_000 });
  const ended = performance.now();
  expect(status?.steps).toMatchObject([{ targets: 3_000, hit: 3_000, effective: 3_000, evidence: { packets: 3_000 } }]);
  const own = proxy.requests.slice(from);
  expect(own.filter(({ path }) => path.includes('/leases')).length).toBeLessThan(10);
  // Each of 300 injections is made, put on, taken back, let go of and deleted.
  expect(own.filter(isWrite).length).toBeLessThan(300 * 6);
  console.info(
    `3000 targets on 300 nodes: on in ${Math.round(injected - started)} ms, all over in ${Math.round(ended - started)} ms; ${own.length} requests`,
  );
}, 120_000);
