import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Json } from '../store/types.js';
import { startTestServer, type TestServer } from './test-server.js';

const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };
const PARTIAL = { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' };
const PODS = '/api/v1/namespaces/default/pods';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ now: () => new Date(Date.now() - 90_000) });
  for (let index = 0; index < 7; index += 1) {
    const name = `p${index}`;
    const labels = { app: index < 4 ? 'shop' : 'bank', tier: `t${index % 2}` };
    const spec = { nodeName: `n${index % 2}`, containers: [{ name: 'main', image: 'app:1' }] };
    const status = {
      phase: index === 6 ? 'Failed' : 'Running',
      containerStatuses: [{ name: 'main', restartCount: 2 }],
    };
    const metadata = { name, namespace: 'default', labels };
    server.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata, spec, status });
  }
});

afterAll(() => server.close());

async function names(query: string): Promise<string> {
  const { body } = await server.call('GET', `${PODS}?${query}`);
  return body.items.map((item: Json) => item.metadata.name).join();
}

describe('selectors', () => {
  test.each([
    ['labelSelector=app=shop', 'p0,p1,p2,p3'],
    ['labelSelector=app!=shop', 'p4,p5,p6'],
    ['labelSelector=app%20in%20(shop,bank),tier%20notin%20(t1)', 'p0,p2,p4,p6'],
    ['labelSelector=app==bank,tier', 'p4,p5,p6'],
    ['labelSelector=!app', ''],
    ['labelSelector=constructor', ''],
    ['fieldSelector=spec.nodeName=n1', 'p1,p3,p5'],
    ['fieldSelector=status.phase!=Running', 'p6'],
    ['fieldSelector=metadata.name=p2,metadata.namespace=default', 'p2'],
    ['fieldSelector=spec.nodeName=n0&labelSelector=app=shop', 'p0,p2'],
  ])('%s picks %s', async (query, expected) => {
    expect(await names(query)).toBe(expected);
  });

  test.each([
    'labelSelector=app=a b',
    'labelSelector=a in b',
    'labelSelector=,',
    'labelSelector=-x',
    'fieldSelector=x',
    'fieldSelector=spec.hostname=a',
    'limit=-1',
    'limit=x',
    'watch=maybe',
  ])('refuses %s', async (query) => {
    const answer = await server.call('GET', `${PODS}?${query.replaceAll(' ', '%20')}`);
    expect([answer.code, answer.body.reason]).toEqual([400, 'BadRequest']);
  });
});

describe('pages', () => {
  test('come from one snapshot, whatever happens between them', async () => {
    const { body: first } = await server.call('GET', `${PODS}?limit=3`);
    expect(first.metadata).toMatchObject({ remainingItemCount: 4, continue: expect.any(String) });
    const { store } = server;
    store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p35', namespace: 'default' }, spec: {} });
    const { body: rest } = await server.call('GET', `${PODS}?limit=10&continue=${first.metadata.continue}`);
    expect(rest.items.map((item: Json) => item.metadata.name).join()).toBe('p3,p4,p5,p6');
    expect(rest.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect(rest.metadata.continue).toBeUndefined();
    store.delete('pods', 'default', 'p35');
  });

  test('are refused for a token that is none, belongs to another list, or is too old', async () => {
    const { body } = await server.call('GET', `${PODS}?limit=3`);
    const token = body.metadata.continue;
    expect((await server.call('GET', `${PODS}?continue=nonsense`)).code).toBe(400);
    expect((await server.call('GET', `/api/v1/pods?continue=${token}`)).code).toBe(400);
    server.knobs.compact();
    const old = await server.call('GET', `${PODS}?continue=${token}`);
    expect([old.code, old.body.reason]).toEqual([410, 'Expired']);
  });

  test('are refused for a version from the future', async () => {
    expect((await server.call('GET', `${PODS}?resourceVersion=999999`)).code).toBe(504);
    expect((await server.call('GET', `${PODS}?resourceVersion=0`)).code).toBe(200);
    expect((await server.call('GET', `${PODS}?resourceVersion=1&resourceVersionMatch=Exact`)).code).toBe(410);
  });
});

describe('representations', () => {
  test('shows kubectl a table with the columns it knows from a real server', async () => {
    const { body, headers } = await server.call('GET', `${PODS}?limit=1`, undefined, TABLE);
    expect(headers['content-type']).toContain('as=Table');
    expect(body.kind).toBe('Table');
    expect(body.columnDefinitions.slice(0, 5).map((column: Json) => column.name)).toEqual([
      'Name',
      'Ready',
      'Status',
      'Restarts',
      'Age',
    ]);
    expect(body.rows[0].cells.slice(0, 5)).toEqual([
      'p0',
      '0/1',
      'Running',
      '2',
      expect.stringMatching(/^9\d|1m3\ds$/),
    ]);
    expect(body.rows[0].object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'p0' } });
    const whole = await server.call('GET', `${PODS}/p0?includeObject=Object`, undefined, TABLE);
    expect(whole.body.rows[0].object.kind).toBe('Pod');
  });

  test('leaves out all but metadata when that is what is asked for', async () => {
    const { body } = await server.call('GET', `${PODS}?limit=2`, undefined, PARTIAL);
    expect(body.kind).toBe('PartialObjectMetadataList');
    expect(body.items[0]).toEqual({
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: expect.objectContaining({ name: 'p0' }),
    });
  });

  test('passes over formats it does not have, and refuses when there is no other', async () => {
    const both = 'application/vnd.kubernetes.protobuf,application/json';
    expect((await server.call('GET', PODS, undefined, { accept: both })).body.kind).toBe('PodList');
    const only = await server.call('GET', PODS, undefined, { accept: 'application/vnd.kubernetes.protobuf' });
    expect(only.code).toBe(406);
  });
});

test('lists by label among 20,000 pods without going through them one by one on the wire', async () => {
  const crowd = await startTestServer();
  for (let index = 0; index < 20_000; index += 1) {
    const metadata = { name: `p${index}`, namespace: 'default', labels: { app: index % 1000 === 0 ? 'few' : 'many' } };
    crowd.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [] } });
  }
  const { body } = await crowd.call('GET', `${PODS}?labelSelector=app=few&limit=500`);
  expect(body.items).toHaveLength(20);
  let pages = 0;
  let token = '';
  do {
    const page = await crowd.call('GET', `${PODS}?limit=5000&continue=${token}`, undefined, PARTIAL);
    token = page.body.metadata.continue ?? '';
    pages += 1;
  } while (token !== '');
  expect(pages).toBe(4);
  await crowd.close();
});
