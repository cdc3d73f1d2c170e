import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { agentAdmission } from '../../cli/install/admission.js';
import { createAccount, grantEverywhere, tokenOf } from '../../testing/identities.js';
import type { Json } from '../store/types.js';
import { startTestServer, type TestServer } from './test-server.js';

const ROOT = '/apis/admissionregistration.k8s.io/v1';
const MAPS = '/api/v1/namespaces/default/configmaps';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server?.close());

const MATCH = {
  resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }],
};

function createPolicy(name: string, spec: Json) {
  const body = { metadata: { name }, spec: { matchConstraints: MATCH, ...spec } };
  return server.call('POST', `${ROOT}/validatingadmissionpolicies`, body);
}

function bindPolicy(name: string, spec: Json = {}) {
  const body = { metadata: { name }, spec: { policyName: name, validationActions: ['Deny'], ...spec } };
  return server.call('POST', `${ROOT}/validatingadmissionpolicybindings`, body);
}

describe('a ValidatingAdmissionPolicy', () => {
  beforeEach(async () => {
    for (const plural of ['validatingadmissionpolicies', 'validatingadmissionpolicybindings']) {
      await server.call('DELETE', `${ROOT}/${plural}`);
    }
    for (const { metadata } of server.store.list('configmaps', 'default')) {
      server.store.delete('configmaps', 'default', metadata.name);
    }
  });

  const create = (name: string, data: Json = {}, headers: Record<string, string> = {}) =>
    server.call('POST', MAPS, { metadata: { name }, data }, headers);
  const validations = [{ expression: "object == null || !('secret' in object.data)", message: 'no secrets in here' }];

  test('refuses what breaks its rules, as soon as it is bound', async () => {
    expect((await createPolicy('clean', { validations })).code).toBe(201);
    expect((await create('early', { secret: 'x' })).code).toBe(201);
    expect((await bindPolicy('clean')).code).toBe(201);
    const { code, body } = await create('late', { secret: 'x' });
    expect(code).toBe(422);
    expect(body).toMatchObject({
      reason: 'Invalid',
      message: `configmaps "late" is forbidden: ValidatingAdmissionPolicy 'clean' with binding 'clean' denied request: no secrets in here`,
    });
    expect(server.store.get('configmaps', 'default', 'late')).toBeUndefined();
    expect((await create('good', { open: 'x' })).code).toBe(201);
    const merge = { 'content-type': 'application/merge-patch+json' };
    expect((await server.call('PATCH', `${MAPS}/good`, { data: { secret: 'y' } }, merge)).code).toBe(422);
    expect((await server.call('DELETE', `${MAPS}/good`)).code).toBe(200);
  });

  test('knows who asks, what was there, and its own variables', async () => {
    await createPolicy('careful', {
      matchConditions: [{ name: 'not-the-admin', expression: "request.userInfo.username != 'system:admin'" }],
      variables: [{ name: 'team', expression: "request.userInfo.groups.exists(g, g == 'team')" }],
      validations: [
        { expression: 'variables.team', messageExpression: "'no, ' + request.userInfo.username", reason: 'Forbidden' },
        { expression: "request.operation != 'DELETE' || oldObject.metadata.name != 'kept'", message: 'kept' },
      ],
    });
    await bindPolicy('careful');
    const as = (group: string) => ({ 'impersonate-user': 'jane', 'impersonate-group': group });
    grantEverywhere(server.store, 'default/nobody', []);
    server.store.create('clusterrolebindings.rbac.authorization.k8s.io', {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { generateName: 'jane-' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
      subjects: [{ kind: 'User', name: 'jane' }],
    });
    expect((await create('kept')).code).toBe(201);
    const refused = await create('hers', {}, as('strangers'));
    expect(refused.code).toBe(403);
    expect(refused.body.message).toMatch(/denied request: no, jane$/);
    expect((await create('hers', {}, as('team'))).code).toBe(201);
    expect((await server.call('DELETE', `${MAPS}/kept`, undefined, as('team'))).body.message).toMatch(/: kept$/);
  });

  test('that fails refuses, unless it is to be ignored', async () => {
    const failing = [{ expression: 'object.data.missing == "x"' }];
    await createPolicy('strict', { validations: failing });
    await bindPolicy('strict');
    expect((await create('a', { other: 'x' })).body.message).toContain('resulted in error: No such key: missing');
    await server.call('DELETE', `${ROOT}/validatingadmissionpolicies/strict`);
    await createPolicy('strict', { validations: failing, failurePolicy: 'Ignore' });
    expect((await create('a', { other: 'x' })).code).toBe(201);
  });

  test.each([
    ['a namespace selector', { namespaceSelector: { matchLabels: { strict: 'yes' } } }],
    ['an object selector', { objectSelector: { matchLabels: { strict: 'yes' } } }],
    ['an exclusion', { excludeResourceRules: MATCH.resourceRules }],
  ])('is narrowed down by %s', async (_what, more) => {
    await createPolicy('narrow', { validations: [{ expression: 'false' }], matchConstraints: { ...MATCH, ...more } });
    await bindPolicy('narrow');
    expect((await create('a')).code).toBe(201);
  });

  test.each([
    ['an expression that is none', { validations: [{ expression: 'object.' }] }, 'spec.validations[0].expression'],
    ['an unknown variable', { validations: [{ expression: 'thing == 1' }] }, 'spec.validations[0].expression'],
    ['no rules', { matchConstraints: {} }, 'spec.matchConstraints.resourceRules'],
    ['parameters', { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } }, 'spec.paramKind'],
  ])('with %s is invalid', async (_what, spec, field) => {
    const { code, body } = await createPolicy('bad', spec);
    expect([code, body.details.causes[0].field]).toEqual([422, field]);
  });
});

test('an agent writes the Lease of its own node only, by the policy of an installation', async () => {
  const { store } = server;
  store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'squall-system' } });
  createAccount(store, 'squall-system', 'squall-agent');
  grantEverywhere(store, 'squall-system/squall-agent', [
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create', 'update'] },
  ]);
  for (const object of agentAdmission('squall-system')) {
    const path = object.kind === 'ValidatingAdmissionPolicy' ? 'policies' : 'policybindings';
    expect((await server.call('POST', `${ROOT}/validatingadmission${path}`, object)).code).toBe(201);
  }
  store.create('pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'agent-n1', namespace: 'squall-system' },
    spec: { nodeName: 'n1', serviceAccountName: 'squall-agent', containers: [{ name: 'agent', image: 'squall:1' }] },
  });
  const write = async (name: string, token: string) =>
    server.call(
      'POST',
      '/apis/coordination.k8s.io/v1/namespaces/squall-system/leases',
      { metadata: { name }, spec: {} },
      { authorization: `Bearer ${token}` },
    );
  const bound = await tokenOf(server.url, 'squall-system', 'squall-agent', 'agent-n1');
  expect((await write('squall-agent-n1', bound)).code).toBe(201);
  expect((await write('squall-agent-n2', bound)).body.message).toContain(
    'an agent may only write the Lease of its own node',
  );
  const unbound = await tokenOf(server.url, 'squall-system', 'squall-agent');
  expect((await write('squall-agent-n3', unbound)).body.message).toContain("the agent's token names no node");
});
