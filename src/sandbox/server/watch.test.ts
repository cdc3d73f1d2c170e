import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Json } from '../store/types.js';
import { startTestServer, type TestServer } from './test-server.js';

const MAPS = '/api/v1/namespaces/default/configmaps';
const WATCH = `${MAPS}?watch=true`;
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer({ historyLimit: 50 });
});

afterEach(() => server.close());

function create(name: string, labels: Record<string, string> = {}, namespace = 'default') {
  return server.store.create('configmaps', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels },
  });
}

function relabel(name: string, labels: Record<string, string>) {
  return server.store.update('configmaps', 'default', name, (draft) => {
    draft.metadata.labels = labels;
  });
}

function summary(events: Json[]): string[] {
  return events.map(({ type, object }) => `${type} ${object.metadata.name}`);
}

describe('a watch', () => {
  test('starts with the present objects when it names no version, and goes on with changes', async () => {
    create('a');
    create('elsewhere', {}, 'kube-system');
    const watch = await server.watch(WATCH);
    relabel('a', { x: 'y' });
    server.store.delete('configmaps', 'default', 'a');
    expect(summary(await watch.until(3))).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
    watch.close();
  });

  test('catches up from a version, with the version of the deletion on the deleted object', async () => {
    const { metadata } = create('a');
    create('b');
    server.store.delete('configmaps', 'default', 'a');
    const watch = await server.watch(`${WATCH}&resourceVersion=${metadata.resourceVersion}`);
    const events = await watch.until(2);
    expect(summary(events)).toEqual(['ADDED b', 'DELETED a']);
    expect(events[1].object.metadata.resourceVersion).toBe(String(server.store.version));
    watch.close();
  });

  test('shows an object that leaves its selector as deleted and one that enters as added', async () => {
    create('a', { app: 'shop' });
    create('b', { app: 'bank' });
    const watch = await server.watch(`${WATCH}&labelSelector=app=shop&resourceVersion=${server.store.version}`);
    relabel('a', { app: 'bank' });
    relabel('b', { app: 'shop' });
    relabel('b', { app: 'shop', more: 'x' });
    relabel('a', { app: 'other' });
    server.store.delete('configmaps', 'default', 'b');
    const events = await watch.until(4);
    expect(summary(events)).toEqual(['DELETED a', 'ADDED b', 'MODIFIED b', 'DELETED b']);
    expect(events[0].object.metadata.labels).toEqual({ app: 'shop' });
    watch.close();
  });

  test('refuses a version that history has forgotten with an ERROR event', async () => {
    create('a');
    server.knobs.compact();
    const watch = await server.watch(`${WATCH}&resourceVersion=1`);
    const [event] = await watch.until(1);
    expect(event).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
    expect(await watch.ended).toBe('end');
  });

  test('refuses it with an HTTP 410 when the knob says so', async () => {
    create('a');
    server.knobs.set({ expiredWatch: 'http' });
    server.knobs.compact();
    const answer = await server.call('GET', `${WATCH}&resourceVersion=1`);
    expect([answer.code, answer.body.reason]).toEqual([410, 'Expired']);
  });

  test('ends in good order after timeoutSeconds, with a last bookmark', async () => {
    create('a');
    const watch = await server.watch(`${WATCH}&allowWatchBookmarks=true&timeoutSeconds=1`);
    expect(await watch.ended).toBe('end');
    const last = watch.events.at(-1);
    expect(last).toMatchObject({ type: 'BOOKMARK', object: { kind: 'ConfigMap' } });
    expect(last.object.metadata.resourceVersion).toBe(String(server.store.version));
  });

  test('marks the end of the initial events when it is asked to send them', async () => {
    create('a');
    const query = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const watch = await server.watch(`${WATCH}&${query}`);
    const [, bookmark] = await watch.until(2);
    expect(bookmark.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
    watch.close();
    expect((await server.call('GET', `${WATCH}&sendInitialEvents=true`)).code).toBe(422);
  });

  test('sends tables to those who negotiated them, the columns only once', async () => {
    create('a');
    create('b');
    const watch = await server.watch(WATCH, TABLE);
    const [first, second] = await watch.until(2);
    expect(first.object).toMatchObject({ kind: 'Table', rows: [{ cells: ['a', 0, expect.any(String)] }] });
    expect(first.object.columnDefinitions).toHaveLength(3);
    expect(second.object.columnDefinitions).toBeNull();
    watch.close();
  });

  test('refuses a version that is no number', async () => {
    expect((await server.call('GET', `${WATCH}&resourceVersion=x`)).code).toBe(400);
  });
});

test('a watcher that does not read is cut off and does not hold up the others', async () => {
  const data = { text: 'x'.repeat(2000) };
  create('a');
  const { port, hostname } = new URL(server.url);
  const lazy = connect(Number(port), hostname);
  lazy.pause();
  lazy.write(`GET ${WATCH}&resourceVersion=${server.store.version} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const cut = new Promise<void>((resolve) => lazy.on('close', () => resolve()).on('error', () => {}));
  const quick = await server.watch(`${WATCH}&resourceVersion=${server.store.version}`);
  await server.call('GET', '/version');
  // More than fits into the buffers of a loopback connection and the backlog together.
  for (let round = 0; round < 40; round += 1) {
    for (let index = 0; index < 400; index += 1) {
      server.store.update('configmaps', 'default', 'a', (draft) => {
        draft.data = { ...data, count: `${round}-${index}` };
      });
    }
    await quick.until((round + 1) * 400);
  }
  lazy.resume();
  await cut;
  expect(quick.events.at(-1).object.data.count).toBe('39-399');
  quick.close();
});
