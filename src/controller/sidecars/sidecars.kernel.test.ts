import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Json, type KubeObject, pods } from '../../kubernetes/resource.js';
import { startCluster } from '../../sandbox/cluster.js';
import { type Bundled, bundled } from '../../testing/bundled.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  experimentRuns,
  TestCluster,
} from '../../testing/controllers.js';
import { processesIn } from '../../testing/machine-traces.js';
import { until } from '../../testing/scripted-server.js';
import type { Controller } from '../controller.js';

jest.setTimeout(60_000);

let bundle: ControllerBundle;
let program: Bundled;
let cluster: TestCluster;
let controller: Controller;

const server = `require('node:http').createServer((_, response) => response.end('here')).listen(8080, '::')`;
/** Asks a pod without end, over a new connection each time. */
const asking = (address: string) => `
const ask = () => require('node:http').get({ host: '${address}', port: 8080, agent: false, timeout: 300 }, (response) => response.resume())
  .on('timeout', function () { this.destroy(); }).on('error', () => {});
setInterval(ask, 100);`;

beforeAll(async () => {
  [bundle, program] = await Promise.all([bundleController(), bundled('sidecar-program.ts')]);
  cluster = new TestCluster(await startCluster({ nodes: 1, isolation: 'namespaces' }), bundle.workerUrl);
  await cluster.install();
  await lead();
}, 60_000);

async function lead(): Promise<void> {
  controller = cluster.controller({ sidecars: { image: 'squall', command: [process.execPath, program.file] } });
  await until(() => controller.isLeading(), 'the controller to lead');
}

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
  program?.remove();
});

const container = (code: string) => ({ name: 'main', image: 'node:20', command: [process.execPath, '-e', code] });

/** A web server of that name, and a pod `<name>-peer` that asks it all the time. */
async function deployPair(name: string): Promise<KubeObject> {
  await cluster.deploy(name, 1, { pod: { containers: [container(server)] } });
  const [web] = cluster.pods(name);
  const peer = { containers: [container(asking(web!.status.podIP))] };
  await cluster.deploy(`${name}-peer`, 1, { pod: peer });
  return web!;
}

const podOf = ({ metadata }: KubeObject): KubeObject | undefined =>
  cluster.cluster.store.get('pods', 'default', metadata.name ?? '') as KubeObject | undefined;
const sidecarsOf = (pod: KubeObject): Json[] => podOf(pod)?.status.ephemeralContainerStatuses ?? [];
const stateOf = (pod: KubeObject): string => {
  const [pid] = processesIn(podOf(pod)?.status.containerStatuses[0].containerID);
  const inside = (...command: string[]) =>
    execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, ...command], { encoding: 'utf8' });
  return inside('nft', 'list', 'tables') + inside('tc', 'qdisc') + inside('ip', '-o', 'link');
};

function cut(name: string, more: Json = {}): Json {
  const { duration = '4s', peers = { pods: { selector: { matchLabels: { app: `${name}-peer` } } } }, ...step } = more;
  return {
    name: 'cut',
    partition: { ...(peers && { peers }) },
    agent: 'Sidecar',
    duration,
    targets: { pods: { selector: { matchLabels: { app: name } }, minAge: '0s' }, percent: 100 },
    ...step,
  };
}

const run = (name: string, more: Json = {}, hypothesis: Json[] = [availableProbe(name, 1)]) =>
  cluster.createRun(name, { method: [cut(name, more)], hypothesis });

const isOn = (pod: KubeObject) => stateOf(pod).includes('squall_');

describe('a fault that a sidecar carries', () => {
  test.concurrent('is put on, seen to take effect, ends by itself, and leaves nothing', async () => {
    const web = await deployPair('plain');
    const before = stateOf(web);
    await run('plain');
    await until(() => isOn(web), 'the fault to be on');
    const { status } = await cluster.finished('plain', { within: 40_000 });
    expect(status).toMatchObject({
      verdict: 'Passed',
      steps: [{ targets: 1, hit: 1, effective: 1, evidence: { packets: expect.any(Number) } }],
    });
    expect(stateOf(web)).toBe(before);
    const [sidecar, ...others] = sidecarsOf(web);
    expect(others).toEqual([]);
    expect(sidecar).toMatchObject({ name: expect.stringMatching(/^squall-agent-[0-9a-f]{8}$/) });
    expect(JSON.parse(sidecar.state.terminated.message)).toMatchObject({ end: 'Over', effective: true });
  });

  test.concurrent('fails a hypothesis that does not hold meanwhile', async () => {
    await cluster.deploy('broken', 1, { pod: { containers: [container(server)] } });
    const address = cluster.pods('broken')[0]!.status.podIP;
    const http = { url: `http://${address}:8080/`, timeout: '200ms' };
    const probe = { name: 'answers', http, expect: { successRate: '>= 90%' } };
    // No agent is there, so that a sidecar it is.
    await run('broken', { peers: null, agent: undefined }, [probe]);
    const { status } = await cluster.finished('broken', { within: 40_000 });
    expect(status).toMatchObject({ verdict: 'Failed', reason: 'HypothesisViolated' });
  });

  test.concurrent('is taken back early by a second one', async () => {
    const web = await deployPair('early');
    const before = stateOf(web);
    await run('early', { duration: '10m' });
    await cluster.inStage('early', 'Holding');
    expect(isOn(web)).toBe(true);
    await cluster.client.patch(experimentRuns, 'default', 'early', { spec: { abort: { reason: 'enough' } } });
    await until(() => !isOn(web) || stateOf(web).includes('squall_stop_'), 'the fault to be off', 15_000);
    const { status } = await cluster.finished('early', { within: 30_000 });
    expect(status).toMatchObject({ verdict: 'Aborted', steps: [{ hit: 1 }] });
    expect(stateOf(web)).toBe(before);
    expect(
      sidecarsOf(web)
        .map(({ name }) => name.replace(/[0-9a-f]{8}/, 'id'))
        .sort(),
    ).toEqual(['squall-agent-id', 'squall-agent-id-revert']);
  });

  test.concurrent('is put back by another one when the first is killed', async () => {
    const web = await deployPair('killed');
    const before = stateOf(web);
    await run('killed', { duration: '8s' });
    await cluster.inStage('killed', 'Holding');
    const [first] = sidecarsOf(web);
    for (const pid of processesIn(first.containerID)) process.kill(pid, 'SIGKILL');
    await until(
      () => sidecarsOf(web).some(({ name, state }) => name.endsWith('-2') && state.running),
      'a second',
      15_000,
    );
    const { status } = await cluster.finished('killed', { within: 40_000 });
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ hit: 1, drifts: 1 }] });
    expect(stateOf(web)).toBe(before);
  });

  test.concurrent('ends the run when the only one is killed and it is not to be put back', async () => {
    const web = await deployPair('lost');
    const before = stateOf(web);
    await run('lost', { duration: '10m', onDrift: 'End' });
    await cluster.inStage('lost', 'Holding');
    for (const pid of processesIn(sidecarsOf(web)[0].containerID)) process.kill(pid, 'SIGKILL');
    const { status } = await cluster.finished('lost', { within: 40_000 });
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'FaultLost' });
    expect(status?.message).toContain('its sidecar died');
    expect(stateOf(web)).toBe(before);
  });

  test.concurrent('goes with its pod, which is proof enough', async () => {
    const web = await deployPair('gone');
    await run('gone', { duration: '6s' });
    await cluster.inStage('gone', 'Holding');
    await cluster.client.delete(pods, 'default', web.metadata.name ?? '', { gracePeriodSeconds: 2 });
    const { status } = await cluster.finished('gone', { within: 40_000 });
    expect(status).toMatchObject({ reason: expect.not.stringMatching(/Cleanup/), steps: [{ hit: 1 }] });
    expect(podOf(web)).toBeUndefined();
  });

  test.concurrent('is refused by what a sidecar says, and nothing is left', async () => {
    const web = await deployPair('refused');
    const before = stateOf(web);
    await cluster.createRun('refused', {
      method: [{ ...cut('refused'), partition: { device: 'net9' } }],
      hypothesis: [availableProbe('refused', 1)],
    });
    const { status } = await cluster.finished('refused', { within: 30_000 });
    expect(status).toMatchObject({ verdict: 'Error', reason: 'InjectionFailed' });
    expect(status?.message).toContain("no network device 'net9'");
    expect(stateOf(web)).toBe(before);
  });
});

describe('when the controller goes', () => {
  test('another one carries on with the same sidecar', async () => {
    const web = await deployPair('handed-over');
    await run('handed-over', { duration: '6s' });
    await cluster.inStage('handed-over', 'Holding');
    await controller.stop();
    await lead();
    const { status } = await cluster.finished('handed-over', { within: 40_000 });
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ hit: 1, effective: 1 }] });
    expect(sidecarsOf(web)).toHaveLength(1);
  });

  test('the fault ends at its time also when none comes back', async () => {
    const web = await deployPair('alone');
    await run('alone');
    await cluster.inStage('alone', 'Holding');
    expect(isOn(web)).toBe(true);
    await controller.stop();
    await until(() => !isOn(web), 'the fault to end', 20_000);
    await lead();
    const { status } = await cluster.finished('alone', { within: 40_000 });
    expect(status?.reason).not.toMatch(/Cleanup/);
  });
});
