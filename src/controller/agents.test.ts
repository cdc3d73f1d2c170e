import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Json, leases, pods } from '../kubernetes/resource.js';
import { AgentNode } from '../testing/agent-nodes.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';
import type { Controller } from './controller.js';

jest.setTimeout(30_000);

let bundle: ControllerBundle;
let cluster: TestCluster;
let controller: Controller;
let one: AgentNode;
let two: AgentNode;

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
  one = new AgentNode(cluster, 'n1');
  two = new AgentNode(cluster, 'n2');
  controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
  await Promise.all([one.startAgent(), two.startAgent()]);
}, 60_000);

afterAll(async () => {
  await controller?.stop();
  await cluster?.stop();
  bundle?.remove();
});

/** Pauses all pods of an app. */
function pauseStep(app: string, more: Json = {}): Json {
  const { targets = {}, ...step } = more;
  const picked = { pods: { selector: { matchLabels: { app } }, minAge: '0s' }, percent: 100, ...targets };
  return { name: `pause-${app}`, processPause: {}, duration: '1s', targets: picked, ...step };
}

async function runPause(app: string, more: Json = {}) {
  await cluster.deploy(app, 4);
  await cluster.createRun(app, { method: [pauseStep(app, more)], hypothesis: [availableProbe(app, 1)] });
}

const hit = () => [...one.node.hit, ...two.node.hit].sort();
const uids = (app: string) =>
  cluster
    .pods(app)
    .map(({ metadata }) => metadata.uid ?? '')
    .sort();
const injectionsOf = (app: string) => cluster.injections().filter(({ spec }) => spec.run.name === app);

describe('a fault that agents carry out', () => {
  test('is put on by the agents of the targets, held, taken back, and leaves nothing', async () => {
    await runPause('calm');
    await until(() => hit().length === 4, 'the fault to be on');
    expect(hit()).toEqual(uids('calm'));
    for (const { metadata, spec } of injectionsOf('calm')) {
      expect(metadata.labels?.['squall.dev/node']).toBe(spec.node);
      expect(spec).toMatchObject({ agent: 'Node', duration: '1s', bootId: 'boot-1' });
      const where = new Set(
        cluster
          .pods('calm')
          .filter(({ metadata: { uid } }) => spec.targets.some((target: Json) => target.uid === uid))
          .map((pod) => pod.spec.nodeName),
      );
      expect([...where]).toEqual([spec.node]);
    }
    const { status } = await cluster.finished('calm');
    expect(status).toMatchObject({ verdict: 'Passed', reason: 'HypothesisHeld' });
    expect(status?.steps).toMatchObject([
      { state: 'Done', targets: 4, hit: 4, effective: 4, evidence: { packets: expect.any(Number) } },
    ]);
    expect(hit()).toEqual([]);
    const idle = { runs: 0, watches: 0, nodes: 0, probes: 0, injections: 0 };
    await until(() => isDeepStrictEqual({ ...controller.busy(), keys: 0 }, { ...idle, keys: 0 }), 'nothing to be left');
  });

  test('follows pods that take the place of its targets', async () => {
    await runPause('follows', { duration: '6s', targets: { follow: true } });
    await until(() => hit().length === 4, 'the fault to be on');
    const gone = uids('follows').slice(0, 2);
    for (const { metadata } of cluster.pods('follows').filter(({ metadata: { uid } }) => gone.includes(uid ?? ''))) {
      await cluster.client.delete(pods, 'default', metadata.name ?? '', { gracePeriodSeconds: 0 });
    }
    await until(() => hit().length === 4 && !hit().some((uid) => gone.includes(uid)), 'the new pods to be taken in');
    expect(hit()).toEqual(uids('follows'));
    const { status } = await cluster.finished('follows');
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ targets: 6, hit: 6 }] });
    expect(status?.message).toContain('2 of 6 targets went away');
    expect(hit()).toEqual([]);
  });

  test('that vanishes is put back, and the run says so', async () => {
    await runPause('drifts', { duration: '3s' });
    await until(
      () =>
        injectionsOf('drifts').every(({ status }) =>
          status?.targets?.every(({ state }: Json) => state === 'Effective'),
        ) && hit().length === 4,
      'the fault to be on',
    );
    const [first = ''] = hit();
    one.node.flush(first);
    two.node.flush(first);
    const { status } = await cluster.finished('drifts');
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ drifts: 1, hit: 4, effective: 4 }] });
  });

  test('that vanishes ends the run when that is asked for', async () => {
    await runPause('lost', { duration: '20s', onDrift: 'End' });
    await until(() => hit().length === 4, 'the fault to be on');
    const [first = ''] = hit();
    one.node.flush(first);
    two.node.flush(first);
    const { status } = await cluster.finished('lost');
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'FaultLost' });
    expect(hit()).toEqual([]);
  });

  test('that an agent refuses ends the run', async () => {
    await cluster.deploy('refused', 2);
    const [first] = uids('refused');
    for (const { node } of [one, two]) {
      node.hooks = {
        apply: (uid) => {
          if (uid === first) throw new Error("its qdisc is somebody else's");
        },
      };
    }
    await cluster.createRun('refused', { method: [pauseStep('refused', { duration: '20s' })] });
    const { status } = await cluster.finished('refused');
    for (const { node } of [one, two]) node.hooks = {};
    expect(status?.reason).toMatch(/InjectionFailed|Cleanup/);
    expect(hit()).toEqual([]);
  });

  test('is refused before anything is touched where the node can not carry it', async () => {
    two.abilities = { processes: 'CAP_SYS_PTRACE is missing' };
    await two.stopAgent();
    await two.startAgent();
    await cluster.deploy('unable', 4);
    const before = one.node.done.length + two.node.done.length;
    await cluster.createRun('unable', { method: [pauseStep('unable')] });
    const { status } = await cluster.finished('unable');
    two.abilities = {};
    await two.stopAgent();
    await two.startAgent();
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotSupported' });
    expect(status?.message).toContain('node n2: ');
    expect(status?.message).toContain('CAP_SYS_PTRACE is missing');
    expect(one.node.done.length + two.node.done.length).toBe(before);
  });

  test('is refused where no agent is, and says what else was tried', async () => {
    await two.stopAgent();
    await cluster.client.delete(leases, 'squall-system', 'squall-agent-n2');
    await cluster.deploy('bare', 4);
    await cluster.createRun('bare', { method: [pauseStep('bare')] });
    const { status } = await cluster.finished('bare');
    await two.startAgent();
    expect(status).toMatchObject({ verdict: 'Error', reason: 'AgentMissing' });
    expect(status?.message).toContain('no agent runs on node n2');
    expect(status?.message).toContain('processPause needs a node agent');
  });

  test('is proven to be gone when its node was started again, also without its agent', async () => {
    await cluster.deploy('boot', 4);
    await cluster.createRun('boot', { method: [pauseStep('boot', { duration: '1s' })] });
    await until(() => hit().length === 4, 'the fault to be on');
    await two.stopAgent();
    await two.boot('boot-2');
    const { status } = await cluster.finished('boot', { within: 30_000 });
    await two.startAgent();
    expect(status).toMatchObject({ reason: 'NotEnoughSamples', steps: [{ state: 'Done', hit: 4 }] });
    expect(hit()).toEqual([]);
  });
});
