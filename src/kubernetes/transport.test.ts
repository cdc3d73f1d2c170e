import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type Script,
  type ScriptedServer,
  sendJson,
  sendStatus,
  startScriptedServer,
  until,
} from '../testing/scripted-server.js';
import { clusterAt } from './kubeconfig.js';
import { type ApiError, createTransport, type Transport, type TransportOptions, type WatchEvent } from './transport.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(
  script: Script,
  options: Partial<TransportOptions> = {},
): Promise<{ server: ScriptedServer; transport: Transport }> {
  const server = await startScriptedServer(script);
  const transport = createTransport(clusterAt(server.url), { userAgent: 'squall/test (transport)', ...options });
  closers.push(
    () => transport.close(),
    () => server.close(),
  );
  return { server, transport };
}

const ok: Script = (_request, response) => sendJson(response, 200, { kind: 'Pod' });
const get = { method: 'GET', path: '/api/v1/pods' } as const;

describe('requests', () => {
  test('fifty requests in a row share one connection', async () => {
    const { server, transport } = await setUp(ok);
    for (let count = 0; count < 50; count += 1) await transport.request(get);
    expect(server.requests).toHaveLength(50);
    expect(server.connections()).toBe(1);
  });

  test('name us, send JSON and the query, and return the parsed body and the date', async () => {
    const { server, transport } = await setUp(ok);
    const { body, date } = await transport.request({
      method: 'POST',
      path: '/api/v1/x',
      query: { fieldManager: 'squall', limit: 5, continue: undefined },
      body: { a: 'é' },
    });
    const [request] = server.requests;
    expect(request?.headers['user-agent']).toBe('squall/test (transport)');
    expect(request?.headers['content-type']).toBe('application/json');
    expect(request?.query.toString()).toBe('fieldManager=squall&limit=5');
    expect(request?.body).toEqual({ a: 'é' });
    expect(body).toEqual({ kind: 'Pod' });
    expect(Date.parse(date ?? '')).not.toBeNaN();
    expect(transport.clock.synced).toBe(true);
  });

  test('return text that is not JSON as it is', async () => {
    const { transport } = await setUp((_request, response) => response.end('a log line\n') && undefined);
    expect((await transport.request(get)).body).toBe('a log line\n');
  });

  test('fail with the reason, message and details of the Status', async () => {
    const { transport } = await setUp((_request, response) =>
      sendStatus(response, 409, 'AlreadyExists', { details: { name: 'a' } }),
    );
    const error = (await transport.request({ ...get, method: 'POST' }).catch((caught: unknown) => caught)) as ApiError;
    expect(error).toMatchObject({
      name: 'ApiError',
      status: 409,
      reason: 'AlreadyExists',
      message: 'scripted AlreadyExists',
      details: { name: 'a' },
    });
    expect([error.isAlreadyExists, error.isConflict, error.isNotFound]).toEqual([true, false, false]);
  });

  test('fail with what there is when the answer is no Status', async () => {
    const { transport } = await setUp((_request, response) => response.writeHead(418).end('teapot') && undefined);
    await expect(transport.request(get)).rejects.toMatchObject({
      status: 418,
      message: 'The API server answered 418: teapot',
    });
  });

  test('wait as long as Retry-After says, whatever the verb', async () => {
    const { server, transport } = await setUp((_request, response, index) =>
      index === 0
        ? sendStatus(response, 429, 'TooManyRequests', {}, { 'retry-after': '1' })
        : sendJson(response, 201, {}),
    );
    const startedAt = performance.now();
    await transport.request({ method: 'POST', path: '/x', body: {} });
    expect(server.requests).toHaveLength(2);
    expect(performance.now() - startedAt).toBeGreaterThan(950);
  });

  test('do not wait for a Retry-After beyond the time-out', async () => {
    const { server, transport } = await setUp((_request, response) =>
      sendStatus(response, 503, 'Busy', {}, { 'retry-after': '60' }),
    );
    await expect(transport.request({ ...get, timeoutMs: 2_000 })).rejects.toMatchObject({ status: 503 });
    expect(server.requests).toHaveLength(1);
  });

  test('leave a refused eviction to the caller', async () => {
    const details = { retryAfterSeconds: 1, causes: [{ reason: 'DisruptionBudget', message: 'needs 2 healthy pods' }] };
    const { server, transport } = await setUp((_request, response) =>
      sendStatus(response, 429, 'TooManyRequests', { details }),
    );
    await expect(transport.request({ method: 'POST', path: '/x' })).rejects.toMatchObject({ isDisruptionBudget: true });
    expect(server.requests).toHaveLength(1);
  });

  test('are repeated after a 502 when reading, not when creating', async () => {
    const { server, transport } = await setUp((_request, response, index) =>
      index === 0 || _request.method === 'POST' ? sendStatus(response, 502, 'Bad') : sendJson(response, 200, {}),
    );
    await transport.request(get);
    expect(server.requests).toHaveLength(2);
    await expect(transport.request({ method: 'POST', path: '/x' })).rejects.toMatchObject({ status: 502 });
    expect(server.requests).toHaveLength(3);
  });

  test('survive a connection that is reset, when repeating does no harm', async () => {
    const { server, transport } = await setUp((_request, response, index) =>
      index < 2 ? void response.socket?.resetAndDestroy() : sendJson(response, 200, {}),
    );
    await transport.request({ method: 'DELETE', path: '/x' });
    expect(server.requests).toHaveLength(3);
  });

  test('do not create twice when a fresh connection breaks', async () => {
    const { server, transport } = await setUp((_request, response) => void response.socket?.resetAndDestroy());
    await expect(transport.request({ method: 'POST', path: '/x' })).rejects.toMatchObject({
      name: 'TransportError',
      code: 'ECONNRESET',
    });
    expect(server.requests).toHaveLength(1);
  });

  test('that must not be repeated are sent once, also on a connection that was used before', async () => {
    const { server, transport } = await setUp((_request, response, index) =>
      index === 0 ? sendJson(response, 200, {}) : void response.socket?.resetAndDestroy(),
    );
    await transport.request(get);
    await expect(transport.request({ method: 'DELETE', path: '/x', repeat: false })).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    expect(server.requests).toHaveLength(2);
    expect(server.connections()).toBe(1);
  });

  test('come through when the server is back within the time-out, also a create', async () => {
    const first = await startScriptedServer(ok);
    await first.close();
    const transport = createTransport(clusterAt(first.url), { userAgent: 'test' });
    closers.push(() => transport.close());
    const request = transport.request({ method: 'POST', path: '/x', body: {} });
    const { createServer } = await import('node:http');
    const back = createServer((_request, response) => sendJson(response, 201, { back: true }));
    setTimeout(() => back.listen(Number(new URL(first.url).port), '127.0.0.1'), 200);
    closers.push(() => back.close());
    expect((await request).body).toEqual({ back: true });
  });

  test('name the server when it does not answer at all', async () => {
    const server = await startScriptedServer(ok);
    await server.close();
    const transport = createTransport(clusterAt(server.url), { userAgent: 'test' });
    await expect(transport.request({ ...get, timeoutMs: 300 })).rejects.toThrow(server.url);
  });

  test('end at the time-out when the server hangs, and say so', async () => {
    const { transport } = await setUp(() => {});
    await expect(transport.request({ ...get, timeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('end at once when they are cancelled', async () => {
    const { transport } = await setUp(() => {});
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    await expect(transport.request({ ...get, signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('read no more than the limit', async () => {
    const { transport } = await setUp((_request, response) => sendJson(response, 200, { big: 'x'.repeat(10_000) }), {
      maxResponseBytes: 1_000,
    });
    await expect(transport.request(get)).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });

  test('keep to the rate limit, and those of high priority do not', async () => {
    const { transport } = await setUp(ok, { qps: 20, burst: 1 });
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: 7 }, () => transport.request(get)));
    const normal = performance.now() - startedAt;
    expect(normal).toBeGreaterThan(290);
    const again = performance.now();
    await Promise.all(Array.from({ length: 7 }, () => transport.request({ ...get, priority: 'high' })));
    expect(performance.now() - again).toBeLessThan(normal);
  });

  test('ask once for new credentials when the server refuses the present ones', async () => {
    const { server } = await setUp((request, response) =>
      request.headers.authorization === 'Bearer new'
        ? sendJson(response, 200, {})
        : sendStatus(response, 401, 'Unauthorized'),
    );
    const asked: boolean[] = [];
    const cluster = {
      ...clusterAt(server.url),
      credentials: async (fresh = false) => {
        asked.push(fresh);
        return { headers: { Authorization: fresh ? 'Bearer new' : 'Bearer old' }, tls: {} };
      },
    };
    const transport = createTransport(cluster, { userAgent: 'test' });
    closers.push(() => transport.close());
    await transport.request(get);
    expect(asked).toEqual([false, true]);
    cluster.credentials = async () => ({ headers: { Authorization: 'Bearer secret' }, tls: {} });
    const error = (await transport.request(get).catch((caught: unknown) => caught)) as ApiError;
    expect(error.status).toBe(401);
    expect(JSON.stringify(error) + error.message + error.stack).not.toContain('secret');
  });
});

describe('watches', () => {
  const event = (name: string, type = 'ADDED'): string =>
    `${JSON.stringify({ type, object: { metadata: { name } } })}\n`;

  async function collect(events: AsyncIterable<WatchEvent>): Promise<string[]> {
    const seen: string[] = [];
    for await (const { type, object } of events) seen.push(`${type} ${object.metadata.name}`);
    return seen;
  }

  test('give every event, however the bytes are cut, and end with the answer', async () => {
    const { server, transport } = await setUp(async (_request, response) => {
      for (const byte of Buffer.from(event('ä') + event('b', 'DELETED'))) {
        response.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end(`${event('c')}\n${event('d')}`);
    });
    expect(await collect(transport.watch({ path: '/w', query: { resourceVersion: '7' } }))).toEqual([
      'ADDED ä',
      'DELETED b',
      'ADDED c',
      'ADDED d',
    ]);
    expect(server.requests[0]?.query.toString()).toBe('resourceVersion=7&watch=true');
  });

  test('fail with the error of the answer, or of an ERROR event', async () => {
    const { transport } = await setUp((_request, response, index) =>
      index === 0
        ? sendStatus(response, 410, 'Expired')
        : void response.end(`{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n`),
    );
    for (let count = 0; count < 2; count += 1) {
      await expect(collect(transport.watch({ path: '/w' }))).rejects.toMatchObject({ isExpired: true });
    }
  });

  test('fail when the connection is reset', async () => {
    const { transport } = await setUp((_request, response) => {
      response.write(event('a'));
      setTimeout(() => response.socket?.resetAndDestroy(), 20);
    });
    await expect(collect(transport.watch({ path: '/w' }))).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test.each([
    ['after the first event', (response: { write(text: string): unknown }) => void response.write(event('a'))],
    ['before the headers', () => {}],
  ])('fail when the server falls silent %s', async (_when, answer) => {
    const { transport } = await setUp((_request, response) => answer(response));
    await expect(collect(transport.watch({ path: '/w', watchdogMs: 80 }))).rejects.toMatchObject({ code: 'SILENT' });
  });

  test('do not count time that the consumer takes as silence', async () => {
    const { transport } = await setUp((_request, response) => {
      response.write(event('a'));
      setTimeout(() => response.end(event('b')), 50);
    });
    const seen: unknown[] = [];
    for await (const { object } of transport.watch({ path: '/w', watchdogMs: 150 })) {
      seen.push(object.metadata.name);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(seen).toEqual(['a', 'b']);
  });

  test('live longer than the watchdog as long as something comes', async () => {
    const { transport } = await setUp((_request, response) => {
      let count = 0;
      const timer = setInterval(() => {
        count += 1;
        if (count < 10) response.write(event(String(count)));
        else response.end();
      }, 50);
      response.on('close', () => clearInterval(timer));
    });
    expect(await collect(transport.watch({ path: '/w', watchdogMs: 250 }))).toHaveLength(9);
  });

  test('end without an error when they are cancelled, and close the connection', async () => {
    let closed = false;
    const { transport } = await setUp((_request, response) => {
      response.write(event('a'));
      response.on('close', () => {
        closed = true;
      });
    });
    const abort = new AbortController();
    for await (const _event of transport.watch({ path: '/w', signal: abort.signal })) abort.abort();
    await until(() => closed, 'the connection was closed');
  });

  test('close the connection when the consumer leaves the loop', async () => {
    let closed = false;
    const { transport } = await setUp((_request, response) => {
      response.write(event('a'));
      response.on('close', () => {
        closed = true;
      });
    });
    for await (const _event of transport.watch({ path: '/w' })) break;
    await until(() => closed, 'the connection was closed');
  });

  test('do not read an endless event', async () => {
    const { transport } = await setUp(
      (_request, response) => {
        const timer = setInterval(() => response.write('x'.repeat(1_000)), 1);
        response.on('close', () => clearInterval(timer));
      },
      { maxResponseBytes: 10_000 },
    );
    await expect(collect(transport.watch({ path: '/w' }))).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });
});
