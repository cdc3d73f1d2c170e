import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { shopCertificate, shopKey } from '../testing/tls.js';
import type { AddressPolicy } from './address-policy.js';
import { monotonicMilliseconds } from './clock.js';
import type { HttpSpec } from './http.js';
import { httpSampler, statusMatcher } from './http-sampler.js';
import type { Outcome, Sampler, ServiceAddress, Services } from './probe.js';

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** Listens on a free loopback port until the end of the test, and gives the port. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const serve = (listener: RequestListener) => listen(createHttpServer(listener));
const answerRaw = (onSocket: (socket: Socket) => void) => listen(createTcpServer(onSocket));

interface Surroundings {
  policy?: AddressPolicy;
  service?: ServiceAddress | Promise<ServiceAddress>;
}

function samplerOf(changes: Partial<HttpSpec> & { url: string }, { policy, service }: Surroundings = {}): Sampler {
  const spec: HttpSpec = {
    method: 'GET',
    rate: '10/s',
    timeout: '5s',
    status: ['2xx'],
    followRedirects: 0,
    ...changes,
  };
  const services = { resolveService: async () => service } as unknown as Services;
  return httpSampler(spec, {
    namespace: 'shop',
    expect: {},
    services,
    policy: policy ?? { blockLoopback: false, blocked: [] },
    now: monotonicMilliseconds,
  });
}

/** Takes one sample. */
function sample(changes: Partial<HttpSpec> & { url: string }, surroundings: Surroundings = {}): Promise<Outcome> {
  return samplerOf(changes, surroundings).sample(monotonicMilliseconds());
}

describe('a request that is answered', () => {
  test('is a success with its latency when the status is expected', async () => {
    const port = await serve((_request, response) => response.end('fine'));
    const outcome = await sample({ url: `http://127.0.0.1:${port}/` });
    expect(outcome).toEqual({ ok: true, latencyMilliseconds: expect.any(Number) });
  });

  test('carries method, path, headers and body, and has a connection of its own', async () => {
    const seen: unknown[] = [];
    const port = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        const { host, connection } = request.headers;
        seen.push([request.method, request.url, request.headers['x-team'], body, host, connection]);
        response.end();
      });
    });
    const url = `http://localhost:${port}/orders?id=7`;
    await sample({ url, method: 'POST', headers: { 'X-Team': 'shop' }, requestBody: 'two shoes' });
    expect(seen).toEqual([['POST', '/orders?id=7', 'shop', 'two shoes', `localhost:${port}`, 'close']]);
  });

  test('is a failure without latency when the status is another', async () => {
    const port = await serve((_request, response) => response.writeHead(503).end());
    expect(await sample({ url: `http://127.0.0.1:${port}/`, status: ['2xx', '304'] })).toEqual({
      ok: false,
      detail: 'status 503, expected 2xx or 304',
    });
  });

  test.each([
    [['2xx'], 204, true],
    [['2xx'], 302, false],
    [['200', '3xx'], 302, true],
    [['200-204'], 204, true],
    [['200-204'], 205, false],
  ])('statuses %j admit %d: %s', (accepted, status, admitted) => {
    expect(statusMatcher(accepted)(status)).toBe(admitted);
  });

  test.each([
    ['"status": *"up"', true],
    ['down', false],
  ])('with the pattern %s succeeds: %s', async (matches, ok) => {
    const port = await serve((_request, response) => response.end('{"status": "up"}'));
    const outcome = await sample({ url: `http://127.0.0.1:${port}/`, body: { matches } });
    expect(outcome.ok).toBe(ok);
    expect(outcome.own).toBeUndefined();
  });

  test('with a pattern that makes other engines hang is judged at once', async () => {
    const port = await serve((_request, response) => response.end(`${'a'.repeat(60_000)}!`));
    const outcome = await sample({ url: `http://127.0.0.1:${port}/`, body: { matches: '^(a+)+$' } });
    expect(outcome).toEqual({ ok: false, detail: "the body does not match '^(a+)+$'" });
  });
});

describe('a request that is not answered', () => {
  test('fails when the connection is refused', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await sample({ url: `http://127.0.0.1:${port}/` })).toEqual({ ok: false, detail: 'connection refused' });
  });

  test('fails after its timeout when nobody answers, and counts at least that long', async () => {
    const port = await answerRaw(() => undefined);
    const outcome = await sample({ url: `http://127.0.0.1:${port}/`, timeout: '200ms' });
    expect(outcome).toMatchObject({ ok: false, detail: 'no answer within 200ms' });
    expect(outcome.latencyMilliseconds).toBeGreaterThanOrEqual(200);
  });

  test('fails after its timeout when the body comes one byte at a time', async () => {
    const port = await serve((_request, response) => {
      const timer = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(timer));
    });
    const outcome = await sample({ url: `http://127.0.0.1:${port}/`, timeout: '300ms' });
    expect(outcome).toMatchObject({ ok: false, detail: 'status 200, but the body was not complete within 300ms' });
    expect(outcome.latencyMilliseconds).toBeGreaterThanOrEqual(300);
  });

  test('fails when the connection is closed before the answer, or in the middle of it', async () => {
    const silent = await answerRaw((socket) => socket.once('data', () => socket.destroy()));
    expect(await sample({ url: `http://127.0.0.1:${silent}/` })).toEqual({
      ok: false,
      detail: 'the connection was closed before an answer came',
    });
    for (const head of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
      const cut = await answerRaw((socket) => {
        socket.once('data', () =>
          socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n5\r\nhello\r\n`, () => socket.destroy()),
        );
      });
      expect(await sample({ url: `http://127.0.0.1:${cut}/` })).toEqual({
        ok: false,
        detail: 'the connection was closed in the middle of the body',
      });
    }
  });

  test('fails when the answer is not HTTP, or switches protocols unasked', async () => {
    const other = await answerRaw((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    const notHttp = await sample({ url: `http://127.0.0.1:${other}/` });
    expect(notHttp).toMatchObject({ ok: false, detail: expect.stringContaining('the answer is not HTTP') });
    expect(notHttp.own).toBeUndefined();
    const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';
    const switching = await answerRaw((socket) => socket.write(upgrade));
    expect(await sample({ url: `http://127.0.0.1:${switching}/` })).toEqual({
      ok: false,
      detail: 'the connection was closed without an answer',
    });
  });

  test('fails when the host name is not known', async () => {
    expect(await sample({ url: 'http://nowhere.invalid/' })).toMatchObject({
      ok: false,
      detail: expect.stringContaining("host name 'nowhere.invalid' is not known"),
    });
  });
});

test('when 1000 requests wait for an answer, no more are sent, which is a failure of the target', async () => {
  const sampler = samplerOf(
    { url: 'http://checkout.shop.svc/', timeout: '300ms' },
    { service: new Promise(() => undefined) },
  );
  const waiting = Array.from({ length: 1_000 }, () => sampler.sample(monotonicMilliseconds()));
  expect(await sampler.sample(monotonicMilliseconds())).toEqual({
    ok: false,
    detail: '1000 requests are already waiting for an answer',
  });
  const inTime = { ok: false, detail: expect.stringContaining('in time') };
  expect((await Promise.all(waiting))[0]).toMatchObject(inTime);
  expect(await sampler.sample(monotonicMilliseconds())).toMatchObject(inTime);
});

describe('a body without end', () => {
  test('is cut off, and the sample is as good as without it', async () => {
    let sent = 0;
    const port = await serve((_request, response) => {
      const chunk = Buffer.alloc(256 * 1024, 'x');
      response.writeHead(200, { 'content-length': 10 * 1024 ** 3 });
      const more = () => {
        do sent += chunk.length;
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      more();
    });
    const url = `http://127.0.0.1:${port}/`;
    expect(await sample({ url })).toMatchObject({ ok: true });
    expect(await sample({ url, body: { matches: '^xxx' } })).toMatchObject({ ok: true });
    expect(await sample({ url, body: { matches: 'y' } })).toMatchObject({ ok: false });
    expect(sent).toBeLessThan(200 * 1024 ** 2);
  });
});

describe('a redirect', () => {
  test('is judged by its own status unless it is to be followed', async () => {
    const port = await serve((_request, response) => response.writeHead(302, { location: '/next' }).end());
    expect(await sample({ url: `http://127.0.0.1:${port}/` })).toMatchObject({
      ok: false,
      detail: 'status 302, expected 2xx',
    });
    expect(await sample({ url: `http://127.0.0.1:${port}/`, status: ['302'] })).toMatchObject({ ok: true });
  });

  test('is followed, and a POST becomes a GET without a body', async () => {
    const seen: string[] = [];
    const port = await serve((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers['content-length'] ?? 0}`);
      if (request.url === '/') response.writeHead(303, { location: '/done' }).end();
      else response.end();
    });
    const url = `http://127.0.0.1:${port}/`;
    expect(await sample({ url, method: 'POST', requestBody: 'abc', followRedirects: 1 })).toMatchObject({ ok: true });
    expect(seen).toEqual(['POST / 3', 'GET /done 0']);
  });

  test('that goes round in circles ends with a failure', async () => {
    let requests = 0;
    const port = await serve((_request, response) => {
      requests += 1;
      response.writeHead(302, { location: '/' }).end();
    });
    expect(await sample({ url: `http://127.0.0.1:${port}/`, followRedirects: 10 })).toEqual({
      ok: false,
      detail: 'more than 10 redirects',
    });
    expect(requests).toBe(11);
  });

  test('does not carry headers to another origin', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization, request.headers['user-agent']);
      response.end();
    });
    const port = await serve((_request, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${other}/` }).end(),
    );
    const headers = { authorization: 'Bearer abc' };
    await sample({ url: `http://127.0.0.1:${port}/`, headers, followRedirects: 1 });
    expect(seen).toEqual([undefined, 'squall-probe']);
  });

  test('to a link-local address is not followed, and is no failure of the target', async () => {
    const port = await serve((_request, response) =>
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end(),
    );
    expect(await sample({ url: `http://127.0.0.1:${port}/`, followRedirects: 3 })).toMatchObject({
      own: true,
      detail: "'169.254.169.254' port 80 is link-local, which probes may not reach",
    });
  });

  test('to something other than HTTP is a failure', async () => {
    const port = await serve((_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end());
    expect(await sample({ url: `http://127.0.0.1:${port}/`, followRedirects: 3 })).toEqual({
      ok: false,
      detail: "redirects to 'file:///etc/passwd', which is no HTTP URL",
    });
  });
});

describe('an address that is not to be reached', () => {
  test('is refused by name, by address, and when a name leads to it', async () => {
    let requests = 0;
    const port = await serve((_request, response) => {
      requests += 1;
      response.end();
    });
    const policy = { blockLoopback: false, blocked: [`127.0.0.1:${port}`] };
    expect(await sample({ url: `http://127.0.0.1:${port}/` }, { policy })).toMatchObject({ own: true });
    expect(await sample({ url: `http://localhost:${port}/` }, { policy })).toMatchObject({ own: true });
    expect(await sample({ url: `http://[::ffff:127.0.0.1]:${port}/` }, { policy })).toMatchObject({ own: true });
    const service = { addresses: ['127.0.0.1'], ports: { 80: port } };
    expect(await sample({ url: 'http://checkout.shop.svc/' }, { policy, service })).toMatchObject({ own: true });
    expect(requests).toBe(0);
  });
});

describe('a Service that DNS does not know', () => {
  test('is reached at the address and port the API server gives, under its own name', async () => {
    const hosts: (string | undefined)[] = [];
    const port = await serve((request, response) => {
      hosts.push(request.headers.host);
      response.end();
    });
    const service = { addresses: ['127.0.0.1'], ports: { 80: port } };
    expect(await sample({ url: 'http://checkout.shop.svc/healthz' }, { service })).toMatchObject({ ok: true });
    expect(hosts).toEqual(['checkout.shop.svc']);
  });

  test('is no failure of the target while the API server does not say where it is', async () => {
    const service = new Promise<ServiceAddress>(() => undefined);
    const outcome = await sample({ url: 'http://checkout.shop.svc/', timeout: '600ms' }, { service });
    expect(outcome).toMatchObject({ ok: false, own: true, detail: expect.stringContaining('did not say in time') });
  });

  test('fails when it has no ready endpoints', async () => {
    expect(await sample({ url: 'http://checkout.shop.svc/' }, { service: { addresses: [] } })).toEqual({
      ok: false,
      detail: "Service 'checkout.shop.svc' has no ready endpoints",
    });
  });
});

describe('TLS', () => {
  const serveTls = () =>
    listen(createHttpsServer({ key: shopKey, cert: shopCertificate }, (_request, response) => response.end('fine')));

  test('fails with a certificate that nobody trusts', async () => {
    const outcome = await sample({ url: `https://127.0.0.1:${await serveTls()}/` });
    expect(outcome).toMatchObject({ ok: false, detail: expect.stringContaining('the certificate is not accepted') });
    expect(outcome.own).toBeUndefined();
  });

  test('succeeds when the certificate is trusted and names the host, in the URL or in serverName', async () => {
    const port = await serveTls();
    const service = { addresses: ['127.0.0.1'], ports: { 443: port } };
    const trusting = { caBundle: shopCertificate };
    expect(await sample({ url: 'https://checkout.shop.svc/', tls: trusting }, { service })).toMatchObject({ ok: true });
    const named = { caBundle: shopCertificate, serverName: 'checkout.shop.svc' };
    expect(await sample({ url: `https://127.0.0.1:${port}/`, tls: named })).toMatchObject({ ok: true });
    expect(await sample({ url: `https://127.0.0.1:${port}/`, tls: trusting })).toMatchObject({
      ok: false,
      detail: expect.stringContaining('the certificate is not accepted'),
    });
  });

  test('succeeds with any certificate when it is not to be verified', async () => {
    const url = `https://127.0.0.1:${await serveTls()}/`;
    expect(await sample({ url, tls: { insecureSkipVerify: true } })).toMatchObject({ ok: true });
  });

  test('fails when the server does not speak it', async () => {
    const port = await serve((_request, response) => response.end());
    const outcome = await sample({ url: `https://127.0.0.1:${port}/` });
    expect(outcome).toMatchObject({ ok: false, detail: expect.stringContaining('the TLS handshake failed') });
    expect(outcome.own).toBeUndefined();
  });
});
