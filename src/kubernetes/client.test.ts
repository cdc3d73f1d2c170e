import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type Script,
  type ScriptedServer,
  sendJson,
  sendStatus,
  startScriptedServer,
} from '../testing/scripted-server.js';
import { ensure } from './apply.js';
import { Client, type Page } from './client.js';
import { clusterAt } from './kubeconfig.js';
import { customResource, keyOf, nodes, objectPath, pods, splitKey } from './resource.js';
import { createTransport } from './transport.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(script: Script): Promise<{ server: ScriptedServer; client: Client }> {
  const server = await startScriptedServer(script);
  const transport = createTransport(clusterAt(server.url), { userAgent: 'test' });
  closers.push(
    () => transport.close(),
    () => server.close(),
  );
  return { server, client: new Client(transport) };
}

const runs = customResource('experimentruns', 'ExperimentRun', true);
const echo: Script = (request, response) => sendJson(response, 200, request.body ?? {});

describe('paths', () => {
  test('follow group, namespace and subresource', () => {
    expect(objectPath(pods, 'shop', 'a', 'eviction')).toBe('/api/v1/namespaces/shop/pods/a/eviction');
    expect(objectPath(runs, 'shop', 'a')).toBe('/apis/squall.dev/v1alpha1/namespaces/shop/experimentruns/a');
    expect(objectPath(nodes, 'ignored', 'n1')).toBe('/api/v1/nodes/n1');
  });

  test('never lead elsewhere than to the object that was meant', () => {
    expect(objectPath(pods, 'shop', '../x?y')).toBe('/api/v1/namespaces/shop/pods/..%2Fx%3Fy');
    expect(() => objectPath(pods, undefined, 'a')).toThrow('A namespace is needed');
    expect(() => objectPath(pods, 'shop', '')).toThrow('A name is needed');
  });

  test('keys can be taken apart again', () => {
    expect(splitKey(keyOf('shop', 'a'))).toEqual({ namespace: 'shop', name: 'a' });
    expect(splitKey(keyOf(undefined, 'n1'))).toEqual({ namespace: undefined, name: 'n1' });
  });
});

describe('lists', () => {
  const page = (names: string[], token = ''): unknown => ({
    kind: 'PodList',
    metadata: { resourceVersion: '9', continue: token },
    items: names.map((name) => ({ metadata: { name } })),
  });

  async function pages(iterable: AsyncIterable<Page>): Promise<string[][]> {
    const seen: string[][] = [];
    for await (const { items, restarted } of iterable)
      seen.push([...(restarted ? ['restarted'] : []), ...items.map((item) => item.metadata.name ?? '')]);
    return seen;
  }

  test('give items the kind that lists leave out', async () => {
    const { server, client } = await setUp((_request, response) => sendJson(response, 200, page(['a'])));
    const { items, resourceVersion } = await client.list(pods, {
      namespace: 'shop',
      labelSelector: 'app in (a,b)',
      limit: 1,
    });
    expect(items).toEqual([{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }]);
    expect(resourceVersion).toBe('9');
    expect(server.requests[0]).toMatchObject({ path: '/api/v1/namespaces/shop/pods' });
    expect(server.requests[0]?.query.get('labelSelector')).toBe('app in (a,b)');
  });

  test('come in pages of 500', async () => {
    const { server, client } = await setUp((request, response) =>
      sendJson(response, 200, request.query.get('continue') === 'next' ? page(['b']) : page(['a'], 'next')),
    );
    expect(await pages(client.listAll(pods))).toEqual([['a'], ['b']]);
    expect(server.requests.map(({ query }) => query.get('limit'))).toEqual(['500', '500']);
  });

  test('start again when the snapshot expires between two pages', async () => {
    const { client } = await setUp((request, response, index) => {
      if (index === 1) return sendStatus(response, 410, 'Expired');
      return sendJson(response, 200, request.query.get('continue') ? page(['c']) : page(['a'], 'next'));
    });
    expect(await pages(client.listAll(pods))).toEqual([['a'], ['restarted', 'a'], ['c']]);
  });

  test('give up when every snapshot expires', async () => {
    const { server, client } = await setUp((request, response) =>
      request.query.get('continue')
        ? sendStatus(response, 410, 'Expired')
        : sendJson(response, 200, page(['a'], 'next')),
    );
    await expect(pages(client.listAll(pods))).rejects.toMatchObject({ isExpired: true });
    expect(server.requests.length).toBeLessThan(20);
  });
});

describe('writes', () => {
  test('create names its kind, the namespace in the path and the field manager', async () => {
    const { server, client } = await setUp(echo);
    await client.create(runs, { metadata: { name: 'a', namespace: 'shop' }, spec: {} });
    expect(server.requests[0]).toMatchObject({
      method: 'POST',
      path: '/apis/squall.dev/v1alpha1/namespaces/shop/experimentruns',
      body: { apiVersion: 'squall.dev/v1alpha1', kind: 'ExperimentRun' },
    });
    expect(server.requests[0]?.query.get('fieldManager')).toBe('squall');
    await expect(client.create(runs, { metadata: { name: 'a' } })).rejects.toThrow('A namespace is needed');
  });

  test('a merge patch and a JSON patch carry the resource version they rely on', async () => {
    const { server, client } = await setUp(echo);
    await client.patch(runs, 'shop', 'a', { metadata: { labels: { x: 'y' } } }, { resourceVersion: '5' });
    await client.patch(runs, 'shop', 'a', [{ op: 'remove', path: '/spec/x' }], { resourceVersion: '5' });
    expect(server.requests.map(({ headers, body }) => [headers['content-type'], body])).toEqual([
      ['application/merge-patch+json', { metadata: { labels: { x: 'y' }, resourceVersion: '5' } }],
      [
        'application/json-patch+json',
        [
          { op: 'replace', path: '/metadata/resourceVersion', value: '5' },
          { op: 'remove', path: '/spec/x' },
        ],
      ],
    ]);
  });

  test('status is replaced whole or merged, through its subresource', async () => {
    const { server, client } = await setUp(echo);
    await client.replaceStatus(runs, 'shop', 'a', { stage: 'Holding' });
    await client.patchStatus(runs, 'shop', 'a', { stage: null }, '6');
    expect(server.requests.map(({ path }) => path.split('/').at(-1))).toEqual(['status', 'status']);
    expect(server.requests.map(({ body }) => body)).toEqual([
      [{ op: 'add', path: '/status', value: { stage: 'Holding' } }],
      { status: { stage: null }, metadata: { resourceVersion: '6' } },
    ]);
  });

  test('delete and evict carry the UID and the grace period', async () => {
    const { server, client } = await setUp(echo);
    await client.delete(pods, 'shop', 'a', { uid: 'u', gracePeriodSeconds: 0, propagationPolicy: 'Background' });
    await client.evict('shop', 'a', { uid: 'u' });
    expect(server.requests.map(({ method, body }) => [method, body])).toEqual([
      [
        'DELETE',
        {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          preconditions: { uid: 'u' },
          gracePeriodSeconds: 0,
          propagationPolicy: 'Background',
        },
      ],
      [
        'POST',
        {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name: 'a', namespace: 'shop' },
          deleteOptions: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'u' } },
        },
      ],
    ]);
  });

  test('ensure creates, and merges into what is there already', async () => {
    const { server, client } = await setUp((request, response) => {
      if (request.method === 'GET')
        return sendJson(response, 200, { resources: [{ name: 'namespaces', kind: 'Namespace', namespaced: false }] });
      return request.method === 'POST'
        ? sendStatus(response, 409, 'AlreadyExists')
        : sendJson(response, 200, request.body);
    });
    await ensure(client, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api/v1',
      'POST /api/v1/namespaces',
      'PATCH /api/v1/namespaces/shop',
    ]);
  });
});

describe('discovery', () => {
  const resources = [
    { name: 'deployments', kind: 'Deployment', namespaced: true },
    { name: 'deployments/scale', kind: 'Scale', namespaced: true },
  ];

  test('finds a kind once and remembers it', async () => {
    const { server, client } = await setUp((_request, response) => sendJson(response, 200, { resources }));
    const expected = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true };
    expect(await client.discover('apps/v1', 'Deployment')).toEqual(expected);
    expect(await client.discover('apps/v1', 'Deployment')).toEqual(expected);
    expect(server.requests.map(({ path }) => path)).toEqual(['/apis/apps/v1']);
  });

  test('asks again for a kind that was missing, and says what there is', async () => {
    const { client } = await setUp((_request, response, index) =>
      index === 0 ? sendStatus(response, 404, 'NotFound') : sendJson(response, 200, { resources }),
    );
    await expect(client.discover('apps/v1', 'Deployment')).rejects.toThrow('it serves no apps/v1');
    await expect(client.discover('apps/v1', 'Scale')).rejects.toThrow('apps/v1 has Deployment');
    expect(await client.discover('apps/v1', 'Deployment')).toMatchObject({ plural: 'deployments' });
  });
});
