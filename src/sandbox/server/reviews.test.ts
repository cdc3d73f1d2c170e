import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { grantTo } from '../../testing/identities.js';
import { CHAOS, type RightsServer, startRightsServer } from '../../testing/rights-server.js';
import type { Json } from '../store/types.js';

const REVIEWS = '/apis/authorization.k8s.io/v1';

let server: RightsServer;

beforeAll(async () => {
  server = await startRightsServer();
});

afterAll(() => server?.close());

function review(spec: Json) {
  return server.call('POST', `${REVIEWS}/subjectaccessreviews`, { spec });
}

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
      return (await server.asChaos('POST', path, { spec })).body.status.allowed;
    };
    expect([await ask('delete'), await ask('create')]).toEqual([true, false]);
    const { body } = await server.asChaos('POST', `${REVIEWS}/selfsubjectrulesreviews`, {
      spec: { namespace: 'shop' },
    });
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
    const { code } = await server.asChaos('POST', `${REVIEWS}/subjectaccessreviews`, { spec: { user: 'jane' } });
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
