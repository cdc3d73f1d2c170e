import { describe, expect, test } from '@jest/globals';
import { authorize, type BindingObject, type RbacObjects, type RoleObject, type SubjectObject } from './authorize.js';
import { accountGroups, accountOf, accountUser, type ResourceRequest, refusalOf, type UserInfo } from './request.js';
import type { PolicyRule } from './rules.js';

const chaos: UserInfo = { name: 'system:serviceaccount:shop:chaos', groups: accountGroups('shop') };
const jane: UserInfo = { name: 'jane', groups: ['testers', 'system:authenticated'] };
const deletePods: PolicyRule = { apiGroups: [''], resources: ['pods'], verbs: ['delete'] };

function role(name: string, rules: PolicyRule[], namespace?: string): RoleObject {
  return { metadata: { name, namespace }, rules };
}

function binding(roleRef: string, subjects: SubjectObject[], namespace?: string): BindingObject {
  const [kind = '', name = ''] = roleRef.split('/');
  return { metadata: { name: `${name}-binding`, namespace }, roleRef: { kind, name }, subjects };
}

function rbac(objects: Partial<RbacObjects>): RbacObjects {
  return { roles: [], roleBindings: [], clusterRoles: [], clusterRoleBindings: [], ...objects };
}

function ask(verb: string, resource: string, more: Partial<ResourceRequest> = {}): ResourceRequest {
  const [plural = '', subresource] = resource.split('/');
  return { verb, group: '', resource: plural, subresource, namespace: 'shop', ...more };
}

/** Whether jane may, when this is the one rule of a ClusterRole bound to her in the whole cluster. */
function allows(rule: PolicyRule, request: Parameters<typeof authorize>[2]): boolean {
  const objects = rbac({
    clusterRoles: [role('one', [rule])],
    clusterRoleBindings: [binding('ClusterRole/one', [{ kind: 'User', name: 'jane' }])],
  });
  return authorize(objects, jane, request).allowed;
}

describe('a rule', () => {
  const deployments = { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['patch'] };
  const named = { ...deletePods, resourceNames: ['web-1'] };
  const cases: [string, PolicyRule, Parameters<typeof authorize>[2], boolean][] = [
    ['allows its verb on its resource', deletePods, ask('delete', 'pods'), true],
    ['allows no other verb', deletePods, ask('deletecollection', 'pods'), false],
    ['allows no other resource', deletePods, ask('delete', 'services'), false],
    ['allows no other group', deletePods, ask('delete', 'pods', { group: 'metrics.k8s.io' }), false],
    ['of a resource holds none of its subresources', deletePods, ask('delete', 'pods/eviction'), false],
    ['of a subresource holds it', deployments, ask('patch', 'deployments/scale', { group: 'apps' }), true],
    ['of a subresource does not hold the resource', deployments, ask('patch', 'deployments', { group: 'apps' }), false],
    [
      'of */scale holds every scale',
      { ...deployments, resources: ['*/scale'] },
      ask('patch', 'deployments/scale', { group: 'apps' }),
      true,
    ],
    [
      'of */scale holds no resource',
      { ...deployments, resources: ['*/scale'] },
      ask('patch', 'deployments', { group: 'apps' }),
      false,
    ],
    ['of * holds subresources', { ...deletePods, resources: ['*'] }, ask('delete', 'pods/eviction'), true],
    ['with names holds these', named, ask('delete', 'pods', { name: 'web-1' }), true],
    ['with names holds no other', named, ask('delete', 'pods', { name: 'web-2' }), false],
    ['with names does not hold a request for all', named, ask('delete', 'pods'), false],
    [
      'holds verbs and resources that no server knows',
      { apiGroups: ['squall.dev'], resources: ['faults'], verbs: ['inject'], resourceNames: ['networkLatency'] },
      ask('inject', 'faults', { group: 'squall.dev', name: 'networkLatency' }),
      true,
    ],
    ['asked for every verb needs every verb', deletePods, ask('*', 'pods'), false],
    ['of paths holds them', { nonResourceURLs: ['/healthz'], verbs: ['get'] }, { verb: 'get', path: '/healthz' }, true],
    [
      'of paths holds none below',
      { nonResourceURLs: ['/apis'], verbs: ['get'] },
      { verb: 'get', path: '/apis/x' },
      false,
    ],
    [
      'of paths with * holds all below',
      { nonResourceURLs: ['/apis*'], verbs: ['*'] },
      { verb: 'get', path: '/apis/x' },
      true,
    ],
    ['of all resources holds no path', { ...deletePods, verbs: ['*'] }, { verb: 'get', path: '/healthz' }, false],
    ['of all paths holds no resource', { nonResourceURLs: ['*'], verbs: ['*'] }, ask('get', 'pods'), false],
  ];
  test.each(cases)('%s', (_name, rule, request, expected) => {
    expect(allows(rule, request)).toBe(expected);
  });
});

describe('a RoleBinding', () => {
  const objects = rbac({
    roles: [role('chaos', [deletePods], 'shop'), role('chaos', [deletePods], 'bank')],
    clusterRoles: [role('reader', [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }])],
    roleBindings: [
      binding('Role/chaos', [{ kind: 'ServiceAccount', name: 'chaos' }], 'shop'),
      binding('ClusterRole/reader', [{ kind: 'Group', name: 'system:serviceaccounts:shop' }], 'bank'),
    ],
  });

  test('grants in its own namespace, and says how', () => {
    expect(authorize(objects, chaos, ask('delete', 'pods'))).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "chaos-binding/shop" of Role "chaos" to ServiceAccount "chaos/shop"',
    });
  });

  test('grants nothing elsewhere, nor in the whole cluster', () => {
    for (const namespace of ['bank', undefined]) {
      expect(authorize(objects, chaos, ask('delete', 'pods', { namespace }))).toEqual({ allowed: false, reason: '' });
    }
  });

  test('of a ClusterRole grants that only in its namespace', () => {
    expect(authorize(objects, chaos, ask('list', 'pods', { namespace: 'bank' })).reason).toBe(
      'RBAC: allowed by RoleBinding "reader-binding/bank" of ClusterRole "reader" to Group "system:serviceaccounts:shop"',
    );
    expect(authorize(objects, chaos, ask('list', 'pods')).allowed).toBe(false);
  });

  test('means the account of its own namespace, not one of the same name elsewhere', () => {
    const stranger = { name: accountUser('bank', 'chaos'), groups: accountGroups('bank') };
    expect(authorize(objects, stranger, ask('delete', 'pods')).allowed).toBe(false);
  });

  test('to a role that is gone grants nothing and says so', () => {
    const dangling = rbac({ roleBindings: [binding('Role/gone', [{ kind: 'User', name: 'jane' }], 'shop')] });
    expect(authorize(dangling, jane, ask('get', 'pods'))).toEqual({
      allowed: false,
      reason: 'RBAC: role.rbac.authorization.k8s.io "gone" not found',
    });
  });
});

describe('a ClusterRoleBinding', () => {
  test('grants everywhere, also to a service account that names its namespace', () => {
    const subject = { kind: 'ServiceAccount', name: 'chaos', namespace: 'shop' };
    const objects = rbac({
      clusterRoles: [role('killer', [deletePods])],
      clusterRoleBindings: [binding('ClusterRole/killer', [subject])],
    });
    for (const namespace of ['bank', undefined]) {
      expect(authorize(objects, chaos, ask('delete', 'pods', { namespace })).reason).toBe(
        'RBAC: allowed by ClusterRoleBinding "killer-binding" of ClusterRole "killer" to ServiceAccount "chaos/shop"',
      );
    }
  });

  test('to a service account without a namespace grants nothing', () => {
    const objects = rbac({
      clusterRoles: [role('killer', [deletePods])],
      clusterRoleBindings: [binding('ClusterRole/killer', [{ kind: 'ServiceAccount', name: 'chaos' }])],
    });
    expect(authorize(objects, chaos, ask('delete', 'pods')).allowed).toBe(false);
  });
});

describe('a user', () => {
  test('in system:masters may do everything without any role', () => {
    const master = { name: 'root', groups: ['system:masters'] };
    expect(authorize(rbac({}), master, ask('escalate', 'anything'))).toEqual({ allowed: true, reason: '' });
  });

  test('asked about without groups gets nothing that a group has', () => {
    const objects = rbac({
      clusterRoles: [role('killer', [deletePods])],
      clusterRoleBindings: [binding('ClusterRole/killer', [{ kind: 'Group', name: 'testers' }])],
    });
    expect(authorize(objects, jane, ask('delete', 'pods')).allowed).toBe(true);
    expect(authorize(objects, { ...jane, groups: [] }, ask('delete', 'pods')).allowed).toBe(false);
  });

  test('with the name of a group is not that group', () => {
    const objects = rbac({
      clusterRoles: [role('killer', [deletePods])],
      clusterRoleBindings: [binding('ClusterRole/killer', [{ kind: 'Group', name: 'jane' }])],
    });
    expect(authorize(objects, jane, ask('delete', 'pods')).allowed).toBe(false);
  });

  test('is a service account when the name has a namespace and a name', () => {
    expect(accountOf('system:serviceaccount:shop:chaos')).toEqual({ namespace: 'shop', name: 'chaos' });
    expect(accountOf('system:serviceaccount:shop')).toBeUndefined();
    expect(accountOf('system:serviceaccount:shop:a:b')).toBeUndefined();
    expect(accountOf('jane')).toBeUndefined();
  });

  test('is refused in the words of Kubernetes', () => {
    const scale = ask('patch', 'deployments/scale', { group: 'apps', namespace: undefined });
    expect(refusalOf(jane, scale)).toBe(
      'User "jane" cannot patch resource "deployments/scale" in API group "apps" at the cluster scope',
    );
    expect(refusalOf(jane, { verb: 'get', path: '/x' })).toBe('User "jane" cannot get path "/x"');
  });
});

test('many bindings do not make an answer slow', () => {
  const namespaces = Array.from({ length: 2000 }, (_, index) => `ns-${index}`);
  const objects = rbac({
    roles: namespaces.map((namespace) => role('chaos', [deletePods], namespace)),
    roleBindings: namespaces.map((namespace) =>
      binding('Role/chaos', [{ kind: 'ServiceAccount', name: 'chaos', namespace: 'shop' }], namespace),
    ),
  });
  expect(authorize(objects, chaos, ask('delete', 'pods', { namespace: 'ns-1999' })).allowed).toBe(true);
});
