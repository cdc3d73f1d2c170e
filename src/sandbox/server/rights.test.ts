import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAccount, grantEverywhere, grantTo, tokenOf } from '../../testing/identities.js';
import type { Json } from '../store/types.js';
import { startTestServer, type TestServer } from './test-server.js';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const REVIEWS = '/apis/authorization.k8s.io/v1';
const PODS = '/api/v1/namespaces/shop/pods';
const CHAOS = 'system:serviceaccount:shop:chaos';

let server: TestServer;
let token: string;

beforeAll(async () => {
  server = await startTestServer();
  for (const name of ['shop', 'bank']) {
    server.store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  createAccount(server.store, 'shop', 'chaos');
  const containers = [{ name: 'main', image: 'app:1' }];
  const metadata = { name: 'web', namespace: 'shop' };
  server.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } });
  token = await tokenOf(server.url, 'shop', 'chaos');
});

afterAll(async () => {
  await server?.close();
});

function asChaos(method: string, path: string, body?: Json, headers: Record<string, string> = {}) {
  return server.call(method, path, body, { authorization: `Bearer ${token}`, ...headers });
}

function asUser(user: string, method: string, path: string, body?: Json, headers: Record<string, string> = {}) {
  return server.call(method, path, body, { 'impersonate-user': user, ...headers });
}

function review(spec: Json, kind = 'subjectaccessreviews') {
  return server.call('POST', `${REVIEWS}/${kind}`, { spec });
}

describe('a request', () => {
  test('without credentials is the admin of the sandbox', async () => {
    const { body } = await server.call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    expect(body.status.userInfo).toEqual({
      username: 'system:admin',
      groups: ['system:masters', 'system:authenticated'],
    });
  });

  test('with a token is the service account with its groups', async () => {
    const { code, body } = await asChaos('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    expect(code).toBe(201);
    expect(body.status.userInfo).toMatchObject({
      username: CHAOS,
      uid: server.store.get('serviceaccounts', 'shop', 'chaos')!.metadata.uid,
      groups: ['system:serviceaccounts', 'system:serviceaccounts:shop', 'system:authenticated'],
    });
  });

  test.each([
    ['a forged token', () => `Bearer ${token.slice(0, -4)}AAAA`],
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
    const { code, body } = await asChaos(method, path, method === 'GET' ? undefined : {});
    expect(code).toBe(403);
    expect(body).toMatchObject({ reason: 'Forbidden', message: message.replace('X', CHAOS) });
  });

  test('for versions and discovery needs no role', async () => {
    for (const path of ['/version', '/api', '/apis', '/apis/apps/v1', '/healthz']) {
      expect((await asChaos('GET', path)).code).toBe(200);
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
    expect((await asChaos('GET', `${path}?fieldSelector=metadata.name%3Dsettings`)).code).toBe(200);
    expect((await asChaos('GET', `${path}?fieldSelector=metadata.name%3Dothers`)).code).toBe(403);
    expect((await asChaos('GET', path)).code).toBe(403);
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
    expect((await asUser('jane', 'GET', PODS)).body.message).toContain('User "jane" cannot list resource "pods"');
    const headers = { 'impersonate-group': 'system:masters' };
    expect((await asUser('jane', 'GET', PODS, undefined, headers)).code).toBe(200);
  });

  test('of a service account brings its groups', async () => {
    const { body } = await asUser(CHAOS, 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
    expect(body.status.userInfo.groups).toEqual([
      'system:serviceaccounts',
      'system:serviceaccounts:shop',
      'system:authenticated',
    ]);
  });

  test('takes the right to each name and group', async () => {
    const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'testers' };
    const refused = await asChaos('GET', PODS, undefined, headers);
    expect(refused.body.message).toBe(
      `users "jane" is forbidden: User "${CHAOS}" cannot impersonate resource "users" in API group "" at the cluster scope`,
    );
    const mayBe = (resource: string, name: string) => [
      { apiGroups: [''], resources: [resource], verbs: ['impersonate'], resourceNames: [name] },
    ];
    grantEverywhere(server.store, 'shop/chaos', mayBe('users', 'jane'));
    expect((await asChaos('GET', PODS, undefined, headers)).body.message).toMatch(/^groups "testers" is forbidden/);
    grantEverywhere(server.store, 'shop/chaos', mayBe('groups', 'testers'));
    expect((await asChaos('GET', PODS, undefined, headers)).body.message).toContain('User "jane" cannot list');
  });

  test('of groups without a user is an error', async () => {
    expect((await server.call('GET', PODS, undefined, { 'impersonate-group': 'x' })).code).toBe(500);
  });
});

describe('a SubjectAccessReview', () => {
  const deletePods = { verb: 'delete', resource: 'pods', namespace: 'shop' };

  test('answers from the roles, with the reason', async () => {
    grantTo(server.store, 'shop/chaos', 'shop', [{ apiGroups: [''], resources: ['pods'], verbs: ['delete'] }]);
    const { code, body } = await review({ user: CHAOS, resourceAttributes: deletePods });
    expect(code).toBe(201);
    expect(body).toMatchObject({ kind: 'SubjectAccessReview', apiVersion: 'authorization.k8s.io/v1' });
    expect(body.status.allowed).toBe(true);
    expect(body.status.reason).toMatch(
      /^RBAC: allowed by RoleBinding "granted-\w+\/shop" of Role "granted-\w+" to ServiceAccount "chaos\/shop"$/,
    );
    const elsewhere = await review({ user: CHAOS, resourceAttributes: { ...deletePods, namespace: 'bank' } });
    expect(elsewhere.body.status).toEqual({ allowed: false });
  });

  test('knows verbs and resources of which no server has heard', async () => {
    const rules = [{ apiGroups: ['squall.dev'], resources: ['faults'], verbs: ['inject'], resourceNames: ['podKill'] }];
    grantTo(server.store, 'shop/chaos', 'shop', rules);
    const ask = async (name: string) => {
      const resourceAttributes = { verb: 'inject', group: 'squall.dev', resource: 'faults', namespace: 'shop', name };
      return (await review({ user: CHAOS, resourceAttributes })).body.status.allowed;
    };
    expect([await ask('podKill'), await ask('nodeDrain')]).toEqual([true, false]);
  });

  test('is about the asker in its Self form', async () => {
    const path = `${REVIEWS}/selfsubjectaccessreviews`;
    const ask = async (verb: string) => {
      const spec = { resourceAttributes: { ...deletePods, verb } };
      return (await asChaos('POST', path, { spec })).body.status.allowed;
    };
    expect([await ask('delete'), await ask('create')]).toEqual([true, false]);
    const { body } = await asChaos('POST', `${REVIEWS}/selfsubjectrulesreviews`, { spec: { namespace: 'shop' } });
    expect(body.status.resourceRules).toContainEqual({ apiGroups: [''], resources: ['pods'], verbs: ['delete'] });
    expect(body.status).toMatchObject({ incomplete: false });
  });

  test('of a namespace stays in it', async () => {
    const path = `${REVIEWS}/namespaces/shop/localsubjectaccessreviews`;
    const ask = (namespace: string) =>
      server.call('POST', path, { spec: { user: CHAOS, resourceAttributes: { ...deletePods, namespace } } });
    expect((await ask('shop')).body.status.allowed).toBe(true);
    expect((await ask('bank')).code).toBe(422);
  });

  test('is for those who may ask about others', async () => {
    const { code } = await asChaos('POST', `${REVIEWS}/subjectaccessreviews`, { spec: { user: 'jane' } });
    expect(code).toBe(403);
  });

  test.each([
    ['nobody', { resourceAttributes: deletePods }, 'spec.user'],
    ['nothing', { user: 'jane' }, 'spec.resourceAttributes'],
    [
      'two things at once',
      { user: 'jane', resourceAttributes: deletePods, nonResourceAttributes: { path: '/x', verb: 'get' } },
      'spec.nonResourceAttributes',
    ],
  ])('about %s is invalid', async (_what, spec, field) => {
    const { code, body } = await review(spec);
    expect(code).toBe(422);
    expect(body.details.causes[0].field).toBe(field);
  });

  test('is not there to be read', async () => {
    expect((await server.call('GET', `${REVIEWS}/subjectaccessreviews`)).code).toBe(405);
    expect((await server.call('GET', `${REVIEWS}/subjectaccessreviews/x`)).code).toBe(404);
  });

  test('is fast among thousands of bindings', async () => {
    for (let index = 0; index < 2000; index += 1) {
      grantTo(server.store, `bank/account-${index}`, 'bank', [
        { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
      ]);
    }
    const ask = () => review({ user: CHAOS, resourceAttributes: deletePods });
    await ask();
    const start = performance.now();
    for (let index = 0; index < 100; index += 1) {
      await ask();
    }
    // A millisecond each is usual; ten times that is still no scan of all bindings.
    expect((performance.now() - start) / 100).toBeLessThan(10);
  });
});

describe('a role or a binding', () => {
  const role = (rules: Json[], more: Json = {}) => ({ metadata: { name: 'new', namespace: 'bank' }, rules, ...more });
  const readPods = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' };
  const subjects = [{ kind: 'User', name: 'mallory', apiGroup: 'rbac.authorization.k8s.io' }];
  let count = 0;
  let mallory: string;

  beforeEach(() => {
    count += 1;
    mallory = `bank/mallory-${count}`;
    createAccount(server.store, 'bank', `mallory-${count}`);
  });

  const asMallory = (method: string, path: string, body: Json) =>
    asUser(`system:serviceaccount:${mallory.replace('/', ':')}`, method, path, body);

  test('gives away no right that its author lacks', async () => {
    grantTo(server.store, mallory, 'bank', [
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], verbs: ['create'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    ]);
    const { code, body } = await asMallory('POST', `${RBAC}/namespaces/bank/roles`, role([readPods]));
    expect(code).toBe(403);
    expect(body.message).toContain('is attempting to grant RBAC permissions not currently held:\n');
    expect(body.message).toContain('{APIGroups:[""], Resources:["pods"], Verbs:["list"]}');
    const held = role([{ ...readPods, verbs: ['get'] }]);
    expect((await asMallory('POST', `${RBAC}/namespaces/bank/roles?dryRun=All`, held)).code).toBe(201);
  });

  test('is bound only by who has its rights, or the right to bind it', async () => {
    server.store.create('roles.rbac.authorization.k8s.io', {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: `reader-${count}`, namespace: 'bank' },
      rules: [readPods],
    });
    const reference = { ...roleRef, name: `reader-${count}` };
    const binding = { metadata: { name: `b-${count}`, namespace: 'bank' }, roleRef: reference, subjects };
    const bind = () => asMallory('POST', `${RBAC}/namespaces/bank/rolebindings?dryRun=All`, binding);
    const rbacRule = (resources: string[], verbs: string[]) => [
      { apiGroups: ['rbac.authorization.k8s.io'], resources, verbs },
    ];
    grantTo(server.store, mallory, 'bank', rbacRule(['rolebindings'], ['create']));
    expect((await bind()).code).toBe(403);
    grantTo(server.store, mallory, 'bank', rbacRule(['roles'], ['bind']));
    expect((await bind()).code).toBe(201);
  });

  test.each([
    ['a rule without verbs', role([{ ...readPods, verbs: [] }]), 'rules[0].verbs'],
    ['a rule without groups', role([{ ...readPods, apiGroups: [] }]), 'rules[0].apiGroups'],
    ['a rule without resources', role([{ ...readPods, resources: [] }]), 'rules[0].resources'],
    ['paths in a namespace', role([{ verbs: ['get'], nonResourceURLs: ['/x'] }]), 'rules[0].nonResourceURLs'],
  ])('with %s is invalid', async (_what, body, field) => {
    const answer = await server.call('POST', `${RBAC}/namespaces/bank/roles`, body);
    expect(answer.code).toBe(422);
    expect(answer.body.details.causes[0].field).toBe(field);
  });

  test.each([
    ['no role', { roleRef: { ...roleRef, name: '' }, subjects }, 'roleRef.name'],
    ['a strange role', { roleRef: { ...roleRef, kind: 'Rule' }, subjects }, 'roleRef.kind'],
    ['a strange subject', { roleRef, subjects: [{ kind: 'Robot', name: 'r' }] }, 'subjects[0].kind'],
    ['a nameless subject', { roleRef, subjects: [{ kind: 'User', name: '' }] }, 'subjects[0].name'],
  ])('to %s is invalid', async (_what, more, field) => {
    const body = { metadata: { name: 'bad', namespace: 'bank' }, ...more };
    const answer = await server.call('POST', `${RBAC}/namespaces/bank/rolebindings`, body);
    expect(answer.code).toBe(422);
    expect(answer.body.details.causes[0].field).toBe(field);
  });

  test('keeps its role', async () => {
    const path = `${RBAC}/namespaces/bank/rolebindings`;
    await server.call('POST', path, { metadata: { name: 'kept', namespace: 'bank' }, roleRef, subjects });
    const patch = { roleRef: { ...roleRef, name: 'other' } };
    const headers = { 'content-type': 'application/merge-patch+json' };
    const { code, body } = await server.call('PATCH', `${path}/kept`, patch, headers);
    expect(code).toBe(422);
    expect(body.message).toContain('cannot change roleRef');
  });
});

test('the roles that every cluster has are there', async () => {
  const { body } = await server.call('GET', `${RBAC}/clusterroles`);
  const names = body.items.map(({ metadata }: Json) => metadata.name);
  expect(names).toEqual(expect.arrayContaining(['cluster-admin', 'admin', 'edit', 'view', 'system:discovery']));
  const view = body.items.find(({ metadata }: Json) => metadata.name === 'view');
  expect(view.rules.flatMap(({ resources }: Json) => resources)).not.toContain('secrets');
});
