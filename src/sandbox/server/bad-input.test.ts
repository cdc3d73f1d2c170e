import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Json } from '../store/types.js';
import { startTestServer, type TestServer } from './test-server.js';

const SELECTOR = { matchLabels: { app: 'x' } };
const POD_SPEC = { containers: [{ name: 'main', image: 'app', ports: [{ containerPort: 80 }] }] };
const TEMPLATE = { metadata: { labels: { app: 'x' } }, spec: POD_SPEC };
const SEEDS: Record<string, Json> = {
  '/api/v1/namespaces/default/pods': { spec: POD_SPEC },
  '/api/v1/namespaces/default/services': { spec: { ports: [{ port: 80 }] } },
  '/api/v1/namespaces/default/configmaps': { data: { key: 'value' } },
  '/api/v1/nodes': { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } },
  '/apis/apps/v1/namespaces/default/deployments': { spec: { selector: SELECTOR, template: TEMPLATE } },
  '/apis/apps/v1/namespaces/default/daemonsets': { spec: { selector: SELECTOR, template: TEMPLATE } },
  '/apis/batch/v1/namespaces/default/jobs': {
    spec: { template: { spec: { ...POD_SPEC, restartPolicy: 'Never' } } },
  },
  '/apis/policy/v1/namespaces/default/poddisruptionbudgets': { spec: { selector: SELECTOR, minAvailable: 1 } },
  '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers': {
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'x' }, maxReplicas: 2 },
  },
  '/apis/rbac.authorization.k8s.io/v1/clusterroles': {
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
    aggregationRule: { clusterRoleSelectors: [SELECTOR] },
  },
  '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies': {
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] }],
        objectSelector: SELECTOR,
      },
      matchConditions: [{ name: 'any', expression: 'true' }],
      variables: [{ name: 'kind', expression: 'request.kind' }],
      validations: [{ expression: "variables.kind.kind != 'Thing'", messageExpression: "'no'" }],
    },
  },
  '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings': {
    spec: { policyName: 'x', validationActions: ['Deny'] },
  },
  '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings': {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'x' },
    subjects: [{ kind: 'ServiceAccount', name: 'x', namespace: 'default' }],
  },
};
const REVIEWS = ['subjectaccessreviews', 'selfsubjectaccessreviews', 'selfsubjectrulesreviews'];
const COLLECTIONS = Object.keys(SEEDS);
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
const MERGE = { 'content-type': 'application/merge-patch+json' };

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  const metadata = { name: 'x', namespace: 'default' };
  server.store.create('serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  for (const [path, seed] of Object.entries(SEEDS)) {
    const { code } = await server.call('POST', path, { metadata: { name: 'x' }, ...seed });
    expect(code).toBe(201);
  }
});

afterAll(() => server.close());

/** Every place in an object, as the keys that lead there. */
function places(value: Json, path: string[] = []): string[][] {
  const below = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return [path, ...below.flatMap(([key, member]) => places(member, [...path, key]))];
}

function pointer(place: string[]): string {
  return place.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

describe('the server', () => {
  test('answers any value in any place of an object with a success or a 4xx, and can still show it', async () => {
    const choice = fc.record({
      collection: fc.constantFrom(...COLLECTIONS),
      place: fc.nat(),
      value: fc.jsonValue({ maxDepth: 2 }),
      subresource: fc.constantFrom('', '', '/status'),
    });
    const property = fc.asyncProperty(choice, async ({ collection, place, value, subresource }) => {
      const { body: present } = await server.call('GET', `${collection}/x`);
      const all = places(present);
      const path = pointer(all[place % all.length]!);
      const headers = { 'content-type': 'application/json-patch+json' };
      const patch = [{ op: 'replace', path, value }];
      const answer = await server.call('PATCH', `${collection}/x${subresource}?dryRun=All`, patch, headers);
      expect(answer.code).toBeLessThan(500);
      expect(answer.body.metadata).toBeDefined();
      // Kept for the next round, so that oddities pile up.
      await server.call('PATCH', `${collection}/x${subresource}`, patch, headers);
      expect((await server.call('GET', collection, undefined, TABLE)).code).toBe(200);
      // Whatever roles and bindings have become, rights can still be asked for.
      const asked = await server.call('GET', collection, undefined, { 'impersonate-user': 'jane' });
      expect(asked.code).toBe(403);
    });
    await fc.assert(property, { numRuns: 300 });
  }, 30_000);

  test('answers any body to any write with a success or a 4xx', async () => {
    const body = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.record({ metadata: fc.jsonValue(), spec: fc.jsonValue() }));
    const property = fc.asyncProperty(fc.constantFrom(...COLLECTIONS), body, async (collection, value) => {
      const text = JSON.stringify(value);
      const answers = await Promise.all([
        server.call('POST', collection, text),
        server.call('PUT', `${collection}/x`, text),
        server.call('PATCH', `${collection}/y`, text, MERGE),
        server.call('POST', '/api/v1/namespaces/default/pods/x/eviction', text),
        server.call('POST', '/api/v1/namespaces/default/pods/x/binding', text),
        server.call('DELETE', `${collection}/y`, text),
        server.call('PUT', '/sandbox/knobs?', text),
        server.call('POST', '/api/v1/namespaces/default/serviceaccounts/x/token', text),
        ...REVIEWS.map((plural) => server.call('POST', `/apis/authorization.k8s.io/v1/${plural}`, text)),
      ]);
      for (const { code } of answers) {
        expect(code).toBeLessThan(500);
      }
      server.knobs.set({ latencyMilliseconds: 0, faults: [] });
    });
    await fc.assert(property, { numRuns: 100 });
  }, 30_000);
});
