import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, request } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { until } from '../../testing/scripted-server.js';
import { testCertificate, testKey } from '../../testing/tls.js';
import { DelayProxy } from './proxy.js';

const LATENCY = 60;
const MEGABYTE = 1024 * 1024;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

function tracked(server: Server): Server {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server;
}

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  tracked(server).listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A proxy in front of one server, and the port to reach it through the proxy. */
async function through(port: number, latency = LATENCY, jitter = 0, address = '127.0.0.1') {
  const proxy = new DelayProxy(latency, jitter);
  closers.push(() => proxy.close());
  const [listening] = await proxy.listen([{ address, port }]);
  return { proxy, port: listening!.at };
}

function dial(port: number, host = '127.0.0.1'): Socket {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  closers.push(() => socket.destroy());
  return socket;
}

/** All until the other side's end; an async iterator would close our side as well. */
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

const echo = () =>
  createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });

async function roundTrip(socket: Socket, message: string): Promise<number> {
  const begun = performance.now();
  const answer = once(socket, 'data');
  socket.write(message);
  expect(String((await answer)[0])).toBe(message);
  return performance.now() - begun;
}

describe('a proxy that delays', () => {
  test('delays what the client sends, and not the answer', async () => {
    const { proxy, port } = await through(await listen(echo()));
    const socket = dial(port);
    await roundTrip(socket, 'first');
    const later = [
      await roundTrip(socket, 'second'),
      await roundTrip(socket, 'third'),
      await roundTrip(socket, 'last'),
    ];
    expect(Math.min(...later)).toBeGreaterThanOrEqual(LATENCY - 1);
    expect(Math.min(...later)).toBeLessThan(LATENCY * 2);
    expect(proxy.counters).toEqual({ connections: 1, open: 1, cut: 0 });
  });

  test('takes two delays until the first byte, one to connect and one to send, whoever speaks first', async () => {
    const { port } = await through(await listen(echo()));
    expect(await roundTrip(dial(port), 'hello')).toBeGreaterThanOrEqual(2 * LATENCY - 2);

    const greeter = await through(
      await listen(
        createServer((socket) => {
          socket.write('220 ready');
        }),
      ),
    );
    const begun = performance.now();
    await once(dial(greeter.port), 'data');
    expect(performance.now() - begun).toBeGreaterThanOrEqual(2 * LATENCY - 2);
  });

  test('delays within the jitter', async () => {
    const { port } = await through(await listen(echo()), 40, 20);
    const socket = dial(port);
    await roundTrip(socket, 'open');
    const times: number[] = [];
    for (let index = 0; index < 20; index += 1) times.push(await roundTrip(socket, `message ${index}`));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(19);
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(10);
  });

  test('pipelines: a thousand messages in a row take one delay', async () => {
    const { port } = await through(await listen(echo()), 200);
    const socket = dial(port);
    await roundTrip(socket, 'open');
    const begun = performance.now();
    let seen = 0;
    const done = new Promise<void>((resolve) => {
      socket.on('data', (chunk) => {
        seen += chunk.length;
        if (seen === 16_000) resolve();
      });
    });
    for (let index = 0; index < 1_000; index += 1) {
      socket.write(Buffer.alloc(16, index));
      if (index % 100 === 0) await new Promise(setImmediate);
    }
    await done;
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  test('passes on a half-close in either direction', async () => {
    const server = createServer({ allowHalfOpen: true }, async (socket) => {
      socket.end(`got ${(await all(socket)).length}`);
    });
    const { proxy, port } = await through(await listen(server));
    const socket = dial(port);
    socket.end('twelve bytes');
    expect(String(await all(socket))).toBe('got 12');
    await until(() => proxy.counters.open === 0);

    let heard = '';
    const talker = createServer({ allowHalfOpen: true }, (peer) => {
      peer.end('bye');
      peer.on('data', (chunk) => {
        heard += chunk;
      });
    });
    const other = await through(await listen(talker));
    const half = dial(other.port);
    expect(String(await all(half))).toBe('bye');
    half.end('still talking');
    await until(() => heard === 'still talking');
    await until(() => other.proxy.counters.open === 0);
  });

  test('passes on a reset of the client after what it sent, and after the delay', async () => {
    const seen: string[] = [];
    let begun = 0;
    let after = 0;
    const server = createServer((socket) => {
      socket.on('data', (chunk) => seen.push(String(chunk)));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        after = performance.now() - begun;
        seen.push(String(error.code));
      });
    });
    const { proxy, port } = await through(await listen(server));
    const socket = dial(port);
    await once(socket, 'connect');
    await new Promise((resolve) => setTimeout(resolve, 2 * LATENCY));
    socket.write('last words');
    await new Promise((resolve) => setTimeout(resolve, 10));
    begun = performance.now();
    socket.resetAndDestroy();
    await until(() => seen.length === 2);
    expect(seen).toEqual(['last words', 'ECONNRESET']);
    expect(after).toBeGreaterThanOrEqual(LATENCY - 2);
    await until(() => proxy.counters.open === 0);
  });

  test('passes on a reset of the peer, also one right behind an answer', async () => {
    const server = createServer((socket) => {
      socket.on('data', () => {
        socket.write(Buffer.alloc(1_000, 'x'));
        socket.resetAndDestroy();
      });
    });
    const { proxy, port } = await through(await listen(server));
    const socket = dial(port);
    const ending = new Promise<string | undefined>((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      // Node takes a reset behind data for an orderly end; a write of nothing tells them apart.
      socket.on('end', () => socket.write('', (error) => error ?? resolve('an orderly end')));
    });
    socket.resume();
    socket.write('go');
    expect(['ECONNRESET', 'EPIPE']).toContain(await ending);
    await until(() => proxy.counters.open === 0);
  });

  test('resets a client whose peer refuses, after the delay', async () => {
    const gone = await listen(createServer());
    for (const close of closers.splice(0)) close();
    const { proxy, port } = await through(gone);
    const begun = performance.now();
    const socket = dial(port);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    expect(performance.now() - begun).toBeGreaterThanOrEqual(LATENCY - 2);
    await until(() => proxy.counters.open === 0);
  });

  test('works over IPv6', async () => {
    const { port } = await through(await listen(echo(), '::1'), 20, 0, '::1');
    expect(await roundTrip(dial(port, '::1'), 'six')).toBeGreaterThanOrEqual(39);
  });
});

describe('bytes through the proxy', () => {
  test('50 MB in both directions at once arrive as they were sent', async () => {
    const { port } = await through(await listen(echo()), 20, 10);
    const sent = createHash('sha256');
    const received = createHash('sha256');
    const socket = dial(port);
    let bytes = 0;
    const done = new Promise((resolve) => socket.on('end', resolve));
    socket.on('data', (chunk) => {
      received.update(chunk);
      bytes += chunk.length;
    });
    for (let index = 0; index < 50; index += 1) {
      const block = randomBytes(MEGABYTE);
      sent.update(block);
      if (!socket.write(block)) await once(socket, 'drain');
    }
    socket.end();
    await done;
    expect(bytes).toBe(50 * MEGABYTE);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
  });

  test('a peer that does not read stops the client, and the others go on', async () => {
    const stuck: Socket[] = [];
    const { port } = await through(
      await listen(
        createServer((socket) => {
          socket.pause();
          stuck.push(socket);
        }),
      ),
      10,
    );
    const sender = dial(port);
    const block = randomBytes(MEGABYTE);
    let accepted = 0;
    const pump = (error?: Error | null) => {
      if (error) return;
      accepted += 1;
      sender.write(block, pump);
    };
    pump();
    let before = -1;
    await until(async () => {
      before = accepted;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return accepted > 1 && accepted === before;
    });
    // 4 MiB of the proxy's, and what the kernel's buffers hold on both sides.
    expect(accepted).toBeLessThan(40);

    const other = await through(await listen(echo()), 10);
    await roundTrip(dial(other.port), 'not stuck');
    let read = 0;
    stuck[0]!.on('data', (chunk) => {
      read += chunk.length;
    });
    stuck[0]!.resume();
    await until(() => read > (before + 5) * MEGABYTE);
  });

  test('500 connections at once are kept apart', async () => {
    const { proxy, port } = await through(await listen(echo()), 50, 25);
    await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        const socket = dial(port);
        const message = `${index} `.repeat(200);
        socket.end(message);
        expect(String(await all(socket))).toBe(message);
      }),
    );
    expect(proxy.counters.connections).toBe(500);
    await until(() => proxy.counters.open === 0);
  });

  test('TLS', async () => {
    const server = createTlsServer({ key: testKey, cert: testCertificate }, (socket) => socket.pipe(socket));
    const { port } = await through(await listen(server), 10);
    const socket = connectTls({ port, host: '127.0.0.1', ca: testCertificate });
    closers.push(() => socket.destroy());
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(true);
    await roundTrip(socket, 'secret');
    socket.end();
    await once(socket, 'close');
  });

  test('HTTP/2 with a hundred streams over one connection', async () => {
    const server = createHttp2Server();
    server.on('stream', (stream, headers) => stream.end(`${headers[':path']}${'.'.repeat(20_000)}`));
    const { port, proxy } = await through(await listen(server as unknown as Server), 10, 5);
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    closers.push(() => session.destroy());
    const bodies = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const stream = session.request({ ':path': `/${index}` });
        let body = '';
        for await (const chunk of stream) body += chunk;
        return body;
      }),
    );
    bodies.forEach((body, index) => {
      expect(body).toBe(`/${index}${'.'.repeat(20_000)}`);
    });
    expect(proxy.counters.connections).toBe(1);
    session.close();
    await once(session, 'close');
  });

  test('a connection upgraded from HTTP, as a WebSocket is', async () => {
    const server = createHttpServer();
    server.on('upgrade', (_request, socket: Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      socket.pipe(socket);
    });
    const { port } = await through(await listen(server), 10);
    const asked = request({ port, headers: { Connection: 'Upgrade', Upgrade: 'websocket' } });
    asked.end();
    const [response, socket] = (await once(asked, 'upgrade')) as [{ statusCode: number }, Socket];
    closers.push(() => socket.destroy());
    expect(response.statusCode).toBe(101);
    await roundTrip(socket, 'frame one');
    await roundTrip(socket, 'frame two');
  });

  test('a pipeline of Redis commands', async () => {
    const store = new Map<string, string>();
    const server = createServer((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        for (let parsed = command(text); parsed; parsed = command(text)) {
          text = text.slice(parsed.length);
          const [verb, key = '', value = ''] = parsed.words;
          if (verb === 'SET') store.set(key, value);
          socket.write(verb === 'SET' ? '+OK\r\n' : `$${store.get(key)?.length}\r\n${store.get(key)}\r\n`);
        }
      });
    });
    const { port } = await through(await listen(server), 20, 20);
    const socket = dial(port);
    let answers = '';
    socket.on('data', (chunk) => {
      answers += chunk;
    });
    let expected = '';
    for (let index = 0; index < 200; index += 1) {
      socket.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n${100 + index}\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`);
      expected += `+OK\r\n$3\r\n${100 + index}\r\n`;
      if (index % 20 === 0) await new Promise(setImmediate);
    }
    await until(() => answers.length >= expected.length);
    expect(answers).toBe(expected);
  });
});

describe('a proxy that ends', () => {
  test('stops the delay at once, also for what is held back and for new connections', async () => {
    const { proxy, port } = await through(await listen(echo()), 60_000);
    const socket = dial(port);
    const answered = roundTrip(socket, 'held back');
    await until(() => proxy.counters.connections === 1);
    proxy.stop();
    expect(await answered).toBeLessThan(5_000);
    expect(await roundTrip(socket, 'direct')).toBeLessThan(1_000);
    expect(await roundTrip(dial(port), 'new')).toBeLessThan(1_000);
    expect(proxy.counters.connections).toBe(1);
  });

  test('resets what is left, counts it, and takes no more', async () => {
    const { proxy, port } = await through(await listen(echo()), 10);
    const sockets = [dial(port), dial(port)];
    for (const socket of sockets) await roundTrip(socket, 'open');
    const errors = sockets.map(async (socket) => ((await once(socket, 'error')) as [NodeJS.ErrnoException])[0].code);
    proxy.close();
    expect(await Promise.all(errors)).toEqual(['ECONNRESET', 'ECONNRESET']);
    await until(() => proxy.counters.open === 0);
    expect(proxy.counters.cut).toBe(2);
    const [refused] = (await once(dial(port), 'error')) as [NodeJS.ErrnoException];
    expect(refused.code).toBe('ECONNREFUSED');
  });

  test('destinations that are no longer wanted keep their connections, others their port', async () => {
    const [first, second] = [await listen(echo()), await listen(echo())];
    const proxy = new DelayProxy(5, 0);
    closers.push(() => proxy.close());
    const before = await proxy.listen([
      { address: '127.0.0.1', port: first },
      { address: '127.0.0.1', port: second },
    ]);
    const socket = dial(before[0]!.at);
    await roundTrip(socket, 'before');
    const after = await proxy.listen([{ address: '127.0.0.1', port: second }]);
    expect(after).toEqual([before[1]]);
    await roundTrip(socket, 'after');
    await until(async () => {
      const probe = connect({ port: before[0]!.at, host: '127.0.0.1' });
      const refused = await new Promise((resolve) => {
        probe.once('error', () => resolve(true)).once('connect', () => resolve(false));
      });
      probe.destroy();
      return refused === true;
    });
    await roundTrip(socket, 'still there');
  });
});

/** The first whole command of the Redis protocol in a text. */
function command(text: string): { words: string[]; length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (!head) return undefined;
  let at = head[0].length;
  const words: string[] = [];
  for (let index = 0; index < Number(head[1]); index += 1) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (!size) return undefined;
    const start = at + size[0].length;
    at = start + Number(size[1]) + 2;
    if (text.length < at) return undefined;
    words.push(text.slice(start, at - 2));
  }
  return { words, length: at };
}
