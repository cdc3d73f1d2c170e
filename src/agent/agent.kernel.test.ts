import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import pino from 'pino';
import type { Injection, TargetStatus } from '../api/injection.js';
import { CONTROLLER_LEASE, DEFAULT_NAMESPACE, LABEL_NODE } from '../api/labels.js';
import { type LocalCluster, startLocalCluster } from '../cli/local-cluster.js';
import { injections, type Json, type KubeObject, leases, pods } from '../kubernetes/resource.js';
import { processesIn } from '../testing/machine-traces.js';
import { until } from '../testing/scripted-server.js';
import { Agent } from './agent.js';
import { nodeHandlers } from './handlers.js';
import { NodePlaces } from './node-place.js';
import { runProgram } from './run-program.js';
import { tryAbilities } from './try-abilities.js';

let local: LocalCluster;
let web: KubeObject;
let other: KubeObject;
let renewing: NodeJS.Timeout;
const folder = mkdtempSync(join(tmpdir(), 'squall-loop-'));
const agents: Agent[] = [];

const server = `require('node:http').createServer((_, response) => response.end('here')).listen(8080, '::')`;

async function runPod(name: string): Promise<KubeObject> {
  const { client } = local.connection;
  const container = {
    name: 'main',
    image: 'node:20',
    command: [process.execPath, '-e', server],
    ports: [{ name: 'web', containerPort: 8080 }],
    readinessProbe: { httpGet: { port: 'web' }, periodSeconds: 1 },
  };
  const metadata = { name, namespace: 'default', labels: { app: name } };
  await client.create<KubeObject>(pods, { metadata, spec: { nodeName: 'n1', containers: [container] } });
  const isReady = (pod: Json) =>
    pod?.status?.conditions?.some((one: Json) => one.type === 'Ready' && one.status === 'True');
  await until(() => isReady(local.cluster.store.get('pods', 'default', name)), `pod ${name}`, 20_000);
  return local.cluster.store.get('pods', 'default', name) as KubeObject;
}

const pidOf = (pod: KubeObject): number => processesIn(pod.status.containerStatuses[0].containerID)[0] ?? 0;

function inside(pod: KubeObject, ...command: string[]): string {
  return execFileSync('nsenter', [`--net=/proc/${pidOf(pod)}/ns/net`, ...command], { encoding: 'utf8' });
}

/** Whether one pod gets an answer of another within a second. */
function reaches(from: KubeObject, to: KubeObject): boolean {
  const program = `require('node:http').get('http://${to.status.podIP}:8080', () => process.exit(0)).on('error', () => process.exit(1)); setTimeout(() => process.exit(1), 1000)`;
  try {
    inside(from, process.execPath, '-e', program);
    return true;
  } catch {
    return false;
  }
}

const stateOf = (pod: KubeObject) =>
  inside(pod, 'nft', 'list', 'tables') + inside(pod, 'tc', 'qdisc') + inside(pod, 'ip', '-o', 'link');

async function startAgent(): Promise<Agent> {
  const log = pino({ level: process.env.SQUALL_TEST_LOG ?? 'silent' });
  const agent = new Agent({
    client: local.connection.client,
    namespace: DEFAULT_NAMESPACE,
    node: 'n1',
    identity: `agent-${performance.now()}`,
    directory: folder,
    places: new NodePlaces({ run: runProgram }),
    handlers: nodeHandlers(new URL('.', import.meta.url), (message) => log.warn({}, message)),
    run: runProgram,
    tryAbilities,
    missingCapabilities: async () => [],
    log,
    times: { holds: { every: 1_000, atOnce: 4 } },
  });
  agents.push(agent);
  await agent.start();
  await until(() => agent.isReady);
  return agent;
}

async function inject(name: string, pod: KubeObject, fault: Json): Promise<void> {
  const { name: podName = '', uid = '' } = pod.metadata;
  const spec = {
    run: { namespace: 'default', name: 'a-run', uid: 'run-uid' },
    step: 'a-step',
    agent: 'Node',
    node: 'n1',
    round: 0,
    part: 0,
    parts: 1,
    state: 'Apply',
    targets: [{ namespace: 'default', name: podName, uid }],
    ...fault,
  };
  const metadata = { name, namespace: DEFAULT_NAMESPACE, labels: { [LABEL_NODE]: 'n1' } };
  await local.connection.client.create<KubeObject>(injections, { metadata, spec });
}

const targetOf = (name: string): TargetStatus | undefined =>
  (local.cluster.store.get('injections.squall.dev', DEFAULT_NAMESPACE, name) as unknown as Injection).status
    ?.targets?.[0];

async function reach(name: string, ...states: TargetStatus['state'][]): Promise<TargetStatus> {
  await until(() => states.includes(targetOf(name)?.state ?? 'Missed'), `${name} ${states}`, 15_000).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(targetOf(name))}`);
  });
  return targetOf(name) as TargetStatus;
}

async function revert(name: string): Promise<TargetStatus> {
  await local.connection.client.patch(injections, DEFAULT_NAMESPACE, name, { spec: { state: 'Revert' } });
  return reach(name, 'Reverted');
}

beforeAll(async () => {
  local = await startLocalCluster({ nodes: 1, isolation: 'namespaces', controller: false, agents: false });
  const { client } = local.connection;
  const renew = () =>
    client.patch(leases, DEFAULT_NAMESPACE, CONTROLLER_LEASE, { spec: { renewTime: client.clock.microTime() } });
  const spec = { holderIdentity: 'a controller', leaseDurationSeconds: 15 };
  await client.create(leases, { metadata: { name: CONTROLLER_LEASE, namespace: DEFAULT_NAMESPACE }, spec });
  await renew();
  renewing = setInterval(() => void renew().catch(() => {}), 2_000);
  [web, other] = await Promise.all([runPod('web'), runPod('other')]);
}, 60_000);

afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop().catch(() => {});
});

afterAll(async () => {
  clearInterval(renewing);
  await local?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('an agent on a node', () => {
  test('cuts a pod off from another, except from its probes, and gives it back as it was', async () => {
    const before = stateOf(web);
    await startAgent();
    await inject('cut', web, { partition: { peers: { pods: { selector: { matchLabels: { app: 'other' } } } } } });
    await reach('cut', 'Confirmed', 'Effective');
    expect(reaches(other, web)).toBe(false);
    await reach('cut', 'Effective');
    expect(await revert('cut')).toMatchObject({ effective: true, evidence: { packets: expect.any(Number) } });
    expect(reaches(other, web)).toBe(true);
    expect(stateOf(web)).toBe(before);
  }, 30_000);

  test('spares the probes of the kubelet, and counts them', async () => {
    await startAgent();
    await inject('all', web, { partition: { direction: 'Both' } });
    await reach('all', 'Confirmed', 'Effective');
    expect(reaches(other, web)).toBe(false);
    await until(() => (targetOf('all')?.evidence?.exempted ?? 0) > 0, 'exempted probes', 15_000);
    const conditions: Json[] = (local.cluster.store.get('pods', 'default', 'web') as Json).status.conditions;
    expect(conditions.find(({ type }) => type === 'Ready').status).toBe('True');
    await revert('all');
  }, 30_000);

  test('puts back what somebody flushed, and hands over to the next agent', async () => {
    const before = stateOf(web);
    const first = await startAgent();
    await inject('flushed', web, { network: { loss: { share: '100%' }, direction: 'Ingress' } });
    await reach('flushed', 'Confirmed', 'Effective');
    inside(web, 'nft', 'flush', 'ruleset');
    await until(() => targetOf('flushed')?.drifts === 1, 'the drift', 10_000);
    await reach('flushed', 'Confirmed', 'Effective');
    expect(reaches(other, web)).toBe(false);
    await first.stop();
    await startAgent();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(targetOf('flushed')?.drifts).toBe(1);
    expect(reaches(other, web)).toBe(false);
    await revert('flushed');
    expect(reaches(other, web)).toBe(true);
    expect(stateOf(web)).toBe(before);
  }, 40_000);

  test('refuses peers that nobody knows, in words that help', async () => {
    await startAgent();
    await inject('nobody', web, { partition: { peers: { services: [{ name: 'nowhere' }] } } });
    const before = stateOf(web);
    expect((await reach('nobody', 'Refused')).message).toMatch(
      /^there is no Service 'nowhere' in namespace 'default': /,
    );
    expect(stateOf(web)).toBe(before);
  }, 30_000);
});

describe('the program of an agent', () => {
  test('listens on no port, and takes little while it has nothing to do', async () => {
    const bundle = mkdtempSync(join(tmpdir(), 'squall-loop-program-'));
    try {
      await build({
        entryPoints: { squall: fileURLToPath(new URL('../cli/squall.ts', import.meta.url)) },
        outdir: bundle,
        outExtension: { '.js': '.mjs' },
        bundle: true,
        splitting: true,
        minify: true,
        platform: 'node',
        format: 'esm',
        logLevel: 'warning',
        banner: {
          js: "import { createRequire as squallRequire } from 'node:module'; const require = squallRequire(import.meta.url);",
        },
      });
      const args = ['agent', '--node', 'n2', '--server', local.cluster.url, '--state', join(bundle, 'state')];
      const child = spawn(process.execPath, [join(bundle, 'squall.mjs'), ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const ended = once(child, 'exit');
      let text = '';
      child.stderr.on('data', (chunk) => {
        text += chunk;
      });
      try {
        await until(() => text.includes('"Ready"'), 'the agent', 15_000).catch((error) => {
          throw new Error(`${error.message}: ${text}`);
        });
        const { pid = 0 } = child;
        const before = processorMilliseconds(pid);
        await new Promise((resolve) => setTimeout(resolve, 5_000));
        const share = (processorMilliseconds(pid) - before) / 5_000;
        const megabytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
        if (process.env.SQUALL_TEST_LOG) console.info({ megabytes, share });
        expect(listening(pid)).toEqual([]);
        expect(megabytes).toBeLessThan(120);
        expect(share).toBeLessThan(0.1);
      } finally {
        child.kill('SIGTERM');
        await ended;
      }
      expect(child.exitCode).toBe(0);
    } finally {
      rmSync(bundle, { recursive: true, force: true });
    }
  }, 60_000);
});

function processorMilliseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The sockets of a process that take connections, as /proc/net/tcp has them: state 0A. */
function listening(pid: number): string[] {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  const lines = ['tcp', 'tcp6'].flatMap((file) =>
    readFileSync(`/proc/${pid}/net/${file}`, 'utf8').split('\n').slice(1),
  );
  return lines.filter((line) => {
    const fields = line.trim().split(/\s+/);
    return fields[3] === '0A' && fds.includes(`socket:[${fields[9]}]`);
  });
}
