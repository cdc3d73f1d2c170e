import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { TcpDelay } from '../../faults/step.js';
import { type Bundled, bundled } from '../../testing/bundled.js';
import { NetworkPods } from '../../testing/network-pods.js';
import { until } from '../../testing/scripted-server.js';
import { bundleTcpDelay } from '../../testing/tcp-delay-program.js';
import type { Addresses, Inputs } from '../handler.js';
import { TcpDelayHandler, type TcpDelayUndo } from './handler.js';
import { ProxyProcesses } from './processes.js';

const PORT = 8080;
const LATENCY = 250;
const times = { redirectSeconds: 30, drainSeconds: 2 };
const brief = { redirectSeconds: 4, drainSeconds: 1 };
// Connections drain for seconds, and the machine may be busy.
jest.setTimeout(60_000);

const processes = new ProxyProcesses();
let program: Bundled;
let agentProgram: Bundled;
let pods: NetworkPods;
let handler: TcpDelayHandler;
let before: string;
let faults = 0;
const undos: TcpDelayUndo[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  program = await bundleTcpDelay();
  agentProgram = await bundled('tcp-delay-agent.ts');
});
afterAll(() => {
  program.remove();
  agentProgram.remove();
});
beforeEach(async () => {
  handler = new TcpDelayHandler({ program: program.file, times });
  pods = await NetworkPods.start({ peers: 2 });
  for (const { space } of pods.peers) await space.listen('tcp', PORT);
  before = await pods.snapshot();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const { id } of undos.splice(0)) {
    for (const pid of await processes.find(id)) process.kill(pid, 'SIGKILL');
  }
  await pods.stop();
});

const step = (latencyMilliseconds = LATENCY): TcpDelay => ({
  do: 'tcpDelay',
  match: { direction: 'Egress', peers: {}, ports: [{ port: PORT }], includeKubelet: false },
  latencyMilliseconds,
});

function inputsOf(
  peers: Partial<Addresses> = { ranges: [`${pods.peers[0]!.ipv4}/32`, `${pods.peers[0]!.ipv6}/128`] },
): Inputs {
  return { peers: { ranges: [], endpoints: [], ...peers }, exempt: [] };
}

async function prepare(wanted = step(), inputs = inputsOf()): Promise<TcpDelayUndo> {
  faults += 1;
  const undo = await handler.prepare(wanted, pods.place, (0xde1a_0000 + faults).toString(16), inputs);
  undos.push(undo);
  return undo;
}

async function apply(wanted = step(), inputs = inputsOf()): Promise<TcpDelayUndo> {
  const undo = await prepare(wanted, inputs);
  await handler.apply(undo, pods.place, inputs);
  return undo;
}

/** Round trips over one new connection; the first one includes the proxy's dialling. */
async function roundTrips(host: string, count = 3): Promise<number[]> {
  const { times, error } = await pods.pod.space.tcpEcho(host, PORT, { count, timeoutMilliseconds: 5_000 });
  if (error) throw new Error(error);
  return times;
}

/** A connection from the pod that stays; lines come back as they are, and `ended` resolves to how it ended. */
async function connection(host: string, lastsMilliseconds?: number) {
  const source = `
    const socket = require('net').connect(${PORT}, '${host}');
    const exit = (how) => { console.log(how); process.exit(); };
    socket.on('error', ({ code }) => exit(code)).on('end', () => exit('end'));
    socket.on('connect', () => console.log('connected')).on('data', (data) => console.log(String(data)));
    process.stdin.on('data', (data) => socket.write(data)).on('end', () => process.exit());
    ${lastsMilliseconds === undefined ? '' : `setTimeout(() => exit('finished'), ${lastsMilliseconds});`}`;
  const [enter, ...rest] = pods.place.enter;
  const child = spawn(enter!, [...rest, process.execPath, '-e', source], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => line !== '' && lines.push(line));
  await until(() => lines.length > 0);
  if (lines[0] !== 'connected') throw new Error(lines[0]);
  return {
    lines,
    ended: once(child, 'exit').then(() => lines.at(-1)),
    /** Milliseconds until a word has come back. */
    say: async (word: string) => {
      const begun = performance.now();
      child.stdin.write(word);
      await until(() => lines.includes(word));
      return performance.now() - begun;
    },
  };
}

const open = async ({ id }: TcpDelayUndo) => {
  const [pid] = await processes.find(id);
  return (pid !== undefined && (await processes.status(pid, id))?.open) || 0;
};

async function nothingLeft({ id }: TcpDelayUndo): Promise<void> {
  expect(await pods.snapshot()).toBe(before);
  expect(await processes.find(id)).toEqual([]);
}

describe('a TCP delay in a pod', () => {
  test('hits new connections to the peer over both IP versions, and nobody else', async () => {
    const [peer, other] = pods.peers;
    const undo = await apply();
    for (const address of [peer!.ipv4, peer!.ipv6]) {
      const [first, ...later] = await roundTrips(address);
      expect(first).toBeGreaterThanOrEqual(2 * LATENCY - 3);
      expect(Math.min(...later)).toBeGreaterThanOrEqual(LATENCY - 2);
      expect(Math.min(...later)).toBeLessThan(2 * LATENCY);
    }
    for (const address of [other!.ipv4, other!.ipv6]) {
      expect(Math.min(...(await roundTrips(address)))).toBeLessThan(LATENCY);
    }
    await until(async () => (await handler.hold(undo, pods.place, inputsOf())).evidence.connections === 2);
    expect(await handler.hold(undo, pods.place, inputsOf())).toEqual({
      evidence: { connections: 2, connectionsCut: 0 },
      effective: true,
    });
    expect(await handler.revert(undo, pods.place)).toEqual({ connections: 2, connectionsCut: 0 });
    await nothingLeft(undo);
    expect(Math.min(...(await roundTrips(peer!.ipv4)))).toBeLessThan(LATENCY);
    expect(await handler.revert(undo, pods.place)).toEqual({ connections: 0, connectionsCut: 0 });
  });

  test('runs without rights, under a user that no container has', async () => {
    const undo = await apply();
    const [pid] = await processes.find(undo.id);
    const { stdout } = await pods.place.run('cat', [`/proc/${pid}/status`]);
    expect(stdout).toMatch(/^Uid:\t2500005351\t2500005351\t2500005351\t2500005351$/m);
    expect(stdout).toMatch(/^Gid:\t2500005351\t/m);
    expect(stdout).toMatch(/^Groups:\s*$/m);
    expect(stdout).toMatch(/^CapEff:\t0+$/m);
    const sockets = await pods.place.run('sh', ['-c', 'cat /proc/net/tcp | grep " 0A "']);
    expect(sockets.stdout.match(/^ *\d+: [0-9A-F]+/gm)?.every((line) => line.endsWith(' 0100007F'))).toBe(true);
    await handler.revert(undo, pods.place);
  });

  test('starts no proxy anywhere else than in the target', async () => {
    const undo = await prepare();
    const elsewhere = { ...pods.place, enter: ['nsenter', `--net=/proc/${pods.peers[0]!.space.pid}/ns/net`, '--'] };
    await expect(handler.apply(undo, elsewhere, inputsOf())).rejects.toThrow(/this is net:\[\d+\] and not net:\[\d+\]/);
    const notThere = new TcpDelayHandler({ program: '/nowhere/tcp-delay.js', times });
    await expect(notThere.apply(undo, pods.place, inputsOf())).rejects.toThrow(/Cannot find module/);
    await handler.revert(undo, pods.place);
    await nothingLeft(undo);
  });

  test('leaves connections alone that were there before', async () => {
    const held = await connection(pods.peers[0]!.ipv4);
    const undo = await apply(step(1_000));
    expect(await held.say('hello')).toBeLessThan(1_000);
    const sighting = await handler.hold(undo, pods.place, inputsOf());
    expect(sighting).toEqual({ evidence: { connections: 0, connectionsCut: 0 }, effective: false });
    expect(await handler.revert(undo, pods.place)).toEqual({ connections: 0, connectionsCut: 0 });
    expect(await held.say('again')).toBeLessThan(1_000);
  });

  test('follows peers that change, and keeps the connections to those that went', async () => {
    const [peer, other] = pods.peers;
    const undo = await apply();
    const held = await connection(peer!.ipv4);
    await held.say('one');
    const changed = inputsOf({ endpoints: [{ address: other!.ipv4, port: PORT, protocol: 'TCP' }] });
    expect((await handler.hold(undo, pods.place, changed)).drift).toBeUndefined();
    expect(Math.min(...(await roundTrips(other!.ipv4)))).toBeGreaterThanOrEqual(LATENCY - 2);
    expect(Math.min(...(await roundTrips(peer!.ipv4)))).toBeLessThan(LATENCY);
    expect(await held.say('two')).toBeGreaterThanOrEqual(LATENCY - 2);
    const many = inputsOf({ ranges: ['10.0.0.0/8'] });
    expect((await handler.hold(undo, pods.place, many)).drift).toMatch(/10\.0\.0\.0\/8 is a range of addresses/);
    await handler.revert(undo, pods.place);
  });

  test('stops the delay at once when taken back, lets connections finish, and resets what is left', async () => {
    const { ipv4 } = pods.peers[0]!;
    const undo = await apply();
    const [passing, lasting] = await Promise.all([connection(ipv4, 1_000), connection(ipv4)]);
    expect(await lasting.say('slow')).toBeGreaterThanOrEqual(LATENCY - 2);
    const reverting = handler.revert(undo, pods.place);
    await until(async () => Math.min(...(await roundTrips(ipv4))) < LATENCY);
    let words = 0;
    await until(async () => {
      words += 1;
      return (await lasting.say(`fast ${words}`)) < LATENCY;
    });
    expect(await passing.ended).toBe('finished');
    expect(await lasting.ended).toBe('ECONNRESET');
    expect(await reverting).toEqual({ connections: 2, connectionsCut: 1 });
    await nothingLeft(undo);
  });

  test('redirects no more as soon as its proxy is killed, and says so', async () => {
    const { ipv4 } = pods.peers[0]!;
    const undo = await apply();
    await roundTrips(ipv4);
    const [pid] = await processes.find(undo.id);
    process.kill(pid!, 'SIGKILL');
    await until(
      async () => (await pods.pod.space.tcpEcho(ipv4, PORT, { count: 1 })).times.length === 1,
      'direct',
      5_000,
    );
    const { drift } = await handler.hold(undo, pods.place, inputsOf());
    expect(drift).toMatch(/proxy that delays is gone: it ended with SIGKILL/);
    await handler.apply(undo, pods.place, inputsOf());
    expect(Math.min(...(await roundTrips(ipv4)))).toBeGreaterThanOrEqual(LATENCY - 2);
    await handler.revert(undo, pods.place);
    await nothingLeft(undo);
  });

  test('notices when its tables are gone or changed', async () => {
    const undo = await apply();
    await pods.place.run('nft', ['flush', 'chain', 'ip6', `squall_${undo.id}`, 'output']);
    expect((await handler.hold(undo, pods.place, inputsOf())).drift).toMatch(/does not redirect any more/);
    await handler.apply(undo, pods.place, inputsOf());
    expect((await handler.hold(undo, pods.place, inputsOf())).drift).toBeUndefined();
    await pods.place.run('nft', ['flush', 'ruleset']);
    expect((await handler.hold(undo, pods.place, inputsOf())).drift).toMatch(/is gone/);
    await handler.revert(undo, pods.place);
    await nothingLeft(undo);
  });

  test('refuses what another proxy delays already, and shares the target otherwise', async () => {
    const [peer, other] = pods.peers;
    const undo = await apply();
    await expect(prepare()).rejects.toThrow(/delayed by another fault already/);
    const second = await apply(step(30), inputsOf({ ranges: [other!.ipv4] }));
    const times = await roundTrips(other!.ipv4);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(28);
    expect(Math.min(...(await roundTrips(peer!.ipv4)))).toBeGreaterThanOrEqual(LATENCY - 2);
    await handler.revert(undo, pods.place);
    expect(Math.min(...(await roundTrips(other!.ipv4)))).toBeGreaterThanOrEqual(28);
    await handler.revert(second, pods.place);
    await nothingLeft(second);
  });

  test('ends by itself after its agent was killed: the delay at once, the rest later', async () => {
    const { ipv4, ipv6 } = pods.peers[0]!;
    const undo = await prepare();
    const agent = await startAgent(undo, brief);
    const held = await connection(ipv4);
    expect(await held.say('slow')).toBeGreaterThanOrEqual(LATENCY - 2);
    agent.kill('SIGKILL');
    await until(async () => Math.min(...(await roundTrips(ipv6, 1))) < LATENCY);
    expect(Math.min(await held.say('fast'), await held.say('faster'))).toBeLessThan(LATENCY);
    // Never refused while the map still leads to it, and for as long after it as it drains.
    const refused: unknown[] = [];
    await until(
      async () => {
        const { times, error } = await pods.pod.space.tcpEcho(ipv4, PORT, { count: 1 });
        if (error !== undefined || times[0]! > LATENCY) refused.push(error ?? times[0]);
        return (await processes.find(undo.id)).length === 0;
      },
      'the proxy ends',
      40_000,
    );
    expect(refused).toEqual([]);
    expect(await held.ended).toBe('ECONNRESET');
    // The tables are empty by now; who comes next takes them away.
    expect(await handler.revert(undo, pods.place)).toEqual({ connections: 0, connectionsCut: 0 });
    await nothingLeft(undo);
  });

  test('goes on after its agent was killed and started again', async () => {
    const { ipv4 } = pods.peers[0]!;
    const undo = await prepare();
    const agent = await startAgent(undo);
    const held = await connection(ipv4);
    agent.kill('SIGKILL');
    expect((await handler.hold(undo, pods.place, inputsOf())).drift).toMatch(/started by an agent that has ended/);
    await handler.apply(undo, pods.place, inputsOf());
    expect(Math.min(...(await roundTrips(ipv4)))).toBeGreaterThanOrEqual(LATENCY - 2);
    expect(await held.ended).toBe('ECONNRESET');
    await until(async () => (await processes.find(undo.id)).length === 1);
    await until(async () => (await handler.hold(undo, pods.place, inputsOf())).evidence.connectionsCut === 1);
    expect(await handler.revert(undo, pods.place)).toEqual({ connections: 1, connectionsCut: 1 });
    await nothingLeft(undo);
  });

  test('is taken back by an agent that did not put it on', async () => {
    const undo = await prepare();
    const agent = await startAgent(undo);
    const held = await connection(pods.peers[0]!.ipv4);
    await held.say('open');
    agent.kill('SIGKILL');
    expect(await handler.revert(undo, pods.place)).toEqual({ connections: 1, connectionsCut: 1 });
    expect(await held.ended).toBe('ECONNRESET');
    await nothingLeft(undo);
  });

  test('new connections go directly again when agent and proxy are both killed', async () => {
    const { ipv4 } = pods.peers[0]!;
    const undo = await prepare();
    const agent = await startAgent(undo, brief);
    const [pid] = await processes.find(undo.id);
    process.kill(agent.pid!, 'SIGKILL');
    process.kill(pid!, 'SIGKILL');
    const direct = async () => (await pods.pod.space.tcpEcho(ipv4, PORT, { count: 1 })).times.length === 1;
    await until(direct, 'a direct connection', 20_000);
    await handler.revert(undo, pods.place);
    await nothingLeft(undo);
  });
});

/** Starts an agent that holds a fault, and waits until it is on. */
async function startAgent(undo: TcpDelayUndo, itsTimes = times): Promise<ChildProcess> {
  const { run: _run, processes: _processes, ...place } = pods.place;
  const settings = JSON.stringify({ program: program.file, times: itsTimes, undo, inputs: inputsOf(), place });
  const agent = spawn(process.execPath, [agentProgram.file, settings], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(agent);
  const [line] = (await once(createInterface({ input: agent.stdout! }), 'line')) as [string];
  expect(JSON.parse(line)).toEqual({ evidence: { connections: 0, connectionsCut: 0 }, effective: false });
  expect(await open(undo)).toBe(0);
  return agent;
}
