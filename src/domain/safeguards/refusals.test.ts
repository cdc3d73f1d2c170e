import { describe, expect, test } from '@jest/globals';
import type { Target } from '../../api/injection.js';
import type { SafetyPolicySpec } from '../../api/safety-policy.js';
import { freezeFacts, killFacts, START } from '../../testing/builders.js';
import type { DisruptionBudget, Reservation, SurveyedPod } from '../survey.js';
import { claimsOf } from './claims.js';
import type { SafetyInput, SafetyStep } from './input.js';
import { fitting, refusals } from './refusals.js';

const pod = (name: string, more: Partial<Target> = {}): Target => ({
  namespace: 'shop',
  name,
  uid: `uid-${name}`,
  node: 'n0',
  workload: 'Deployment/web',
  ...more,
});
const some = (count: number, from = 0, more: Partial<Target> = {}) =>
  Array.from({ length: count }, (_, index) => pod(`pod-${from + index}`, more));

function step(name: string, targets: Target[], more: Partial<SafetyStep> = {}): SafetyStep {
  return { name, facts: killFacts, group: 0, targets, on: [], gone: new Set(), drawn: new Set(), ...more };
}

function input(steps: SafetyStep[], more: Partial<SafetyInput> = {}): SafetyInput {
  return {
    namespace: 'shop',
    now: START,
    starting: true,
    steps,
    policies: [],
    disruptionBudgets: [],
    workloads: [],
    pods: [],
    zones: new Map(),
    reservations: [],
    ...more,
  };
}

const policy = (spec: SafetyPolicySpec, name = 'prod') => ({ policies: [{ name, spec }] });
const by = (given: SafetyInput) => refusals(given).map((each) => each.by);
const said = (given: SafetyInput) => refusals(given).map((each) => `${each.by}: ${each.message}`);

/** What another run holds. */
function other(targets: Target[], more: Partial<Reservation> = {}): Reservation {
  return {
    run: { namespace: 'shop', name: 'other', uid: 'uid-other' },
    targets: targets.map((target) => ({ ...target, group: 0, disrupts: true })),
    claims: [],
    ...more,
  };
}

/** Ready pods of a Deployment with four replicas. */
function four(more: Partial<SafetyInput> = {}, replicas = 4, ready = 4) {
  const pods = some(ready).map(
    ({ uid }): SurveyedPod => ({ namespace: 'shop', uid, node: 'n0', workload: 'Deployment/web', ready: true }),
  );
  return { pods, workloads: [{ namespace: 'shop', workload: 'Deployment/web', replicas, ready }], ...more };
}

function disruptionBudget(allowed: number, pods: Target[], more: Partial<DisruptionBudget> = {}): DisruptionBudget {
  return { namespace: 'shop', name: 'web', allowed, pods: new Set(pods.map(({ uid }) => uid)), ...more };
}

describe('maxTargets', () => {
  test('bounds all different targets of the run, and a shared one counts once', () => {
    const steps = [step('a', some(2)), step('b', some(2, 1), { group: 1 })];
    expect(said(input(steps, { safeguards: { maxTargets: 2 } }))).toEqual([
      'safeguards.maxTargets: the run would hit 3 targets and may hit 2',
    ]);
    expect(by(input(steps, { safeguards: { maxTargets: 3 } }))).toEqual([]);
  });

  test('of a step bounds that step only', () => {
    const steps = [step('a', some(3)), step('b', some(3, 3), { safeguards: { maxTargets: 2 } })];
    expect(by(input(steps))).toEqual(["safeguards.maxTargets of step 'b'"]);
  });

  test('counts what was hit in earlier rounds', () => {
    const steps = [step('a', some(1, 2), { drawn: new Set(['uid-pod-0', 'uid-pod-1']) })];
    expect(by(input(steps, { safeguards: { maxTargets: 2 } }))).toEqual(['safeguards.maxTargets']);
  });

  test('of the run, its step and policies all hold, and each that refuses is named', () => {
    const steps = [step('a', some(4), { safeguards: { maxTargets: 2 } })];
    const policies = [
      { name: 'lax', spec: { safeguards: { maxTargets: 9 } } },
      { name: 'strict', spec: { safeguards: { maxTargets: 1 } } },
    ];
    expect(by(input(steps, { safeguards: { maxTargets: 3 }, policies }))).toEqual([
      'safeguards.maxTargets',
      "safeguards.maxTargets of step 'a'",
      "SafetyPolicy 'strict' safeguards.maxTargets",
    ]);
  });
});

describe('maxPercentOfWorkload', () => {
  const safeguards = { maxPercentOfWorkload: 50 };

  test('is rounded down and counts faults of every kind', () => {
    const given = (count: number) =>
      input([step('a', some(count), { facts: freezeFacts })], { safeguards, ...four({}, 5, 5) });
    expect(by(given(2))).toEqual([]);
    expect(said(given(3))).toEqual([
      'safeguards.maxPercentOfWorkload: 3 pods of shop/Deployment/web would be hit at the same time, and 50 % of its 5 are 2',
    ]);
  });

  test('counts steps of one group together, and those one after the other apart', () => {
    const steps = (group: number) => [step('a', some(2)), step('b', some(2, 2), { group })];
    expect(by(input(steps(0), { safeguards, ...four() }))).toEqual(['safeguards.maxPercentOfWorkload']);
    expect(by(input(steps(1), { safeguards, ...four() }))).toEqual([]);
  });

  test('lets a killed pod count until its workload is whole again', () => {
    const steps = [step('a', some(2, 2), { on: some(1, 9), gone: new Set(['uid-pod-9']) })];
    expect(by(input(steps, { safeguards, ...four({}, 4, 3) }))).toEqual(['safeguards.maxPercentOfWorkload']);
    expect(by(input(steps, { safeguards, ...four({}, 4, 4) }))).toEqual([]);
  });

  test('refuses what belongs to a workload nothing is known of, and leaves pods alone that belong to none', () => {
    expect(by(input([step('a', some(1))], { safeguards }))).toEqual(['safeguards.maxPercentOfWorkload']);
    const { workload: _none, ...bare } = pod('bare');
    expect(by(input([step('a', [bare])], { safeguards }))).toEqual([]);
  });

  test('counts what scaling takes away', () => {
    const workload: Target = { kind: 'Deployment', namespace: 'shop', name: 'web', uid: 'uid-web', node: '' };
    const scaled = (count: number) =>
      step('a', [workload], { facts: { ...killFacts, removesPods: false, scalesTo: { count } } });
    expect(by(input([scaled(2)], { safeguards, ...four() }))).toEqual([]);
    expect(by(input([scaled(1)], { safeguards, ...four() }))).toEqual(['safeguards.maxPercentOfWorkload']);
    expect(by(input([scaled(9)], { safeguards, ...four() }))).toEqual([]);
  });
});

describe('respectDisruptionBudgets', () => {
  const safeguards = { respectDisruptionBudgets: true };
  const given = (count: number, budgets: DisruptionBudget[], more: Partial<SafetyInput> = {}) =>
    input([step('a', some(count))], { safeguards, ...four({ disruptionBudgets: budgets }), ...more });

  test('takes no more out of service than is allowed now', () => {
    expect(by(given(1, [disruptionBudget(1, some(4))]))).toEqual([]);
    expect(said(given(2, [disruptionBudget(1, some(4))]))).toEqual([
      'safeguards.respectDisruptionBudgets: 2 pods of PodDisruptionBudget shop/web would be taken out of service, and it allows 1 now',
    ]);
  });

  test('refuses everything when a budget allows nothing, and says so when that is only not known', () => {
    expect(by(given(1, [disruptionBudget(0, some(4))]))).toEqual(['safeguards.respectDisruptionBudgets']);
    const stale = disruptionBudget(0, some(4), { unknown: 'it has no status yet' });
    expect(said(given(1, [stale]))[0]).toContain('it allows 0 now, because it has no status yet');
  });

  test('does not mind a budget that selects nothing, and keeps to the stricter of two on one pod', () => {
    expect(by(given(4, [disruptionBudget(0, [])]))).toEqual([]);
    const two = [disruptionBudget(3, some(4)), disruptionBudget(1, some(4), { name: 'strict' })];
    expect(said(given(2, two))).toEqual([expect.stringContaining('shop/strict')]);
  });

  test('counts only faults that take pods out of service, and Ready pods of the budget', () => {
    const slowed = input([step('a', some(4), { facts: freezeFacts })], {
      safeguards,
      ...four({ disruptionBudgets: [disruptionBudget(0, some(4))] }),
    });
    expect(by(slowed)).toEqual([]);
    expect(by(given(4, [disruptionBudget(1, some(1))]))).toEqual([]);
  });

  test('does not count again what is gone and shows in the budget already', () => {
    const steps = [step('a', some(1, 1), { on: some(1), gone: new Set(['uid-pod-0']) })];
    const budgets = [disruptionBudget(1, some(3, 1))];
    expect(by(input(steps, { safeguards, ...four({ disruptionBudgets: budgets }) }))).toEqual([]);
  });

  test('counts what other runs are about to take out of service', () => {
    const reservations = [other(some(1, 3, { workload: 'Deployment/api' }))];
    expect(said(given(1, [disruptionBudget(1, some(4))], { reservations }))).toEqual([
      expect.stringContaining(
        '2 pods of PodDisruptionBudget shop/web would be taken out of service (1 of this run, 1 of shop/other)',
      ),
    ]);
  });

  test('counts all pods of a node that is taken out', () => {
    const node: Target = { kind: 'Node', namespace: '', name: 'n0', uid: 'uid-n0', node: 'n0' };
    const budgets = [disruptionBudget(3, some(4))];
    const facts = { ...killFacts, removesPods: false };
    expect(by(input([step('a', [node], { facts })], { safeguards, ...four({ disruptionBudgets: budgets }) }))).toEqual([
      'safeguards.respectDisruptionBudgets',
    ]);
    const cordon = step('a', [node], { facts: freezeFacts });
    expect(by(input([cordon], { safeguards, ...four({ disruptionBudgets: budgets }) }))).toEqual([]);
  });
});

describe('minReady', () => {
  test('counts what a drain evicts, whose disruption budgets the API server checks', () => {
    const node: Target = { kind: 'Node', namespace: '', name: 'n0', uid: 'uid-n0', node: 'n0' };
    const facts = { ...freezeFacts, evicts: true as const };
    const budgets = { disruptionBudgets: [disruptionBudget(0, some(4))] };
    const safeguards = { minReady: 1, maxPercentOfWorkload: 75, respectDisruptionBudgets: true };
    expect(by(input([step('a', [node], { facts })], { safeguards, ...four(budgets) }))).toEqual([
      'safeguards.maxPercentOfWorkload',
      'safeguards.minReady',
    ]);
  });

  test('keeps so many pods of each workload Ready', () => {
    const given = (minReady: number) => input([step('a', some(2))], { safeguards: { minReady }, ...four() });
    expect(by(given(2))).toEqual([]);
    expect(said(given(3))).toEqual([
      'safeguards.minReady: 2 of 4 pods of shop/Deployment/web would stay Ready, and 3 must',
    ]);
  });

  test('leaves alone what is hit without being taken out of service', () => {
    const given = input([step('a', some(4), { facts: freezeFacts })], { safeguards: { minReady: 4 }, ...four() });
    expect(by(given)).toEqual([]);
  });

  test('refuses where the number is not known', () => {
    expect(said(input([step('a', some(1))], { safeguards: { minReady: 0 } }))).toEqual([
      'safeguards.minReady: how many pods of shop/Deployment/web are Ready is not known, and 0 must stay so',
    ]);
  });
});

describe('budgets of policies', () => {
  const budget = (per: 'Namespace' | 'Node' | 'Zone' | 'Cluster', maxTargets: number) =>
    policy({ budgets: [{ per, maxTargets }] });

  test('count what all runs hold together', () => {
    const reservations = [other(some(2, 5))];
    expect(by(input([step('a', some(2))], { reservations, ...budget('Namespace', 4) }))).toEqual([]);
    expect(said(input([step('a', some(2))], { reservations, ...budget('Namespace', 3) }))).toEqual([
      "SafetyPolicy 'prod' budgets[per=Namespace]: namespace shop would have 4 targets at the same time (2 of this run, 2 of shop/other) and may have 3",
    ]);
  });

  test('count per node and per zone, by the labels of nodes where targets do not say', () => {
    const spread = [pod('a', { node: 'n0' }), pod('b', { node: 'n1' }), pod('c', { node: 'n2', zone: 'west' })];
    expect(by(input([step('a', spread)], budget('Node', 1)))).toEqual([]);
    expect(by(input([step('a', some(2))], budget('Node', 1)))).toEqual(["SafetyPolicy 'prod' budgets[per=Node]"]);
    const zones = new Map([
      ['n0', 'east'],
      ['n1', 'east'],
    ]);
    expect(said(input([step('a', spread)], { zones, ...budget('Zone', 1) }))).toEqual([
      "SafetyPolicy 'prod' budgets[per=Zone]: zone east would have 2 targets at the same time and may have 1",
    ]);
  });

  test('of 0 refuse everything they are about', () => {
    expect(by(input([step('a', some(1))], budget('Cluster', 0)))).toEqual(["SafetyPolicy 'prod' budgets[per=Cluster]"]);
    const node: Target = { kind: 'Node', namespace: '', name: 'n0', uid: 'uid-n0', node: 'n0' };
    expect(by(input([step('a', [node])], budget('Namespace', 0)))).toEqual([]);
    expect(by(input([step('a', [node])], budget('Node', 0)))).toEqual(["SafetyPolicy 'prod' budgets[per=Node]"]);
  });

  test('count of each run its worst group, for its steps are not on at the same time', () => {
    const targets = [0, 1, 2].flatMap((group) =>
      some(2, 5 + 2 * group).map((target) => ({ ...target, group, disrupts: true })),
    );
    const reservations = [other([], { targets })];
    const steps = [step('a', some(1)), step('b', some(1, 1), { group: 1 })];
    expect(by(input(steps, { reservations, ...budget('Cluster', 3) }))).toEqual([]);
    expect(by(input(steps, { reservations, ...budget('Cluster', 2) }))).toEqual([
      "SafetyPolicy 'prod' budgets[per=Cluster]",
    ]);
  });

  test('are not applied backwards to what is on', () => {
    const steps = [step('a', [], { on: some(3) })];
    expect(by(input(steps, budget('Cluster', 1)))).toEqual([]);
  });

  test('of twenty policies are all kept, and all that refuse are named', () => {
    const policies = Array.from({ length: 20 }, (_, index) => ({
      name: `p${index}`,
      spec: { budgets: [{ per: 'Cluster' as const, maxTargets: index }] },
    }));
    expect(by(input([step('a', some(3))], { policies }))).toEqual(
      ['p0', 'p1', 'p2'].map((name) => `SafetyPolicy '${name}' budgets[per=Cluster]`),
    );
  });
});

describe('two runs', () => {
  test('never have the same workload, though they would hit other pods of it', () => {
    const reservations = [other([], { claims: claimsOf(some(1, 5)) })];
    expect(said(input([step('a', some(1))], { reservations }))).toEqual([
      'run shop/other: Deployment/web in namespace shop belongs to that run until it is over',
    ]);
    expect(by(input([step('a', some(1, 0, { namespace: 'test' }))], { reservations }))).toEqual([]);
  });

  test('never have the same node, nor the same pod where it belongs to no workload', () => {
    const node: Target = { kind: 'Node', namespace: '', name: 'n0', uid: 'uid-n0', node: 'n0' };
    const { workload: _none, ...bare } = pod('bare');
    const reservations = [other([], { claims: claimsOf([node, bare]) })];
    expect(by(input([step('a', [node, bare])], { reservations }))).toHaveLength(2);
    expect(by(input([step('a', some(1))], { reservations }))).toEqual([]);
  });

  test('that hit a workload and pods of it have the same workload', () => {
    const workload: Target = { kind: 'Deployment', namespace: 'shop', name: 'web', uid: 'uid-web', node: '' };
    const reservations = [other([], { claims: claimsOf([workload]) })];
    expect(by(input([step('a', some(1))], { reservations }))).toEqual(['run shop/other']);
  });
});

describe('policies', () => {
  test('allow only the faults they list', () => {
    expect(said(input([step('a', some(1))], policy({ faults: ['network'] })))).toEqual([
      "SafetyPolicy 'prod' faults: fault podKill is not among those it allows",
    ]);
    expect(by(input([step('a', some(1))], policy({ faults: ['podKill'] })))).toEqual([]);
  });

  // 2026-01-01T00:00:00Z is a Thursday.
  test('let runs start in their windows only, and never in a freeze', () => {
    const night = { windows: [{ from: '22:00', to: '06:00' }] };
    expect(by(input([step('a', some(1))], policy(night)))).toEqual([]);
    expect(by(input([step('a', some(1))], policy({ windows: [{ from: '09:00', to: '17:00' }] })))).toEqual([
      "SafetyPolicy 'prod' windows",
    ]);
    const freezes = [{ from: '2025-12-20', to: '2026-01-02', reason: 'holidays' }];
    expect(said(input([step('a', some(1))], policy({ ...night, freezes })))).toEqual([
      "SafetyPolicy 'prod' freezes: no run may start from 2025-12-20 to 2026-01-02 (holidays)",
    ]);
  });

  test('that contradict each other admit nothing', () => {
    const policies = [
      { name: 'day', spec: { windows: [{ from: '09:00', to: '17:00' }], faults: ['podKill'] } },
      { name: 'night', spec: { windows: [{ from: '17:00', to: '09:00' }], faults: ['network'] } },
    ];
    expect(by(input([step('a', some(1))], { policies }))).toEqual([
      "SafetyPolicy 'day' windows",
      "SafetyPolicy 'night' faults",
    ]);
  });

  test('do not stop a run that is under way when a freeze begins', () => {
    const freezes = [{ from: '2026-01-01' }];
    expect(by(input([step('a', some(1))], { ...policy({ freezes }), starting: false }))).toEqual([]);
  });
});

describe('a later round', () => {
  const fits = (given: SafetyInput, targets: Target[]) => {
    const { fit, refused } = fitting(given, 'a', targets);
    return { names: fit.map(({ name }) => name), by: refused.map((each) => each.by) };
  };

  test('takes in order those there is room for', () => {
    const steps = [step('a', [], { on: some(1), drawn: new Set(['uid-pod-0']) }), step('b', [], { on: some(1, 9) })];
    const given = input(steps, policy({ budgets: [{ per: 'Cluster', maxTargets: 4 }] }));
    expect(fits(given, some(4, 1))).toEqual({
      names: ['pod-1', 'pod-2'],
      by: expect.arrayContaining(["SafetyPolicy 'prod' budgets[per=Cluster]"]),
    });
  });

  test('passes over a node that is full and takes one of the next', () => {
    const given = input([step('a', [], { on: some(1) })], policy({ budgets: [{ per: 'Node', maxTargets: 1 }] }));
    expect(fits(given, [pod('x'), pod('y', { node: 'n1' })])).toEqual({
      names: ['y'],
      by: ["SafetyPolicy 'prod' budgets[per=Node]"],
    });
  });

  test('takes what was hit before for nothing', () => {
    const given = input([step('a', [], { drawn: new Set(['uid-pod-0']) })], { safeguards: { maxTargets: 1 } });
    expect(fits(given, some(2))).toEqual({ names: ['pod-0'], by: ['safeguards.maxTargets'] });
  });

  test('takes nothing once the fault is not allowed any more, or another run has the workload', () => {
    expect(fits(input([step('a', [])], policy({ faults: ['network'] })), some(1)).names).toEqual([]);
    expect(
      fits(input([step('a', [])], { reservations: [other([], { claims: claimsOf(some(1)) })] }), some(1)).names,
    ).toEqual([]);
  });
});
