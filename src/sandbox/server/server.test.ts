import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestServer, type TestServer } from './test-server.js';

const PODS = '/api/v1/namespaces/default/pods';
const MAPS = '/api/v1/namespaces/default/configmaps';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

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
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } }, spec: { containers, ...spec } };
}

function deployment(name: string) {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'app' }] } };
  const spec = { selector: { matchLabels: labels }, template };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec };
}

describe('discovery', () => {
  test('names the version, the groups and the resources with their subresources', async () => {
    expect((await server.call('GET', '/version')).body.gitVersion).toMatch(/^v1\.34\./);
    expect((await server.call('GET', '/readyz')).text).toBe('ok');
    const { body: groups } = await server.call('GET', '/apis');
    expect(groups.groups.map((group: { name: string }) => group.name)).toContain('policy');
    const { body: core } = await server.call('GET', '/api/v1');
    const names = core.resources.map((resource: { name: string }) => resource.name);
    expect(names).toEqual(expect.arrayContaining(['pods', 'pods/log', 'pods/eviction', 'pods/status', 'nodes/status']));
    expect(core.resources.find((resource: { name: string }) => resource.name === 'pods')).toMatchObject({
      kind: 'Pod',
      namespaced: true,
      shortNames: ['po'],
      categories: ['all'],
    });
  });

  test('tells kubectl that it validates fields and rehearses writes', async () => {
    const { body } = await server.call('GET', '/openapi/v3');
    const { body: document } = await server.call('GET', body.paths['apis/apps/v1'].serverRelativeURL);
    const { patch } = document.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'];
    expect(patch['x-kubernetes-group-version-kind']).toEqual({ group: 'apps', version: 'v1', kind: 'Deployment' });
    const names = patch.parameters.map((parameter: { name: string }) => parameter.name);
    expect(names).toEqual(expect.arrayContaining(['dryRun', 'fieldValidation']));
  });

  test.each([
    ['/nothing', 404],
    ['/api/v1/nothing', 404],
    ['/apis/apps/v2/deployments', 404],
    ['/api/v1/namespaces/default/nodes', 404],
    ['//evil/path', 404],
    ['/api/v1/namespaces/%zz/pods', 400],
    ['/api/v1/namespaces/default/pods/x/exec', 501],
    ['/api/v1/pods/x/y/z', 404],
  ])('answers GET %s with %i and a Status', async (path, code) => {
    const answer = await server.call('GET', path);
    expect([answer.code, answer.body.kind, answer.body.code]).toEqual([code, 'Status', code]);
  });

  test('refuses web pages, which could start processes', async () => {
    const fromPage = await server.call('GET', PODS, undefined, { origin: 'https://example.com' });
    const rebound = await server.call('GET', PODS, undefined, { host: 'evil.example.com' });
    expect([fromPage.code, rebound.code]).toEqual([403, 403]);
  });
});

describe('creating and reading', () => {
  test('fills in what the server owns and what users rely on', async () => {
    const { code, body } = await server.call('POST', PODS, pod('defaults', { restartPolicy: 'Always' }));
    expect(code).toBe(201);
    expect(body.spec).toMatchObject({ terminationGracePeriodSeconds: 30, dnsPolicy: 'ClusterFirst' });
    expect(body.spec.containers[0]).toMatchObject({ imagePullPolicy: 'IfNotPresent', resources: {} });
    expect(body.status).toMatchObject({ phase: 'Pending', qosClass: 'BestEffort' });
    const { body: made } = await server.call('POST', DEPLOYMENTS, deployment('defaults'));
    expect(made.spec).toMatchObject({ replicas: 1, strategy: { rollingUpdate: { maxSurge: '25%' } } });
    expect(made.metadata.generation).toBe(1);
  });

  test('does not believe what a client says of status and uid', async () => {
    const told = { ...pod('liar'), status: { phase: 'Running' } };
    Object.assign(told.metadata, { uid: 'mine' });
    const { body } = await server.call('POST', PODS, told);
    expect(body.status.phase).toBe('Pending');
    expect(body.metadata.uid).not.toBe('mine');
  });

  test.each([
    ['a missing namespace', '/api/v1/namespaces/nowhere/pods', pod('a'), 404, 'NotFound'],
    ['the wrong kind', PODS, configMap('a'), 400, 'BadRequest'],
    ['the wrong namespace', MAPS, configMap('a', { namespace: 'kube-system' }), 400, 'BadRequest'],
    ['a field of the wrong type', PODS, pod('a', { containers: 'none' }), 400, 'BadRequest'],
    ['no containers', PODS, pod('a', { containers: [] }), 422, 'Invalid'],
    ['a bad name', PODS, pod('Bad_Name'), 422, 'Invalid'],
    ['no name', MAPS, configMap(''), 422, 'Invalid'],
    ['a version', MAPS, configMap('a', { resourceVersion: '7' }), 500, 'InternalError'],
    ['a finalizer of no domain', MAPS, configMap('a', { finalizers: ['bad'] }), 422, 'Invalid'],
    ['a list', PODS, [1], 400, 'BadRequest'],
    ['broken JSON', PODS, '{', 400, 'BadRequest'],
    ['JSON nested too deep', PODS, '['.repeat(50_000) + ']'.repeat(50_000), 400, 'BadRequest'],
  ])('refuses %s', async (_what, path, body, code, reason) => {
    const answer = await server.call('POST', path, body);
    expect([answer.code, answer.body.reason]).toEqual([code, reason]);
  });

  test('names each invalid field as a cause', async () => {
    const broken = deployment('broken');
    broken.spec.selector.matchLabels = { app: 'other' };
    broken.spec.template.spec.containers[0]!.name = 'UPPER';
    const { body } = await server.call('POST', DEPLOYMENTS, broken);
    const fields = body.details.causes.map((cause: { field: string }) => cause.field);
    expect(fields).toEqual(['spec.template.spec.containers[0].name', 'spec.template.metadata.labels']);
  });

  test('refuses a body over 3 MiB, also one of unknown length, and protobuf', async () => {
    const large = JSON.stringify({ ...configMap('large'), data: { text: 'x'.repeat(3 * 1024 * 1024) } });
    expect((await server.call('POST', MAPS, large)).code).toBe(413);
    expect((await server.call('POST', MAPS, large, { 'transfer-encoding': 'chunked' })).code).toBe(413);
    const answer = await server.call('POST', MAPS, 'k8s\0', { 'content-type': 'application/vnd.kubernetes.protobuf' });
    expect(answer.code).toBe(415);
  });

  test('meets unknown fields as asked: with a warning, a refusal, or in silence', async () => {
    const typo = (name: string) => pod(name, { restartPolicey: 'Never' });
    const warned = await server.call('POST', PODS, typo('warned'));
    expect(warned.headers.warning).toContain('unknown field');
    expect(warned.body.spec.restartPolicey).toBeUndefined();
    const strict = await server.call('POST', `${PODS}?fieldValidation=Strict`, typo('strict'));
    expect([strict.code, strict.body.message]).toEqual([400, expect.stringContaining('spec.restartPolicey')]);
    const ignored = await server.call('POST', `${PODS}?fieldValidation=Ignore`, typo('ignored'));
    expect([ignored.code, ignored.headers.warning]).toEqual([201, undefined]);
  });

  test('wants six digits of fraction in the times of a lease, as a real server does', async () => {
    const lease = (renewTime: string) => ({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { generateName: 'l-' },
      spec: { holderIdentity: 'me', leaseDurationSeconds: 15, renewTime },
    });
    const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    expect((await server.call('POST', path, lease('2026-01-01T00:00:00.123Z'))).code).toBe(400);
    expect((await server.call('POST', path, lease('2026-01-01T00:00:00.123456Z'))).code).toBe(201);
  });

  test('shows one event in both of its groups', async () => {
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'e1' },
      regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
      note: 'hello',
      eventTime: '2026-01-01T00:00:00.123456Z',
    };
    const path = '/apis/events.k8s.io/v1/namespaces/default/events';
    expect((await server.call('POST', path, event)).body).toMatchObject({ note: 'hello', regarding: { name: 'p' } });
    const core = '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=p,involvedObject.kind=Pod';
    const { body } = await server.call('GET', core);
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({ apiVersion: 'v1', message: 'hello' });
  });

  test('commits nothing in a dry run', async () => {
    expect((await server.call('POST', `${MAPS}?dryRun=All`, configMap('rehearsed'))).code).toBe(201);
    expect((await server.call('GET', `${MAPS}/rehearsed`)).code).toBe(404);
    expect((await server.call('POST', `${MAPS}?dryRun=Some`, configMap('rehearsed'))).code).toBe(422);
  });
});

describe('updating', () => {
  test('answers 409 to a stale version and takes an update without one', async () => {
    const { body: made } = await server.call('POST', MAPS, configMap('versions'));
    const path = `${MAPS}/versions`;
    expect((await server.call('PUT', path, { ...made, data: { a: '1' } })).code).toBe(200);
    const stale = await server.call('PUT', path, { ...made, data: { a: '2' } });
    expect([stale.code, stale.body.reason]).toEqual([409, 'Conflict']);
    expect((await server.call('PUT', path, { ...configMap('versions'), data: { a: '3' } })).body.data.a).toBe('3');
  });

  test('keeps the status out of the main resource and all else out of /status', async () => {
    const { body: made } = await server.call('POST', PODS, pod('parts'));
    const wanted = structuredClone(made);
    wanted.status = { phase: 'Running' };
    wanted.metadata.labels = { app: 'changed' };
    const main = await server.call('PUT', `${PODS}/parts`, wanted);
    expect([main.body.status.phase, main.body.metadata.labels.app]).toEqual(['Pending', 'changed']);
    wanted.metadata.resourceVersion = main.body.metadata.resourceVersion;
    wanted.metadata.labels = { app: 'again' };
    const status = await server.call('PUT', `${PODS}/parts/status`, wanted);
    expect([status.body.status.phase, status.body.metadata.labels.app]).toEqual(['Running', 'changed']);
  });

  test('refuses to change what must not change', async () => {
    await server.call('POST', PODS, pod('fixed'));
    const patch = { spec: { hostname: 'other' } };
    const headers = { 'content-type': 'application/merge-patch+json' };
    const answer = await server.call('PATCH', `${PODS}/fixed`, patch, headers);
    expect([answer.code, answer.body.details.causes[0].reason]).toEqual([422, 'FieldValueForbidden']);
    await server.call('POST', DEPLOYMENTS, deployment('fixed'));
    const selector = {
      spec: { selector: { matchLabels: { app: 'x' } }, template: { metadata: { labels: { app: 'x' } } } },
    };
    const immutable = await server.call('PATCH', `${DEPLOYMENTS}/fixed`, selector, headers);
    expect(immutable.body.message).toContain('field is immutable');
  });

  test('reads JSON, merge and strategic merge patches, and no others', async () => {
    await server.call('POST', DEPLOYMENTS, deployment('patched'));
    const patch = (type: string, body: unknown) =>
      server.call('PATCH', `${DEPLOYMENTS}/patched`, body, { 'content-type': `application/${type}` });
    const containers = [{ name: 'side', image: 'side' }];
    const strategic = await patch('strategic-merge-patch+json', { spec: { template: { spec: { containers } } } });
    expect(strategic.body.spec.template.spec.containers).toHaveLength(2);
    const merged = await patch('merge-patch+json', { spec: { template: { spec: { containers } } } });
    expect(merged.body.spec.template.spec.containers).toHaveLength(1);
    const json = await patch('json-patch+json', [{ op: 'replace', path: '/spec/replicas', value: 4 }]);
    expect(json.body.spec.replicas).toBe(4);
    const failed = await patch('json-patch+json', [{ op: 'test', path: '/spec/replicas', value: 5 }]);
    expect(failed.code).toBe(422);
    expect((await patch('apply-patch+yaml', {})).code).toBe(501);
    expect((await patch('x-unknown', {})).code).toBe(415);
    const stale = await patch('merge-patch+json', { metadata: { resourceVersion: '1' }, spec: { replicas: 1 } });
    expect(stale.code).toBe(409);
  });

  test('scales through /scale', async () => {
    await server.call('POST', DEPLOYMENTS, deployment('scaled'));
    const headers = { 'content-type': 'application/merge-patch+json' };
    const answer = await server.call('PATCH', `${DEPLOYMENTS}/scaled/scale`, { spec: { replicas: 5 } }, headers);
    expect(answer.body).toMatchObject({ kind: 'Scale', spec: { replicas: 5 }, status: { selector: 'app=scaled' } });
    expect((await server.call('GET', `${DEPLOYMENTS}/scaled`)).body.spec.replicas).toBe(5);
    const negative = await server.call('PATCH', `${DEPLOYMENTS}/scaled/scale`, { spec: { replicas: -1 } }, headers);
    expect(negative.code).toBe(422);
  });
});

test('closes although a client has a connection open', async () => {
  const own = await startTestServer();
  const socket = connect(Number(new URL(own.url).port), '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.on('error', () => {});
  await own.close();
  await expect(own.call('GET', '/version')).rejects.toThrow('ECONNREFUSED');
  socket.destroy();
});
