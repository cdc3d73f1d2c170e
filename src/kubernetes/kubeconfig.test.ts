import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { startTestServer } from '../sandbox/server/test-server.js';
import { sendJson, startScriptedServer } from '../testing/scripted-server.js';
import { testCertificate, testKey } from '../testing/tls.js';
import { type ClusterConfig, loadCluster } from './kubeconfig.js';
import { createTransport, type Response } from './transport.js';

let folder = '';
const closers: (() => unknown)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'squall-kubeconfig-'));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await rm(folder, { recursive: true });
});

interface Parts {
  cluster?: object;
  user?: object;
  namespace?: string;
  name?: string;
}

/** Writes a kubeconfig with one context and returns its path. */
async function write(
  { cluster = { server: 'http://127.0.0.1:1' }, user = {}, namespace, name = 'staging' }: Parts,
  file = 'config',
): Promise<string> {
  const path = join(folder, file);
  const context = { cluster: name, user: name, ...(namespace ? { namespace } : {}) };
  await writeFile(
    path,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster }],
      users: [{ name, user }],
      contexts: [{ name, context }],
      'current-context': name,
    }),
  );
  return path;
}

/** An HTTPS server that answers with what it knows of its client. */
async function startTls(options: object = {}): Promise<string> {
  const server: Server = createServer(
    {
      key: testKey,
      cert: testCertificate,
      ca: testCertificate,
      requestCert: true,
      rejectUnauthorized: false,
      ...options,
    },
    (request, response) => {
      const { socket, headers } = request;
      const peer = 'getPeerCertificate' in socket ? (socket as import('node:tls').TLSSocket).getPeerCertificate() : {};
      sendJson(response, 200, {
        authorization: headers.authorization,
        impersonate: headers['impersonate-user'],
        peer: (peer as { subject?: { CN: string } }).subject?.CN,
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function ask(cluster: ClusterConfig): Promise<Response['body']> {
  const transport = createTransport(cluster, { userAgent: 'test' });
  closers.push(() => transport.close());
  return (await transport.request({ method: 'GET', path: '/version', timeoutMs: 3_000 })).body;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const authority = { 'certificate-authority-data': base64(testCertificate) };

describe('a kubeconfig', () => {
  test('gives the server, the namespace and a token, also for plain http', async () => {
    const server = await startScriptedServer((request, response) =>
      sendJson(response, 200, { authorization: request.headers.authorization }),
    );
    closers.push(() => server.close());
    const cluster = await loadCluster({
      kubeconfig: await write({ cluster: { server: `${server.url}/` }, user: { token: 'secret' }, namespace: 'shop' }),
    });
    expect(cluster).toMatchObject({ server: server.url, namespace: 'shop', context: 'staging' });
    expect(await ask(cluster)).toEqual({ authorization: 'Bearer secret' });
  });

  test('verifies the server with its authority, and shows a client certificate', async () => {
    const user = { 'client-certificate-data': base64(testCertificate), 'client-key-data': base64(testKey), as: 'jane' };
    const cluster = await loadCluster({
      kubeconfig: await write({ cluster: { server: await startTls(), ...authority }, user }),
    });
    expect(await ask(cluster)).toEqual({ peer: 'squall-test', impersonate: 'jane' });
  });

  test('acts as another user with groups, as kubectl would', async () => {
    const server = await startTestServer();
    closers.push(() => void server.close());
    const user = {
      as: 'jane',
      'as-uid': '7',
      'as-groups': ['testers', 'shop, owners'],
      'as-user-extra': { 'example.org/team': ['a', 'b'] },
    };
    const cluster = await loadCluster({ kubeconfig: await write({ cluster: { server: server.url }, user }) });
    const transport = createTransport(cluster, { userAgent: 'test' });
    closers.push(() => transport.close());
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const { body } = await transport.request({ method: 'POST', path, body: {} });
    expect(body.status.userInfo).toEqual({
      username: 'jane',
      uid: '7',
      groups: ['testers', 'shop, owners', 'system:authenticated'],
      extra: { 'example.org/team': ['a', 'b'] },
    });
  });

  test('refuses a server it cannot verify, unless told otherwise', async () => {
    const server = await startTls();
    await expect(ask(await loadCluster({ kubeconfig: await write({ cluster: { server } }) }))).rejects.toThrow(
      'self-signed certificate',
    );
    const user = { username: 'jane', password: 'secret' };
    const insecure = await loadCluster({
      kubeconfig: await write({ cluster: { server, 'insecure-skip-tls-verify': true }, user }),
    });
    expect(await ask(insecure)).toEqual({ authorization: `Basic ${base64('jane:secret')}` });
  });

  test('verifies the server also when the context has no user', async () => {
    const path = await write({ cluster: { server: await startTls(), ...authority } });
    const text = stringify({
      contexts: [{ name: 'nobody', context: { cluster: 'staging' } }],
      'current-context': 'nobody',
    });
    await writeFile(join(folder, 'nobody'), text);
    const cluster = await loadCluster({ environment: { KUBECONFIG: [join(folder, 'nobody'), path].join(delimiter) } });
    expect(cluster.context).toBe('nobody');
    expect(await ask(cluster)).toEqual({});
  });

  test('asks a credential plug-in, remembers its answer, and asks again when the server has refused it', async () => {
    const script = `const fs = require('fs'); const file = ${JSON.stringify(join(folder, 'count'))};
      const count = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').length + 1 : 1;
      fs.writeFileSync(file, 'x'.repeat(count));
      console.log(JSON.stringify({status: {token: 'token-' + count, expirationTimestamp: '2999-01-01T00:00:00Z'}}))`;
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', script] };
    const cluster = await loadCluster({ kubeconfig: await write({ user: { exec } }) });
    for (let count = 0; count < 3; count += 1)
      expect((await cluster.credentials()).headers.Authorization).toBe('Bearer token-1');
    expect((await cluster.credentials(true)).headers.Authorization).toBe('Bearer token-2');
    expect((await cluster.credentials()).headers.Authorization).toBe('Bearer token-2');
  });

  test('says which context a failing plug-in belongs to', async () => {
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['-e', 'console.error("log in first"); process.exit(1)'],
    };
    const cluster = await loadCluster({ kubeconfig: await write({ user: { exec } }) });
    await expect(cluster.credentials()).rejects.toThrow('No credentials for context staging: log in first');
  });

  test('goes through its proxy, over one connection', async () => {
    const server = await startTls();
    const asked: string[] = [];
    const sockets = new Set<Socket>();
    const proxy = createHttpServer();
    proxy.on('connect', (request, socket: Socket) => {
      asked.push(request.url ?? '');
      const [host, port] = (request.url ?? '').split(':');
      const upstream = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      for (const end of [socket, upstream]) sockets.add(end.on('error', () => {}));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const cluster = await loadCluster({
      kubeconfig: await write({ cluster: { server, 'proxy-url': url, ...authority }, user: { token: 't' } }),
    });
    const transport = createTransport(cluster, { userAgent: 'test' });
    closers.push(() => transport.close());
    for (let count = 0; count < 5; count += 1) {
      expect((await transport.request({ method: 'GET', path: '/version' })).body).toEqual({
        authorization: 'Bearer t',
      });
    }
    expect(asked).toEqual([server.replace('https://', '')]);
  });
});

describe('which cluster', () => {
  test('several files are merged, missing ones passed over, and the first one wins', async () => {
    const first = await write({ cluster: { server: 'http://first' } }, 'first');
    const second = await write({ cluster: { server: 'http://second' } }, 'second');
    const third = await write({ cluster: { server: 'http://third' }, name: 'production' }, 'third');
    const environment = { KUBECONFIG: [join(folder, 'missing'), first, second, third].join(delimiter) };
    expect((await loadCluster({ environment })).server).toBe('http://first');
    expect((await loadCluster({ environment, context: 'production' })).server).toBe('http://third');
  });

  test('an unknown context names those that are known', async () => {
    const kubeconfig = await write({});
    await expect(loadCluster({ kubeconfig, context: 'stagin' })).rejects.toThrow(
      `${kubeconfig} has no context "stagin". It knows: staging.`,
    );
  });

  test('a context whose cluster is missing says so', async () => {
    const kubeconfig = join(folder, 'config');
    await writeFile(
      kubeconfig,
      stringify({ contexts: [{ name: 'a', context: { cluster: 'gone', user: 'u' } }], 'current-context': 'a' }),
    );
    await expect(loadCluster({ kubeconfig })).rejects.toThrow('names cluster "gone", which is not in it');
  });

  test('a file that is missing, empty or no YAML says which', async () => {
    await expect(loadCluster({ kubeconfig: '/does/not/exist' })).rejects.toThrow(
      'The kubeconfig /does/not/exist does not exist.',
    );
    for (const text of ['', '{', '- a']) {
      const kubeconfig = join(folder, 'config');
      await writeFile(kubeconfig, text);
      await expect(loadCluster({ kubeconfig })).rejects.toMatchObject({
        name: 'ClusterConfigError',
        message: expect.stringContaining(kubeconfig),
      });
    }
  });

  test('without any, the message says where was looked and what to do', async () => {
    await expect(loadCluster({ environment: { HOME: folder } })).rejects.toThrow(
      /KUBECONFIG names no file.*--kubeconfig.*squall sandbox/,
    );
  });

  test('in a pod it is the one of the service account, whose token is read again', async () => {
    const url = new URL(await startTls());
    await writeFile(join(folder, 'token'), 'first\n');
    await writeFile(join(folder, 'ca.crt'), testCertificate);
    await writeFile(join(folder, 'namespace'), 'squall-system');
    const environment = { HOME: folder, KUBERNETES_SERVICE_HOST: url.hostname, KUBERNETES_SERVICE_PORT: url.port };
    const cluster = await loadCluster({ environment, serviceAccountFolder: folder });
    expect(cluster).toMatchObject({ server: url.origin, namespace: 'squall-system', context: 'in-cluster' });
    expect(await ask(cluster)).toEqual({ authorization: 'Bearer first' });
    await writeFile(join(folder, 'token'), 'second');
    expect((await cluster.credentials()).headers.Authorization).toBe('Bearer first');
    expect((await cluster.credentials(true)).headers.Authorization).toBe('Bearer second');
  });
});
