import { describe, expect, test } from '@jest/globals';
import type { Json } from '../../kubernetes/resource.js';
import { disruptionBudget, type LabelledPod, replicasOf, surveyedPod, workloadFacts } from './safeguard-facts.js';

const pod = (name: string, more: Partial<LabelledPod> = {}): LabelledPod => ({
  namespace: 'shop',
  uid: name,
  node: 'n0',
  ready: true,
  workload: 'Deployment/web',
  labels: { app: 'web' },
  ...more,
});

const status = { disruptionsAllowed: 1, desiredHealthy: 2, observedGeneration: 3 };
const budget = (more: Json = {}, spec: Json = { selector: { matchLabels: { app: 'web' } } }) => ({
  metadata: { namespace: 'shop', name: 'web', generation: 3 },
  spec,
  status: { ...status, ...more },
});
const three = [pod('a'), pod('b'), pod('c')];

describe('a disruption budget', () => {
  test('allows what its status says, of the Ready pods it selects', () => {
    const others = [pod('d', { labels: { app: 'api' } }), pod('e', { namespace: 'test' }), pod('f', { ready: false })];
    const found = disruptionBudget(budget(), [...three, ...others]);
    expect(found).toEqual({ namespace: 'shop', name: 'web', allowed: 1, pods: new Set(['a', 'b', 'c']) });
  });

  test('allows less when pods were lost that its status does not know of yet', () => {
    expect(disruptionBudget(budget(), three.slice(1)).allowed).toBe(0);
    expect(disruptionBudget(budget(), three.slice(2)).allowed).toBe(0);
  });

  test('allows nothing and says why when its status is older than its spec, or missing', () => {
    const stale = disruptionBudget(budget({ observedGeneration: 2 }), three);
    expect(stale).toMatchObject({ allowed: 0, unknown: 'its status is older than its spec' });
    const fresh = disruptionBudget({ ...budget(), status: undefined }, three);
    expect(fresh).toMatchObject({ allowed: 0, unknown: 'it has no status yet' });
  });

  test('selects nothing without a selector, and all of its namespace with an empty one', () => {
    expect(disruptionBudget(budget({}, {}), three).pods.size).toBe(0);
    const all = disruptionBudget(budget({}, { selector: {} }), [...three, pod('e', { namespace: 'test' })]);
    expect(all.pods.size).toBe(3);
  });
});

describe('a workload', () => {
  test('has as many Ready pods as are seen, and is meant to have what it says, or what is there', () => {
    const pods = [...three, pod('d', { ready: false }), pod('e', { workload: 'Job/once' })];
    expect(workloadFacts(pods, new Map([['shop/Deployment/web', 5]]))).toEqual([
      { namespace: 'shop', workload: 'Deployment/web', replicas: 5, ready: 3 },
      { namespace: 'shop', workload: 'Job/once', replicas: 1, ready: 1 },
    ]);
  });

  test('is meant to have its replicas, one where it does not say, and as many as there are nodes for a DaemonSet', () => {
    expect(replicasOf({ kind: 'Deployment', metadata: {}, spec: { replicas: 4 } })).toBe(4);
    expect(replicasOf({ kind: 'Deployment', metadata: {}, spec: {} })).toBe(1);
    expect(replicasOf({ kind: 'DaemonSet', metadata: {}, spec: {}, status: { desiredNumberScheduled: 3 } })).toBe(3);
  });

  test('is found by the owner of a pod', () => {
    const owned = (kind: string, name: string, labels: Record<string, string> = {}) => {
      const ownerReferences = [{ kind, name, uid: 'u', controller: true }];
      return surveyedPod({ metadata: { namespace: 'shop', name: 'p', uid: 'p', labels, ownerReferences } as never })
        ?.workload;
    };
    expect(owned('ReplicaSet', 'web-5d9f', { 'pod-template-hash': '5d9f' })).toBe('Deployment/web');
    expect(owned('ReplicaSet', 'bare-5d9f')).toBe('ReplicaSet/bare-5d9f');
    expect(owned('StatefulSet', 'db')).toBe('StatefulSet/db');
    expect(owned('Node', 'n0')).toBeUndefined();
  });
});
