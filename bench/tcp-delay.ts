import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ProxySettings, Request, Response } from '../src/agent/tcp-delay/protocol.js';
import { MARKER } from '../src/agent/tcp-delay/status.js';
import type { Benchmark, Figure } from './figure.js';
import { memoryOf, startNode, track } from './processes.js';
import { inTurn, timed } from './rounds.js';

const ROUNDS = 10;
const MEBIBYTES = 512;
const ECHOES = 5_000;
const CONNECTIONS = 500;
const CONNECTIONS_OPEN = 1_000;
const host = '127.0.0.1';
const program = fileURLToPath(new URL('./tcp-delay.js', import.meta.url));

/** Sends back what it gets, but answers large chunks with one byte once all of them have come. */
const server = `require('net').createServer({ noDelay: true }, (socket) => {
  let taken = 0;
  socket.on('error', () => {}).on('data', (data) => {
    taken += data.length;
    if (data.length < 1024) socket.write(data);
    else if (taken >= ${MEBIBYTES} * 2 ** 20) socket.write('.');
  });
}).listen(0, '${host}', 4096, function () { console.log(this.address().port); });`;

/** What the userspace proxy costs the connections it carries, when its delay is none. */
export const tcpDelay: Benchmark = { name: 'tcp-delay', run: measure };

async function measure(): Promise<Figure[]> {
  const peer = track(spawn(process.execPath, ['-e', server], { stdio: ['ignore', 'pipe', 'inherit'] }));
  const direct = Number(await once(peer.stdout, 'data'));
  const proxy = track(
    spawn(process.execPath, [program, MARKER, '0000be4c', JSON.stringify(settings())], { stdio: 'pipe' }),
  );
  const sign = setInterval(() => void ask(proxy, direct), 4_000);
  const idle = startNode(['-e', 'setInterval(() => {}, 1e9)']);
  try {
    const ways = { ours: await ask(proxy, direct), floor: direct };
    const fresh = memoryOf(proxy).now;
    const sockets = await Promise.all(Array.from({ length: CONNECTIONS_OPEN }, () => spoken(ways.ours)));
    const busy = memoryOf(proxy).now;
    for (const socket of sockets) socket.destroy();
    const transfer = await inTurn(ROUNDS, ways, (port) => timed(() => send(port)));
    const echoes = await inTurn(ROUNDS, ways, echo);
    const opened = await inTurn(ROUNDS, ways, open);
    const against = 'a direct connection';
    return [
      { what: `${MEBIBYTES} MiB over one connection`, against, unit: 'ms', ...transfer },
      { what: 'one byte there and back', against, unit: 'ms', ...echoes },
      { what: 'connect, one byte there and back', against, unit: 'ms', ...opened },
      {
        what: 'RSS of a proxy',
        against: 'an idle Node',
        unit: 'MiB',
        ours: [fresh],
        floor: [memoryOf(idle).now],
      },
      {
        what: `RSS of a proxy with ${CONNECTIONS_OPEN} connections`,
        against: 'no connection',
        unit: 'MiB',
        ours: [busy],
        floor: [fresh],
      },
    ];
  } finally {
    clearInterval(sign);
    for (const child of [peer, proxy, idle]) child.kill('SIGKILL');
  }
}

function settings(): ProxySettings {
  return {
    uid: process.getuid?.() ?? 0,
    networkNamespace: readlinkSync('/proc/self/ns/net'),
    latencyMilliseconds: 0,
    jitterMilliseconds: 0,
    redirectSeconds: 15,
    drainSeconds: 1,
  };
}

/** Has the proxy listen for the peer, which is also a sign of life. Returns the port to reach it by. */
async function ask(proxy: ChildProcess, port: number): Promise<number> {
  const request: Request = { destinations: [{ address: host, port }] };
  proxy.stdin?.write(`${JSON.stringify(request)}\n`);
  const [line] = await once(proxy.stdout!, 'data');
  const response = JSON.parse(String(line)) as Response;
  if ('error' in response) throw new Error(response.error);
  return response.listening[0]!.at;
}

async function send(port: number): Promise<void> {
  const socket = connect({ host, port });
  const answered = once(socket, 'data');
  const chunk = Buffer.alloc(256 * 1024);
  for (let left = MEBIBYTES * 4; left > 0; left -= 1) if (!socket.write(chunk)) await once(socket, 'drain');
  await answered;
  socket.destroy();
}

async function echo(port: number): Promise<number> {
  const socket = await spoken(port);
  const took = await timed(async () => {
    for (let left = ECHOES; left > 0; left -= 1) await say(socket);
  });
  socket.destroy();
  return took / ECHOES;
}

async function open(port: number): Promise<number> {
  const took = await timed(async () => {
    for (let left = CONNECTIONS; left > 0; left -= 1) (await spoken(port)).destroy();
  });
  return took / CONNECTIONS;
}

/** A connection on which one byte has gone there and back. */
async function spoken(port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  await say(socket);
  return socket;
}

async function say(socket: Socket): Promise<void> {
  socket.write('.');
  await once(socket, 'data');
}
