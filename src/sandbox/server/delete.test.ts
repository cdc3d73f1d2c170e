import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestServer, type TestServer } from './test-server.js';

const PODS = '/api/v1/namespaces/default/pods';
const MAPS = '/api/v1/namespaces/default/configmaps';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

function configMap(name: string, more: object = {}) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...more } };
}

function pod(name: string, spec: object = {}) {
  const containers = [{ name: 'main', image: 'app:1' }];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers, ...spec } };
}

describe('deleting', () => {
  test('answers with a Status once the object is gone, with the object while something holds it', async () => {
    await server.call('POST', MAPS, configMap('gone'));
    const gone = await server.call('DELETE', `${MAPS}/gone`, { propagationPolicy: 'Background' });
    expect(gone.body).toMatchObject({
      kind: 'Status',
      status: 'Success',
      details: { name: 'gone', kind: 'configmaps' },
    });
    await server.call('POST', MAPS, configMap('held', { finalizers: ['example.com/hold'] }));
    const held = await server.call('DELETE', `${MAPS}/held`);
    expect(held.body.metadata.deletionTimestamp).toBeDefined();
    const headers = { 'content-type': 'application/merge-patch+json' };
    await server.call('PATCH', `${MAPS}/held`, { metadata: { finalizers: null } }, headers);
    expect((await server.call('GET', `${MAPS}/held`)).code).toBe(404);
  });

  test('gives a running pod its grace period and respects uid preconditions', async () => {
    const { body } = await server.call('POST', PODS, pod('graceful', { nodeName: 'n1' }));
    const path = `${PODS}/graceful`;
    const other = await server.call('DELETE', path, { preconditions: { uid: 'another' } });
    expect([other.code, other.body.reason]).toEqual([409, 'Conflict']);
    const first = await server.call('DELETE', path, { preconditions: { uid: body.metadata.uid } });
    expect(first.body.metadata.deletionGracePeriodSeconds).toBe(30);
    expect((await server.call('DELETE', path, { gracePeriodSeconds: 0 })).code).toBe(200);
    expect((await server.call('GET', path)).code).toBe(404);
  });

  test('deletes what a selector picks', async () => {
    await server.call('POST', MAPS, configMap('one', { labels: { set: 'a' } }));
    await server.call('POST', MAPS, configMap('two', { labels: { set: 'b' } }));
    const answer = await server.call('DELETE', `${MAPS}?labelSelector=set=a`);
    expect(answer.body.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(['one']);
    expect((await server.call('GET', `${MAPS}/two`)).code).toBe(200);
  });

  test('refuses new objects in a namespace that is going', async () => {
    await server.call('POST', '/api/v1/namespaces', { metadata: { name: 'going' } });
    const { body } = await server.call('DELETE', '/api/v1/namespaces/going');
    expect(body.status.phase).toBe('Terminating');
    const answer = await server.call('POST', '/api/v1/namespaces/going/configmaps', configMap('late'));
    expect([answer.code, answer.body.details.causes[0].reason]).toEqual([403, 'NamespaceTerminating']);
    const finalized = { ...body, spec: { finalizers: [] } };
    await server.call('PUT', '/api/v1/namespaces/going/finalize', finalized);
    expect((await server.call('GET', '/api/v1/namespaces/going')).code).toBe(404);
  });
});
