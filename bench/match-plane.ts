import { type ChildProcess, spawn } from 'node:child_process';
import { trafficHandler } from '../src/agent/traffic/handler.js';
import type { Traffic } from '../src/faults/step.js';
import { type NetworkMember, NetworkPods } from '../src/testing/network-pods.js';
import type { Benchmark, Figure } from './figure.js';
import { ended, track } from './processes.js';
import { inTurn, timed } from './rounds.js';

const ROUNDS = 10;
const GIBIBYTES = 2;
const ECHOES = 20_000;
const PORT = 9_000;
/** Peers that the fault is limited to, none of which is there. */
const ranges = Array.from({ length: 100 }, (_, index) => `192.0.2.${index}/32`);
const inputs = { exempt: [], peers: { ranges, endpoints: [] } };
const step: Traffic = {
  do: 'traffic',
  match: { direction: 'Both', peers: { cidrs: ['192.0.2.0/24'] }, includeKubelet: true },
  drop: 0.1,
  rateBitsPerSecond: 1_000_000,
};

/** What a fault costs the traffic of a pod that it does not mean. */
export const matchPlane: Benchmark = { name: 'match-plane', run: measure };

async function measure(): Promise<Figure[]> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('match-plane makes network namespaces and needs root: left out\n');
    return [];
  }
  const pods = await NetworkPods.start();
  const sink = await listen(pods.peers[0]!);
  try {
    const measured = async (work: () => Promise<unknown>) =>
      inTurn(ROUNDS, { ours: true, floor: false }, async (isFaulty) => (isFaulty ? beside(pods, work) : timed(work)));
    const transfer = await measured(() => send(pods));
    const flood = await measured(() => echo(pods));
    const against = 'no fault';
    return [
      { what: `${GIBIBYTES} GiB over TCP past a fault with other peers`, against, unit: 'ms', ...transfer },
      { what: `${ECHOES} echoes past a fault with other peers`, against, unit: 'ms', ...flood },
    ];
  } finally {
    sink.kill('SIGKILL');
    await ended(sink);
    await pods.stop();
  }
}

/** Milliseconds that the work takes while the fault is on. */
async function beside({ place }: NetworkPods, work: () => Promise<unknown>): Promise<number> {
  const undo = await trafficHandler.prepare(step, place, '5eedbe4c', inputs);
  try {
    await trafficHandler.apply(undo, place, inputs);
    return await timed(work);
  } finally {
    await trafficHandler.revert(undo, place);
  }
}

async function listen({ space }: NetworkMember): Promise<ChildProcess> {
  const source = `require('net').createServer((socket) => socket.resume()).listen(${PORT}, '::', () => console.log('up'))`;
  const child = startIn(space.pid, [process.execPath, '-e', source]);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

async function send({ pod, peers }: NetworkPods): Promise<void> {
  const source = `
    const socket = require('net').connect(${PORT}, '${peers[0]!.ipv4}');
    const chunk = Buffer.alloc(256 << 10);
    let left = ${GIBIBYTES * 4096};
    const write = () => { while (left > 0) { left -= 1; if (!socket.write(chunk)) return; } socket.end(); };
    socket.on('connect', write).on('drain', write).on('close', () => process.exit());`;
  await ended(startIn(pod.space.pid, [process.execPath, '-e', source]));
}

async function echo({ pod, peers }: NetworkPods): Promise<void> {
  await ended(startIn(pod.space.pid, ['ping', '-n', '-q', '-f', '-c', String(ECHOES), peers[0]!.ipv4]));
}

function startIn(pid: number, command: readonly string[]): ChildProcess {
  const args = [`--net=/proc/${pid}/ns/net`, '--', ...command];
  return track(spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] }));
}
