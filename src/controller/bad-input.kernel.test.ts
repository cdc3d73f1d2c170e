import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pino from 'pino';
import { Agent } from '../agent/agent.js';
import { nodeHandlers } from '../agent/handlers.js';
import { NodePlaces } from '../agent/node-place.js';
import { runProgram } from '../agent/run-program.js';
import { tryAbilities } from '../agent/try-abilities.js';
import type { RunStatus } from '../api/experiment-run.js';
import { type Json, type KubeObject, pods } from '../kubernetes/resource.js';
import { startCluster } from '../sandbox/cluster.js';
import { availableProbe, bundleController, type ControllerBundle, TestCluster } from '../testing/controllers.js';
import { processesIn } from '../testing/machine-traces.js';
import { until } from '../testing/scripted-server.js';

jest.setTimeout(60_000);

let bundle: ControllerBundle;
let cluster: TestCluster;
const folder = mkdtempSync(join(tmpdir(), 'squall-bad-input-'));

const idle = 'setInterval(() => {}, 1000)';
/** Sends fifty packets a second to where nobody is. */
const talking = `const socket = require('node:dgram').createSocket('udp4'); setInterval(() => socket.send('x', 9, '192.0.2.1'), 20)`;
const program = (code: string) => `exec '${process.execPath}' -e "${code}"`;

/** Each pod's first words, by its name. */
const scripts: Record<string, string> = {
  talker: program(talking),
  'own-qdisc': `tc qdisc add dev eth0 root tbf rate 100mbit burst 32k latency 100ms; ${program(talking)}`,
  'own-tables': `nft 'add table inet mine; add chain inet mine out { type filter hook output priority 0; }; add rule inet mine out udp dport 7 drop'; ${program(talking)}`,
  'two-interfaces': `ip link add net1 type veth peer name net2; ip address add 198.51.100.1/24 dev net1; ip link set net1 up; ip link set net2 up; ${program(talking)}`,
  'not-root': program(talking),
  'forks-away': `setsid '${process.execPath}' -e "process.title = 'forked'; ${idle}" > /dev/null 2>&1 & ${program(idle)}`,
  'on-the-node': program(idle),
  'has-ended': 'exit 0',
};

const extras: Record<string, { pod?: Json; container?: Json }> = {
  'not-root': {
    pod: { securityContext: { runAsNonRoot: true, runAsUser: 65_534 } },
    container: { securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } } },
  },
  'on-the-node': { pod: { hostNetwork: true } },
  'has-ended': { pod: { restartPolicy: 'Never' } },
};

beforeAll(async () => {
  bundle = await bundleController();
  cluster = new TestCluster(await startCluster({ nodes: 1, isolation: 'namespaces' }), bundle.workerUrl);
  await cluster.install();
  const controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
  await startAgent();
  await Promise.all([...Object.keys(scripts).map(runPod), cluster.deploy('web', 1)]);
}, 60_000);

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function startAgent(): Promise<void> {
  const log = pino({ level: process.env.SQUALL_TEST_LOG ?? 'silent' });
  const agent = new Agent({
    client: cluster.client,
    namespace: cluster.connection.systemNamespace,
    node: 'n1',
    identity: 'agent-1',
    directory: folder,
    places: new NodePlaces({ run: runProgram }),
    handlers: nodeHandlers(new URL('../agent/', import.meta.url), (message) => log.warn({}, message)),
    run: runProgram,
    tryAbilities,
    missingCapabilities: async () => [],
    log,
  });
  await agent.start();
  cluster.onStop(() => agent.stop());
  await until(() => agent.isReady);
}

async function runPod(name: string): Promise<void> {
  const { pod, container } = extras[name] ?? {};
  const main = { name: 'main', image: 'node:20', command: ['sh', '-c', scripts[name]], ...container };
  const metadata = { name, namespace: 'default', labels: { app: name } };
  await cluster.client.create<KubeObject>(pods, { metadata, spec: { containers: [main], ...pod } });
  const phase = name === 'has-ended' ? 'Succeeded' : 'Running';
  await until(() => podOf(name)?.status?.phase === phase, `pod ${name}`, 20_000);
}

const podOf = (name: string): Json => cluster.cluster.store.get('pods', 'default', name);

/** What a pod's network holds: all that a fault could leave. */
function stateOf(name: string): string {
  const [pid] = processesIn(podOf(name)?.status.containerStatuses[0].containerID);
  const inside = (...command: string[]) =>
    execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, ...command], { encoding: 'utf8' });
  return (
    inside('nft', 'list', 'ruleset') +
    inside('tc', 'qdisc') +
    inside('tc', 'class', 'show', 'dev', 'eth0') +
    inside('ip', '-o', 'link')
  );
}

const loss = { network: { loss: { share: '50%' } } };
const lossWith = (more: Json) => ({ network: { ...loss.network, ...more } });

function step(fault: Json, names: string[], more: Json = {}): Json {
  const lasting = 'network' in fault || 'partition' in fault || 'processPause' in fault;
  const targets = { pods: { names, minAge: '0s' }, percent: 100 };
  return { name: 'step', ...fault, ...(lasting && { duration: '1s' }), targets, ...more };
}

let runs = 0;

/** By pod, the end of the latest run that is to hit it: no two runs may do so at a time. */
const turns = new Map<string, Promise<unknown>>();

/** What became of a run of these steps; the pods they name are as before, whatever that is. */
function outcome(...method: Json[]): Promise<RunStatus> {
  const names: string[] = method.flatMap(({ targets }) => targets.pods.names);
  const status = Promise.all(names.map((name) => turns.get(name))).then(() => run(method));
  const ended = status.catch(() => {});
  for (const name of names) turns.set(name, ended);
  return status;
}

async function run(method: Json[]): Promise<RunStatus> {
  runs += 1;
  const hypothesis = [availableProbe('web', 1, { minSamples: 1 })];
  const name = `run-${runs}`;
  await cluster.createRun(name, { method, hypothesis, recovery: { within: '30s' } });
  return (await cluster.finished(name, { within: 40_000 })).status ?? {};
}

describe('what can not carry a fault is refused untouched, in words that help', () => {
  const cases: [what: string, fault: Json, pod: string, reason: string, message: RegExp][] = [
    [
      'a device that is not there',
      lossWith({ device: 'eth7' }),
      'two-interfaces',
      'NotSupported',
      /pod two-interfaces: the pod has no network device 'eth7' that can be hit; it has: .*net1/,
    ],
    [
      "a pod's own qdisc",
      loss,
      'own-qdisc',
      'NotSupported',
      /eth0 has a root qdisc of its own \(tbf .*\), which is left alone: .* choose `direction: Ingress`/,
    ],
    ["the node's network", loss, 'on-the-node', 'NoTargets', /1 on the network of their node/],
    ['a pod that has ended', loss, 'has-ended', 'NoTargets', /0 of 1: 1 completed/],
    ['a pod that is not there', loss, 'nobody', 'NoTargets', /in namespace 'default' there is no pod named 'nobody'/],
    [
      'a Service that is not there',
      lossWith({ peers: { services: [{ name: 'nowhere' }] } }),
      'talker',
      'NotSupported',
      /there is no Service 'nowhere' in namespace 'default': one in another namespace needs/,
    ],
    [
      'a selector that matches nothing',
      lossWith({ peers: { pods: { selector: { matchLabels: { app: 'nobody' } } } } }),
      'talker',
      'NotSupported',
      /the peers stand for no address at present, .*see what `peers` names/,
    ],
    [
      'a host that nobody knows',
      lossWith({ peers: { hosts: ['nowhere.invalid'] } }),
      'talker',
      'NotSupported',
      /the DNS, as the agent sees it, has no address for 'nowhere.invalid' \(.*\): mend the name, or/,
    ],
    [
      'a container that is not there',
      { containerKill: { containers: ['sidecar'] } },
      'talker',
      'NotSupported',
      /no process runs in container 'sidecar' of the pod; these do: main/,
    ],
    [
      'processes that are not there',
      { processKill: { pattern: '^nginx: worker' } },
      'talker',
      'NotSupported',
      /no process of the pod's containers matches '\^nginx: worker'; running are node/,
    ],
  ];
  test.concurrent.each(cases)('%s', async (_, fault, pod, reason, message) => {
    const isReachable = Boolean(podOf(pod)) && !['on-the-node', 'has-ended'].includes(pod);
    const before = isReachable && stateOf(pod);
    const status = await outcome(step(fault, [pod]));
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason, steps: [{ hit: 0, effective: 0 }] });
    expect(status.message).toMatch(message);
    expect(isReachable && stateOf(pod)).toBe(before);
  });
});

describe('what is unusual carries a fault, and is as before afterwards', () => {
  test.concurrent.each([
    ["a pod's own tables", loss, 'own-tables', 'HypothesisHeld'],
    [
      'incoming traffic beside an own qdisc',
      lossWith({ direction: 'Ingress', includeKubelet: true }),
      'own-qdisc',
      'FaultNotEffective',
    ],
    ['one of several interfaces', lossWith({ device: 'net1' }), 'two-interfaces', 'FaultNotEffective'],
    ['a pod without root, on a read-only file system', loss, 'not-root', 'HypothesisHeld'],
    ['a process that was forked away', { processKill: { pattern: '^forked' } }, 'forks-away', 'HypothesisHeld'],
  ])('%s', async (_, fault, pod, reason) => {
    const before = stateOf(pod);
    const status = await outcome(step(fault, [pod]));
    expect(status).toMatchObject({ reason, steps: [{ state: 'Done', hit: 1 }] });
    expect(stateOf(pod)).toBe(before);
  });
});

test.concurrent('when one of several targets refuses, all others get rid of it', async () => {
  const all = ['own-tables', 'not-root', 'own-qdisc'];
  const before = all.map(stateOf);
  const status = await outcome(step(loss, all));
  expect(status.message).toMatch(/can't be put on pod own-qdisc: /);
  // Whether the others were asked before it refused is a matter of chance.
  const expected = status.steps?.[0]?.hit === 0 ? 'Inconclusive/NotSupported' : 'Error/InjectionFailed';
  expect(`${status.verdict}/${status.reason}`).toBe(expected);
  expect(all.map(stateOf)).toEqual(before);
});

test.concurrent('two faults on one pod shape it together when they mean different traffic, else the run ends', async () => {
  const before = stateOf('talker');
  const rate = (kilobits: number, port: number) => ({
    network: { rate: `${kilobits}Kbit`, ports: [{ port, protocol: 'UDP' }] },
  });
  const both = (first: number, second: number) =>
    outcome(
      step(rate(800, first), ['talker'], { name: 'one' }),
      step(rate(900, second), ['talker'], { name: 'two', parallel: true }),
    );
  expect(await both(9, 10)).toMatchObject({
    steps: [
      { hit: 1, effective: 1 },
      { hit: 1, effective: 0 },
    ],
  });
  const clash = await both(9, 9);
  expect(clash.verdict).toBe('Error');
  expect(clash.message).toMatch(
    /a packet can have one delay or rate; give both `peers` or `ports` that have nothing in common/,
  );
  expect(stateOf('talker')).toBe(before);
});
