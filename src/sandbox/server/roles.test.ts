import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAccount, grantTo } from '../../testing/identities.js';
import { type RightsServer, startRightsServer } from '../../testing/rights-server.js';
import type { Json } from '../store/types.js';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

let server: RightsServer;

beforeAll(async () => {
  server = await startRightsServer();
});

afterAll(() => server?.close());

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
    server.asUser(`system:serviceaccount:${mallory.replace('/', ':')}`, method, path, body);

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

  test('gets no right by an update that its author lacks', async () => {
    const name = `small-${count}`;
    const small = { ...role([{ ...readPods, verbs: ['get'] }]), metadata: { name, namespace: 'bank' } };
    await server.call('POST', `${RBAC}/namespaces/bank/roles`, small);
    grantTo(server.store, mallory, 'bank', [
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], verbs: ['patch', 'update'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    ]);
    const path = `${RBAC}/namespaces/bank/roles/${name}`;
    const headers = { 'content-type': 'application/merge-patch+json' };
    const user = `system:serviceaccount:${mallory.replace('/', ':')}`;
    expect((await server.asUser(user, 'PATCH', path, { rules: [readPods] }, headers)).code).toBe(403);
    expect((await asMallory('PUT', path, { ...small, rules: [readPods] })).code).toBe(403);
    expect((await asMallory('PUT', path, small)).code).toBe(200);
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
