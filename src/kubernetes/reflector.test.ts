import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type ScriptedRequest,
  type ScriptedServer,
  sendJson,
  sendStatus,
  startScriptedServer,
  until,
} from '../testing/scripted-server.js';
import { Client } from './client.js';
import { clusterAt } from './kubeconfig.js';
import { Reflector, type ReflectorOptions } from './reflector.js';
import { type KubeObject, pods } from './resource.js';
import { createTransport } from './transport.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const pod = (name: string, resourceVersion: number, extra: object = {}): KubeObject => ({
  metadata: { name, namespace: 'shop', resourceVersion: String(resourceVersion) },
  ...extra,
});
const list = (items: KubeObject[], resourceVersion: number, token = ''): object => ({
  kind: 'PodList',
  metadata: { resourceVersion: String(resourceVersion), continue: token },
  items,
});
const line = (type: string, object: KubeObject): string => `${JSON.stringify({ type, object })}\n`;

interface Scripts {
  list: (response: ServerResponse, count: number, request: ScriptedRequest) => void;
  watch: (response: ServerResponse, count: number, request: ScriptedRequest) => void;
}

interface SetUp {
  server: ScriptedServer;
  reflector: Reflector<string>;
  changes: string[];
  errors: unknown[];
  lists: () => ScriptedRequest[];
  watches: () => ScriptedRequest[];
}

/** A started reflector that keeps `name@version` of pods. */
async function setUp(scripts: Scripts, options: Partial<ReflectorOptions<string>> = {}): Promise<SetUp> {
  const isWatch = (request: ScriptedRequest): boolean => request.query.get('watch') === 'true';
  const server: ScriptedServer = await startScriptedServer((request, response) => {
    const count = server.requests.filter((other) => isWatch(other) === isWatch(request)).length - 1;
    return isWatch(request) ? scripts.watch(response, count, request) : scripts.list(response, count, request);
  });
  const transport = createTransport(clusterAt(server.url), { userAgent: 'test' });
  const errors: unknown[] = [];
  const reflector = new Reflector<string>({
    client: new Client(transport),
    resource: pods,
    project: ({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`,
    backoff: { baseMs: 10, maxMs: 100 },
    onError: (error) => errors.push(error),
    ...options,
  });
  const changes: string[] = [];
  reflector.onChange((_key, next, previous) => changes.push(`${previous ?? '-'} → ${next ?? '-'}`));
  closers.push(
    () => server.close(),
    () => transport.close(),
    () => reflector.stop(),
  );
  reflector.start();
  return {
    server,
    reflector,
    changes,
    errors,
    lists: () => server.requests.filter((request) => !isWatch(request)),
    watches: () => server.requests.filter(isWatch),
  };
}

describe('Reflector', () => {
  test('lists in pages, then watches from the version of the list, with bookmarks', async () => {
    const { reflector, lists, watches } = await setUp(
      {
        list: (response, count) =>
          sendJson(response, 200, count === 0 ? list([pod('a', 1)], 5, 'more') : list([pod('b', 2)], 5)),
        watch: (response) => response.flushHeaders(),
      },
      { namespace: 'shop', labelSelector: 'app=a', pageSize: 1 },
    );
    await reflector.synced;
    expect(reflector.list()).toEqual(['a@1', 'b@2']);
    expect(reflector.get('shop', 'b')).toBe('b@2');
    await until(() => watches().length === 1);
    expect(lists().map(({ path, query }) => [path, query.get('limit'), query.get('labelSelector')])).toEqual(
      Array.from({ length: 2 }, () => ['/api/v1/namespaces/shop/pods', '1', 'app=a']),
    );
    const query = watches()[0]?.query;
    expect([query?.get('resourceVersion'), query?.get('allowWatchBookmarks'), query?.get('labelSelector')]).toEqual([
      '5',
      'true',
      'app=a',
    ]);
  });

  test('tells every change once, with what was there before', async () => {
    const { reflector, changes } = await setUp({
      list: (response) => sendJson(response, 200, list([pod('a', 1)], 5)),
      watch: (response) => {
        response.write(line('ADDED', pod('b', 6)) + line('MODIFIED', pod('a', 7)));
        response.write(line('DELETED', pod('b', 8)));
      },
    });
    await until(() => changes.length === 4);
    expect(changes).toEqual(['- → a@1', '- → b@6', 'a@1 → a@7', 'b@6 → -']);
    expect(reflector.size).toBe(1);
  });

  test('goes on from the last version, also of a bookmark, after the server closed the watch', async () => {
    const { lists, watches, changes } = await setUp({
      list: (response) => sendJson(response, 200, list([], 5)),
      watch: (response, count) => {
        if (count === 0) response.end(line('ADDED', pod('a', 6)));
        if (count === 1) response.end(line('BOOKMARK', { metadata: { resourceVersion: '9' } }));
        if (count === 2) response.write(line('ADDED', pod('b', 10)));
      },
    });
    await until(() => changes.length === 2);
    expect(watches().map(({ query }) => query.get('resourceVersion'))).toEqual(['5', '6', '9']);
    expect(lists()).toHaveLength(1);
  });

  test.each([
    ['is reset', (response: ServerResponse) => void setTimeout(() => response.socket?.resetAndDestroy(), 20)],
    ['falls silent', () => {}],
    ['sends rubbish', (response: ServerResponse) => void response.end('{"type":\n')],
  ])('goes on without listing anew when a watch %s', async (_what, break_) => {
    const { lists, watches, changes, errors } = await setUp(
      {
        list: (response) => sendJson(response, 200, list([], 5)),
        watch: (response, count) => {
          response.write(line('ADDED', pod(`p${count}`, 6 + count)));
          if (count === 0) break_(response);
        },
      },
      { watchdogMs: 100 },
    );
    await until(() => changes.length >= 2);
    expect(watches()[1]?.query.get('resourceVersion')).toBe('6');
    expect(lists()).toHaveLength(1);
    expect(errors.length).toBeGreaterThanOrEqual(1);
  });

  test('survives a server that goes away for a while', async () => {
    const { reflector, server, changes } = await setUp({
      list: (response, count) =>
        count < 3 ? sendStatus(response, 500, 'InternalError') : sendJson(response, 200, list([pod('a', 1)], 5)),
      watch: (response, count) =>
        count < 3 ? void response.socket?.resetAndDestroy() : void response.write(line('MODIFIED', pod('a', 6))),
    });
    await until(() => changes.length === 2);
    expect(reflector.list()).toEqual(['a@6']);
    expect(server.requests.length).toBeLessThan(20);
  });

  test.each([
    ['the answer', (response: ServerResponse) => sendStatus(response, 410, 'Expired')],
    [
      'an ERROR event',
      (response: ServerResponse) => void response.end(line('ERROR', { code: 410, reason: 'Expired' } as never)),
    ],
  ])('in a storm of 410 as %s it lists anew ever more slowly', async (_how, refuse) => {
    const { lists, watches } = await setUp(
      { list: (response) => sendJson(response, 200, list([pod('a', 1)], 5)), watch: (response) => refuse(response) },
      { backoff: { baseMs: 50, maxMs: 400 } },
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    // 50, 100, 200, 400, 400, … ms, at most a quarter less.
    expect(lists().length).toBeGreaterThanOrEqual(3);
    expect(lists().length).toBeLessThanOrEqual(9);
    expect(watches().length).toBeLessThanOrEqual(lists().length);
  });

  test('does not hammer a server that closes every watch at once', async () => {
    const { watches, lists } = await setUp(
      { list: (response) => sendJson(response, 200, list([], 5)), watch: (response) => void response.end() },
      { backoff: { baseMs: 50, maxMs: 400 } },
    );
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(watches().length).toBeLessThanOrEqual(8);
    expect(lists()).toHaveLength(1);
  });

  test('finds on a new list what was deleted meanwhile', async () => {
    const { changes } = await setUp({
      list: (response, count) =>
        sendJson(
          response,
          200,
          count === 0 ? list([pod('a', 1), pod('b', 2)], 5) : list([pod('b', 2), pod('c', 8)], 9),
        ),
      watch: (response, count) => (count === 0 ? sendStatus(response, 410, 'Expired') : response.flushHeaders()),
    });
    await until(() => changes.length === 4);
    expect(changes).toEqual(['- → a@1', '- → b@2', '- → c@8', 'a@1 → -']);
  });

  test('takes the list of a server that was restored from a backup', async () => {
    const { reflector, changes } = await setUp({
      list: (response, count) =>
        sendJson(response, 200, count === 0 ? list([pod('a', 100), pod('b', 101)], 105) : list([pod('a', 40)], 50)),
      watch: (response, count) => (count < 3 ? sendStatus(response, 504, 'Timeout') : response.flushHeaders()),
    });
    await until(() => changes.includes('b@101 → -'));
    expect(reflector.list()).toEqual(['a@40']);
  });

  test('survives listeners and projections that throw, and tells of them', async () => {
    const { reflector, changes, errors } = await setUp(
      {
        list: (response) => sendJson(response, 200, list([pod('a', 1), pod('bad', 2)], 5)),
        watch: (response) => void response.write(line('ADDED', pod('b', 6))),
      },
      {
        project: ({ metadata }) => {
          if (metadata.name === 'bad') throw new Error('cannot project');
          return metadata.name ?? '';
        },
      },
    );
    reflector.onChange(() => {
      throw new Error('cannot listen');
    });
    await until(() => changes.includes('- → b'));
    expect(errors.map(String)).toEqual(expect.arrayContaining(['Error: cannot project', 'Error: cannot listen']));
  });

  test('shows a write of our own at once, and no older event undoes it', async () => {
    let send: (text: string) => void = () => {};
    const { reflector, changes } = await setUp({
      list: (response) => sendJson(response, 200, list([pod('a', 1)], 5)),
      watch: (response) => {
        response.flushHeaders();
        send = (text) => void response.write(text);
      },
    });
    await until(() => changes.length === 1);
    reflector.upsert(pod('a', 9));
    expect(reflector.get('shop', 'a')).toBe('a@9');
    await until(() => {
      send(line('MODIFIED', pod('a', 7)) + line('ADDED', pod('b', 8)));
      return reflector.size === 2;
    });
    expect(reflector.get('shop', 'a')).toBe('a@9');
    send(line('DELETED', pod('a', 10)));
    await until(() => reflector.get('shop', 'a') === undefined);
    // The answer to a write that the watch has already been beyond must not bring the object back.
    reflector.upsert(pod('a', 9));
    expect(reflector.get('shop', 'a')).toBeUndefined();
  });

  test('keeps a create of our own that an older list does not hold', async () => {
    const { reflector } = await setUp({
      list: (response) => setTimeout(() => sendJson(response, 200, list([pod('a', 1)], 5)), 50) && undefined,
      watch: (response) => response.flushHeaders(),
    });
    reflector.upsert(pod('new', 6));
    reflector.upsert(pod('gone', 4));
    await reflector.synced;
    expect(reflector.list().sort()).toEqual(['a@1', 'new@6']);
  });

  test('compares versions as numbers, not as text', async () => {
    const { reflector } = await setUp({
      list: (response) => sendJson(response, 200, list([pod('a', 999)], 999)),
      watch: (response) => response.flushHeaders(),
    });
    await reflector.synced;
    reflector.upsert(pod('a', 1_000));
    expect(reflector.get('shop', 'a')).toBe('a@1000');
  });

  test('stops for good, and tells whoever still waits for the first list', async () => {
    const { reflector, server } = await setUp({ list: () => {}, watch: () => {} });
    await until(() => server.requests.length === 1);
    await reflector.stop();
    await expect(reflector.synced).rejects.toThrow('stopped before its first list');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.requests).toHaveLength(1);
  });
});
