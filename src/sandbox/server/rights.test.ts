import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAccount, grantEverywhere, grantTo, tokenOf } from '../../testing/identities.js';
import { CHAOS, type RightsServer, startRightsServer } from '../../testing/rights-server.js';

const PODS = '/api/v1/namespaces/shop/pods';

let server: RightsServer;

beforeAll(async () => {
  server = await startRightsServer();
});

afterAll(() => server?.close());

describe('a request', () => {
  test('without credentials is the admin of the sandbox', async () => {
    const { body } = await server.call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    expect(body.status.userInfo).toEqual({
      username: 'system:admin',
      groups: ['system:masters', 'system:authenticated'],
    });
  });

  test('with a token is the service account with its groups', async () => {
    const { code, body } = await server.asChaos('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    expect(code).toBe(201);
    expect(body.status.userInfo).toMatchObject({
      username: CHAOS,
      uid: server.store.get('serviceaccounts', 'shop', 'chaos')!.metadata.uid,
      groups: ['system:serviceaccounts', 'system:serviceaccounts:shop', 'system:authenticated'],
    });
  });

  test.each([
    ['a forged token', () => `Bearer ${server.token.slice(0, -4)}AAAA`],
    ['no token at all', () => 'Bearer nonsense'],
    ['another scheme', () => 'Basic amFuZTpzZWNyZXQ='],
    ['an empty header', () => ''],
  ])('with %s is a 401', async (_what, authorization) => {
    const { code, body } = await server.call('GET', PODS, undefined, { authorization: authorization() });
    expect(code).toBe(401);
    expect(body).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Unauthorized', message: 'Unauthorized' });
  });

  test.each([
    ['GET', PODS, 'pods is forbidden: User "X" cannot list resource "pods" in API group "" in the namespace "shop"'],
    [
      'GET',
      `${PODS}?watch=true`,
      'pods is forbidden: User "X" cannot watch resource "pods" in API group "" in the namespace "shop"',
    ],
    [
      'GET',
      `${PODS}/web`,
      'pods "web" is forbidden: User "X" cannot get resource "pods" in API group "" in the namespace "shop"',
    ],
    [
      'GET',
      `${PODS}/web/log`,
      'pods "web" is forbidden: User "X" cannot get resource "pods/log" in API group "" in the namespace "shop"',
    ],
    [
      'POST',
      `${PODS}/web/eviction`,
      'pods "web" is forbidden: User "X" cannot create resource "pods/eviction" in API group "" in the namespace "shop"',
    ],
    [
      'DELETE',
      PODS,
      'pods is forbidden: User "X" cannot deletecollection resource "pods" in API group "" in the namespace "shop"',
    ],
    [
      'DELETE',
      `${PODS}/web`,
      'pods "web" is forbidden: User "X" cannot delete resource "pods" in API group "" in the namespace "shop"',
    ],
    [
      'PATCH',
      '/api/v1/nodes/n1',
      'nodes "n1" is forbidden: User "X" cannot patch resource "nodes" in API group "" at the cluster scope',
    ],
    [
      'PUT',
      '/apis/apps/v1/namespaces/shop/deployments/web/scale',
      'deployments.apps "web" is forbidden: User "X" cannot update resource "deployments/scale" in API group "apps" in the namespace "shop"',
    ],
    [
      'GET',
      '/api/v1/namespaces/shop',
      'namespaces "shop" is forbidden: User "X" cannot get resource "namespaces" in API group "" in the namespace "shop"',
    ],
    [
      'GET',
      '/apis/unknown.dev/v1/namespaces/shop/things',
      'things.unknown.dev is forbidden: User "X" cannot list resource "things" in API group "unknown.dev" in the namespace "shop"',
    ],
    ['GET', '/sandbox/knobs', 'forbidden: User "X" cannot get path "/sandbox/knobs"'],
  ])('%s %s without a right is refused in the words of a real server', async (method, path, message) => {
    const { code, body } = await server.asChaos(method, path, method === 'GET' ? undefined : {});
    expect(code).toBe(403);
    expect(body).toMatchObject({ reason: 'Forbidden', message: message.replace('X', CHAOS) });
  });

  test('for versions and discovery needs no role', async () => {
    for (const path of ['/version', '/api', '/apis', '/apis/apps/v1', '/healthz']) {
      expect((await server.asChaos('GET', path)).code).toBe(200);
    }
  });

  test('passes as soon as a role allows it, and no longer than that', async () => {
    createAccount(server.store, 'shop', 'short');
    const short = { authorization: `Bearer ${await tokenOf(server.url, 'shop', 'short')}` };
    const get = async () => (await server.call('GET', `${PODS}/web`, undefined, short)).code;
    expect(await get()).toBe(403);
    grantTo(server.store, 'shop/short', 'shop', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]);
    expect(await get()).toBe(200);
    expect((await server.call('GET', PODS, undefined, short)).code).toBe(403);
    const [binding] = server.store
      .list('rolebindings.rbac.authorization.k8s.io', 'shop')
      .filter(({ subjects }) => subjects[0].name === 'short');
    server.store.delete('rolebindings.rbac.authorization.k8s.io', 'shop', binding!.metadata.name);
    expect(await get()).toBe(403);
  });

  test('for a list of one name passes with a right to that name', async () => {
    const rules = [
      { apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'watch'], resourceNames: ['settings'] },
    ];
    grantTo(server.store, 'shop/chaos', 'shop', rules);
    const path = '/api/v1/namespaces/shop/configmaps';
    expect((await server.asChaos('GET', `${path}?fieldSelector=metadata.name%3Dsettings`)).code).toBe(200);
    expect((await server.asChaos('GET', `${path}?fieldSelector=metadata.name%3Dothers`)).code).toBe(403);
    expect((await server.asChaos('GET', path)).code).toBe(403);
  });
});

describe('a token', () => {
  test('is over when its account is gone, also when one of the same name comes back', async () => {
    createAccount(server.store, 'bank', 'brief');
    const authorization = `Bearer ${await tokenOf(server.url, 'bank', 'brief')}`;
    const ask = () => server.call('GET', '/version', undefined, { authorization });
    expect((await ask()).code).toBe(200);
    server.store.delete('serviceaccounts', 'bank', 'brief');
    expect((await ask()).code).toBe(401);
    createAccount(server.store, 'bank', 'brief');
    expect((await ask()).code).toBe(401);
  });

  test('bound to a pod names it and its node, and is over with it', async () => {
    const spec = { nodeName: 'n1', serviceAccountName: 'chaos', containers: [{ name: 'main', image: 'app:1' }] };
    const metadata = { name: 'agent', namespace: 'shop' };
    server.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata, spec });
    const bound = await tokenOf(server.url, 'shop', 'chaos', 'agent');
    const verify = () => server.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: bound } });
    const { status } = (await verify()).body;
    expect(status).toMatchObject({ authenticated: true, user: { username: CHAOS } });
    expect(status.user.extra).toMatchObject({
      'authentication.kubernetes.io/pod-name': ['agent'],
      'authentication.kubernetes.io/node-name': ['n1'],
    });
    server.store.delete('pods', 'shop', 'agent', { gracePeriodSeconds: 0 });
    expect((await verify()).body.status.authenticated).toBeUndefined();
  });

  test('is over when its time is', async () => {
    const ask = () => server.asChaos('GET', '/version');
    expect((await ask()).code).toBe(200);
    server.knobs.set({ clockOffsetMilliseconds: 3_700_000 });
    expect((await ask()).code).toBe(401);
    server.knobs.set({ clockOffsetMilliseconds: 0 });
    expect((await ask()).code).toBe(200);
  });

  test('for another audience does not open this server', async () => {
    const path = '/api/v1/namespaces/shop/serviceaccounts/chaos/token';
    const { code, body } = await server.call('POST', path, { spec: { audiences: ['vault'], expirationSeconds: 600 } });
    expect(code).toBe(201);
    const authorization = `Bearer ${body.status.token}`;
    expect((await server.call('GET', '/version', undefined, { authorization })).code).toBe(401);
  });

  test('of less than ten minutes, or of an account that is not there, is refused', async () => {
    const path = (name: string) => `/api/v1/namespaces/shop/serviceaccounts/${name}/token`;
    expect((await server.call('POST', path('chaos'), { spec: { expirationSeconds: 60 } })).code).toBe(422);
    expect((await server.call('POST', path('nobody'), {})).code).toBe(404);
  });
});

describe('impersonation', () => {
  test('gives the admin the rights of the user, and none of the own', async () => {
    expect((await server.asUser('jane', 'GET', PODS)).body.message).toContain(
      'User "jane" cannot list resource "pods"',
    );
    const headers = { 'impersonate-group': 'system:masters' };
    expect((await server.asUser('jane', 'GET', PODS, undefined, headers)).code).toBe(200);
  });

  test('of a service account brings its groups', async () => {
    const { body } = await server.asUser(CHAOS, 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    expect(body.status.userInfo.groups).toEqual([
      'system:serviceaccounts',
      'system:serviceaccounts:shop',
      'system:authenticated',
    ]);
  });

  test('takes the right to each name and group', async () => {
    const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'testers' };
    const refused = await server.asChaos('GET', PODS, undefined, headers);
    expect(refused.body.message).toBe(
      `users "jane" is forbidden: User "${CHAOS}" cannot impersonate resource "users" in API group "" at the cluster scope`,
    );
    const mayBe = (resource: string, name: string) => [
      { apiGroups: [''], resources: [resource], verbs: ['impersonate'], resourceNames: [name] },
    ];
    grantEverywhere(server.store, 'shop/chaos', mayBe('users', 'jane'));
    expect((await server.asChaos('GET', PODS, undefined, headers)).body.message).toMatch(
      /^groups "testers" is forbidden/,
    );
    grantEverywhere(server.store, 'shop/chaos', mayBe('groups', 'testers'));
    expect((await server.asChaos('GET', PODS, undefined, headers)).body.message).toContain('User "jane" cannot list');
  });

  test('of groups without a user is an error', async () => {
    expect((await server.call('GET', PODS, undefined, { 'impersonate-group': 'x' })).code).toBe(500);
  });
});
