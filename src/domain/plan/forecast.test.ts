import { describe, expect, test } from '@jest/globals';
import { aBudgetView, aClusterView, aNodeView, aPlacing, aPodView, aWorkloadView } from '../../testing/plan-views.js';
import type { ClusterView } from './cluster.js';
import { concernsOf } from './concerns.js';
import type { Effect } from './effect.js';
import { forecast } from './forecast.js';

const deleted = (...uids: string[]): Effect => ({ on: 'pods', uids, how: 'deleted' });
const evicted = (...uids: string[]): Effect => ({ on: 'pods', uids, how: 'evicted' });
const cordon = (name: string): Effect => ({ on: 'node', name, unschedulable: true, seconds: 60 });
const scaled = (count: number): Effect => ({
  on: 'workload',
  namespace: 'shop',
  workload: 'Deployment/web',
  to: { count },
});
const all = ['uid-web-n1', 'uid-web-n2', 'uid-web-n3'];

function one(view: ClusterView, ...effects: Effect[]) {
  const [found] = forecast(view, [{ steps: ['a'], effects }]);
  if (!found) throw new Error('nothing is foretold');
  return found;
}

function worst(view: ClusterView, ...effects: Effect[]): number | undefined {
  return one(view, ...effects).workloads[0]?.worst;
}

const kinds = (view: ClusterView, ...effects: Effect[]) =>
  concernsOf(view, one(view, ...effects)).map(({ kind }) => kind);

describe('the fewest Ready pods of a workload', () => {
  test('are those that no step of the group takes, all at once', () => {
    expect(
      worst(aClusterView(), deleted('uid-web-n1'), { on: 'pods', uids: ['uid-web-n2'], how: 'outOfService' }),
    ).toBe(1);
  });

  test('count a pod that two steps hit once', () => {
    expect(worst(aClusterView(), deleted('uid-web-n1'), deleted('uid-web-n1'))).toBe(2);
  });

  test('do not count what is not Ready or on its way out already', () => {
    const pods = [aPodView('a', { ready: false }), aPodView('b', { terminating: true }), aPodView('c')];
    expect(one(aClusterView({ pods }), deleted('uid-c')).workloads).toMatchObject([{ ready: 1, worst: 0 }]);
  });

  test('are what a workload is scaled to, less what is hit beside: it may keep just those', () => {
    expect(worst(aClusterView(), scaled(2))).toBe(2);
    expect(worst(aClusterView(), scaled(2), deleted('uid-web-n1'))).toBe(1);
    expect(worst(aClusterView(), { ...scaled(0), to: { percent: 50 } } as Effect)).toBe(1);
    expect(worst(aClusterView(), scaled(5))).toBe(3);
  });

  test('are those a rollout leaves', () => {
    const rolled: Effect = { on: 'workload', namespace: 'shop', workload: 'Deployment/web' };
    expect(worst(aClusterView(), rolled)).toBe(2);
    expect(worst(aClusterView({ workloads: [aWorkloadView({ rolledAtOnce: 3 })] }), rolled)).toBe(0);
  });

  test('are fewer by what a taint drives out, as long as it is not tolerated for all its time', () => {
    const tolerating = (seconds: number) =>
      aPlacing({ tolerations: [{ key: 'x', operator: 'Exists', tolerationSeconds: seconds }] });
    const taint: Effect = { on: 'node', name: 'n1', taints: [{ key: 'x', effect: 'NoExecute' }], seconds: 60 };
    const pods = [
      aPodView('a'),
      aPodView('b', { placing: tolerating(30) }),
      aPodView('c', { placing: tolerating(90) }),
    ];
    expect(worst(aClusterView({ pods }), taint)).toBe(1);
    const mild: Effect = { ...taint, taints: [{ key: 'x', effect: 'NoSchedule' }] };
    expect(one(aClusterView({ pods }), mild).workloads).toEqual([]);
  });
});

describe('evictions', () => {
  test('go as far as budgets allow at once, and the others one after the other', () => {
    const view = aClusterView({ budgets: [aBudgetView()] });
    const found = one(view, evicted(...all));
    expect(found.workloads).toMatchObject([{ ready: 3, worst: 2 }]);
    expect(found.heldBack).toMatchObject([{ blocked: false, pods: [{}, {}] }]);
    expect(found.budgets).toMatchObject([{ allowed: 1, allowedWorst: 0 }]);
    expect(found.nodes.map((node) => node.worst)).toEqual([0, 0, 0]);
  });

  test('are blocked by a budget that allows none, and by two budgets', () => {
    const none = aClusterView({ budgets: [aBudgetView({ allowed: 0, desired: 3 })] });
    expect(worst(none, evicted(...all))).toBeUndefined();
    expect(kinds(none, evicted(...all))).toEqual(['BudgetBlocks']);
    const expected: Effect = { on: 'pods', uids: all, how: 'evicted', expectsBudget: true };
    expect(kinds(none, expected)).toEqual([]);
    const two = aClusterView({ budgets: [aBudgetView(), aBudgetView({ name: 'other' })] });
    expect(kinds(two, evicted('uid-web-n1'))).toEqual(['BudgetBlocks']);
  });

  test('of pods that are not Ready take nothing from a budget that is kept', () => {
    const pods = [aPodView('a', { ready: false }), aPodView('b'), aPodView('c')];
    const view = aClusterView({ pods, budgets: [aBudgetView({ healthy: 2, desired: 2, allowed: 0 })] });
    expect(one(view, evicted('uid-a')).heldBack).toEqual([]);
    expect(one(view, evicted('uid-b')).heldBack).toMatchObject([{ blocked: true }]);
  });

  test('ask no budget of another namespace, nor one that selects nothing', () => {
    const budgets = [
      aBudgetView({ namespace: 'mail', allowed: 0 }),
      { ...aBudgetView({ allowed: 0 }), selector: undefined },
    ];
    const view = aClusterView({ budgets: budgets as ClusterView['budgets'] });
    expect(one(view, evicted(...all)).heldBack).toEqual([]);
  });
});

describe('nodes and zones', () => {
  test('lose the pods that leave, and take none while they are closed', () => {
    const found = one(aClusterView(), cordon('n1'), evicted('uid-web-n1'));
    expect(found.nodes).toEqual([{ name: 'n1', ready: 1, worst: 0, closed: true }]);
    expect(found.zones).toEqual([]);
  });

  test('of one zone are counted together', () => {
    const nodes = ['n1', 'n2', 'n3'].map((name) => aNodeView(name, { zone: name === 'n3' ? 'b' : 'a' }));
    const found = one(aClusterView({ nodes }), cordon('n1'), cordon('n2'), deleted('uid-web-n1', 'uid-web-n2'));
    expect(found.zones).toEqual([{ name: 'a', ready: 2, worst: 0, closed: true }]);
  });
});

describe('what is made anew', () => {
  test('has to find a node other than those that are closed', () => {
    const full = aPlacing({ requests: { cpu: 4 } });
    const pods = ['n1', 'n2', 'n3'].map((node) => aPodView(`web-${node}`, { node, placing: full }));
    const found = one(aClusterView({ pods }), cordon('n1'), deleted('uid-web-n1'));
    expect(found.placements).toMatchObject([
      { wanted: 1, placed: 0, reason: '0/3 nodes: 2 insufficient cpu, 1 unschedulable' },
    ]);
  });

  test('is still missing in the next group when it finds no node, though the node is open again', () => {
    const nodes = ['n1', 'n2', 'n3'].map((name) => aNodeView(name, { unschedulable: true }));
    const [, next] = forecast(aClusterView({ nodes }), [
      { steps: ['a'], effects: [deleted('uid-web-n1')] },
      { steps: ['b'], effects: [deleted('uid-web-n2')] },
    ]);
    expect(next?.workloads).toMatchObject([{ ready: 3, worst: 1 }]);
  });

  test('is back in the next group when it finds one', () => {
    const [, next] = forecast(aClusterView(), [
      { steps: ['a'], effects: [deleted('uid-web-n1')] },
      { steps: ['b'], effects: [deleted('uid-web-n2')] },
    ]);
    expect(next?.workloads).toMatchObject([{ worst: 2 }]);
  });

  test('is what a workload gets that is scaled up, and not what it gives up', () => {
    expect(one(aClusterView(), scaled(20)).placements).toMatchObject([{ wanted: 17, placed: 9 }]);
    expect(one(aClusterView(), scaled(0)).placements).toEqual([]);
  });

  test('is not asked for where the nodes are not known', () => {
    expect(one(aClusterView({ placementUnknown: 'no' }), deleted(...all)).placements).toEqual([]);
  });
});

describe('what people should know', () => {
  test('is that there is nobody to take over', () => {
    const view = aClusterView({ pods: [aPodView('a')], workloads: [aWorkloadView({ replicas: 1 })] });
    expect(kinds(view, deleted('uid-a'))).toEqual(['SingleReplica']);
    expect(kinds(aClusterView(), deleted(...all))).toEqual(['NoneReady']);
  });

  test('is that all pods are in one place, when that workload is hit', () => {
    const view = aClusterView({ pods: ['a', 'b', 'c'].map((name) => aPodView(name)) });
    expect(kinds(view, deleted('uid-a'))).toEqual(['OneNode']);
    const nodes = ['n1', 'n2', 'n3'].map((name) => aNodeView(name, { zone: name === 'n3' ? 'b' : 'a' }));
    const zoned = aClusterView({ nodes, pods: ['n1', 'n2'].map((node) => aPodView(node, { node })) });
    expect(kinds(zoned, deleted('uid-n1'))).toEqual(['OneZone']);
  });

  test('is which Services have no endpoint left', () => {
    const service = (ready: string[]) => [{ namespace: 'shop', name: 'web', ready }];
    expect(kinds(aClusterView({ services: service(['uid-web-n1']) }), deleted('uid-web-n1'))).toEqual([
      'SingleEndpoint',
    ]);
    expect(kinds(aClusterView({ services: service(all.slice(0, 2)) }), deleted(...all.slice(0, 2)))).toEqual([
      'NoEndpoint',
    ]);
    expect(kinds(aClusterView({ services: service(all) }), deleted('uid-web-n1'))).toEqual([]);
  });

  test('is that a budget is broken by what asks none', () => {
    const view = aClusterView({ budgets: [aBudgetView()] });
    expect(kinds(view, deleted('uid-web-n1', 'uid-web-n2'))).toEqual(['BudgetBroken']);
  });

  test('is that nothing makes a pod anew', () => {
    const { workload: _workload, ...bare } = aPodView('bare', { replaced: false });
    expect(kinds(aClusterView({ pods: [bare] }), deleted('uid-bare'))).toEqual(['NotReplaced']);
  });
});
