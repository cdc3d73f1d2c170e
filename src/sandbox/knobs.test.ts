import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestServer, type TestServer } from './server/test-server.js';

const MAPS = '/api/v1/namespaces/default/configmaps';
const WATCH = `${MAPS}?watch=true`;
const KNOBS = '/sandbox/knobs';

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer();
});

afterEach(() => server.close());

function create(name: string) {
  const metadata = { name, namespace: 'default' };
  return server.store.create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata });
}

test('the clock of the server can be off', async () => {
  await server.call('PUT', KNOBS, { clockOffsetMilliseconds: 300_000 });
  const { body, headers } = await server.call('POST', MAPS, { metadata: { name: 'early' } });
  for (const time of [body.metadata.creationTimestamp, headers.date!]) {
    expect(Math.abs(Date.parse(time) - Date.now() - 300_000)).toBeLessThan(10_000);
  }
  expect((await server.call('PUT', KNOBS, { clockOffsetMilliseconds: 'late' })).code).toBe(400);
});

describe('faults', () => {
  test('hit matching requests, as often as they say', async () => {
    const fault = { method: 'GET', path: '/configmaps$', code: 429, retryAfterSeconds: 3, count: 2 };
    await server.call('PUT', KNOBS, { faults: [fault] });
    const first = await server.call('GET', MAPS);
    expect([first.code, first.body.reason, first.headers['retry-after']]).toEqual([429, 'TooManyRequests', '3']);
    expect((await server.call('GET', '/api/v1/nodes')).code).toBe(200);
    expect((await server.call('GET', MAPS)).code).toBe(429);
    expect((await server.call('GET', MAPS)).code).toBe(200);
  });

  test('hit a share of the requests', async () => {
    server.knobs.set({
      faults: [
        { path: 'never', code: 500 },
        { path: '.', code: 500, rate: 0 },
      ],
    });
    expect((await server.call('GET', MAPS)).code).toBe(200);
    server.knobs.set({ faults: [{ path: '.', code: 409 }] });
    expect((await server.call('GET', MAPS)).body.reason).toBe('Conflict');
  });

  test('add latency, and leave requests without an answer', async () => {
    server.knobs.set({ latencyMilliseconds: 50, faults: [{ path: 'configmaps', hang: true }] });
    const start = performance.now();
    await server.call('GET', '/api/v1/nodes');
    expect(performance.now() - start).toBeGreaterThanOrEqual(45);
    const signal = AbortSignal.timeout(200);
    await expect(fetch(server.url + MAPS, { signal })).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  test('are read back, replaced as a whole, and refused when they make no sense', async () => {
    await server.call('PUT', KNOBS, { latencyMilliseconds: 1 });
    expect((await server.call('GET', KNOBS)).body).toEqual({
      latencyMilliseconds: 1,
      faults: [],
      expiredWatch: 'event',
      clockOffsetMilliseconds: 0,
    });
    for (const wrong of [{ latency: 1 }, { faults: [{ path: '(' }] }, { faults: [{ code: 500 }] }, { faults: {} }]) {
      expect((await server.call('PUT', KNOBS, wrong)).code).toBe(400);
    }
    const silly = { faults: [{ path: '.', code: 200 }] };
    expect((await server.call('PUT', KNOBS, silly)).body.message).toContain('between 400 and 599');
  });
});

describe('watches', () => {
  test('are cut', async () => {
    const watch = await server.watch(WATCH);
    expect((await server.call('POST', `${KNOBS}/drop-watches?resource=pods`)).body.watches).toBe(0);
    expect((await server.call('POST', `${KNOBS}/drop-watches?resource=configmaps`)).body.watches).toBe(1);
    expect(await watch.ended).toBe('cut');
  });

  test('go silent and stay open', async () => {
    const silent = await server.watch(WATCH);
    expect((await server.call('POST', `${KNOBS}/hang-watches`)).body.watches).toBe(1);
    const other = await server.watch(WATCH);
    create('a');
    await other.until(1);
    expect(silent.events).toEqual([]);
    silent.close();
    other.close();
  });

  test('expire', async () => {
    const watch = await server.watch(WATCH);
    await server.call('POST', `${KNOBS}/expire-watches`);
    expect(await watch.until(1)).toMatchObject([{ type: 'ERROR', object: { code: 410 } }]);
    expect(await watch.ended).toBe('end');
  });
});

test('an outage cuts and refuses connections, and forgets nothing', async () => {
  const { metadata } = create('a');
  const watch = await server.watch(`${WATCH}&resourceVersion=${metadata.resourceVersion}`);
  const over = server.knobs.outage(200);
  expect(await watch.ended).toBe('cut');
  await expect(server.call('GET', MAPS)).rejects.toThrow('ECONNREFUSED');
  create('b');
  await over;
  const again = await server.watch(`${WATCH}&resourceVersion=${metadata.resourceVersion}`);
  const [event] = await again.until(1);
  expect([event.type, event.object.metadata.name]).toEqual(['ADDED', 'b']);
  again.close();
});

test('closing a server ends its outage', async () => {
  const own = await startTestServer();
  const over = own.knobs.outage(60_000);
  await own.close();
  await over;
});
