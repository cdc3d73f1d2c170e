import { describe, expect, test } from '@jest/globals';
import type { InjectionState, TargetState } from '../api/injection.js';
import { anInjection, anInjectionObserved, START } from '../testing/builders.js';
import { decideInjection } from './injection.js';
import type { InjectionObserved, PresentTarget } from './injection-observed.js';

const uid = 'uid-pod-0';
const alive: PresentTarget = { terminating: false, protected: false };
const leaving: PresentTarget = { terminating: true, protected: false };

function decide(state: InjectionState, target: TargetState | undefined, overrides: Partial<InjectionObserved> = {}) {
  return decideInjection(anInjectionObserved(anInjection({ state }, [target]), overrides), START);
}

function there(pod: PresentTarget | undefined): Pick<InjectionObserved, 'present'> {
  return { present: new Map(pod ? [[uid, pod]] : []) };
}

type Row = [
  string,
  InjectionState,
  TargetState | undefined,
  Partial<InjectionObserved>,
  TargetState | undefined,
  string[],
];

const oneShot: Row[] = [
  ['nothing happens while it is pending', 'Pending', undefined, {}, undefined, []],
  ['the intent comes first, without the effect', 'Apply', undefined, {}, 'Applying', []],
  ['a durable intent is carried out', 'Apply', 'Applying', {}, 'Applying', ['apply']],
  ['what is gone before the intent is missed', 'Apply', undefined, there(undefined), 'Missed', []],
  ['what is on its way out is missed', 'Apply', undefined, there(leaving), 'Missed', []],
  ['what is protected is missed', 'Apply', undefined, there({ ...alive, protected: true }), 'Missed', []],
  ['what leaves between intent and effect is missed', 'Apply', 'Applying', there(leaving), 'Missed', []],
  ['nothing is begun while the pods are not known', 'Apply', undefined, { present: undefined }, undefined, []],
  ['nothing is begun once it is to stop', 'Apply', undefined, { stopping: true }, undefined, []],
  ['an intent is not carried out once it is to stop', 'Apply', 'Applying', { stopping: true }, 'Applying', []],
  ['after a restart an intent is carried out again', 'Apply', 'Applying', { certain: false }, 'Applying', ['apply']],
  ['a confirmed target whose pod is there stays so', 'Apply', 'Confirmed', {}, 'Confirmed', []],
  ['a confirmed target whose pod is gone is effective', 'Apply', 'Confirmed', there(undefined), 'Effective', []],
  ['taken back before the intent it is missed', 'Revert', undefined, {}, 'Missed', []],
  ['taken back before the effect it is missed', 'Revert', 'Applying', {}, 'Missed', []],
  [
    'taken back in doubt with the pod leaving it was hit',
    'Revert',
    'Applying',
    { certain: false, ...there(leaving) },
    'Confirmed',
    [],
  ],
  ['taken back in doubt with the pod well it was not', 'Revert', 'Applying', { certain: false }, 'Missed', []],
  ['taken back with pods unknown it stays open', 'Revert', 'Applying', { present: undefined }, 'Applying', []],
  ['what was missed stays missed', 'Apply', 'Missed', {}, 'Missed', []],
];

describe('a one-shot injection', () => {
  test.each(oneShot)('%s', (_, state, target, overrides, expected, actions) => {
    const decision = decide(state, target, overrides);
    expect(decision.status.targets?.[0]?.state).toBe(expected);
    expect(decision.actions.map((action) => action.do)).toEqual(actions);
  });

  const outcomes: [string, 'done' | 'gone' | 'refused', boolean, PresentTarget | undefined, TargetState][] = [
    ['confirmed when the API server took it', 'done', true, alive, 'Confirmed'],
    ['missed when it was gone and nobody else can have hit it', 'gone', true, alive, 'Missed'],
    ['confirmed when it was gone and an earlier attempt may have hit it', 'gone', false, undefined, 'Confirmed'],
    ['failed when it was refused', 'refused', true, alive, 'Failed'],
    ['confirmed when a later attempt was refused but the pod is leaving', 'refused', false, leaving, 'Confirmed'],
    ['failed when a later attempt was refused and the pod is well', 'refused', false, alive, 'Failed'],
  ];
  test.each(outcomes)('is %s', (_, result, certain, pod, expected) => {
    const outcome = result === 'refused' ? { result, message: 'forbidden' } : { result };
    const decision = decide('Apply', 'Applying', { outcomes: new Map([[uid, outcome]]), certain, ...there(pod) });
    expect(decision.status.targets?.[0]?.state).toBe(expected);
    expect(decision.actions).toEqual([]);
  });

  test('knows targets by UID, never by name', () => {
    const other = new Map([['uid-of-its-successor', alive]]);
    expect(decide('Apply', undefined, { present: other }).status.targets?.[0]?.state).toBe('Missed');
  });

  test('tells of a hit and of a failure, on the pod', () => {
    const hit = decide('Apply', 'Applying', { outcomes: new Map([[uid, { result: 'done' }]]) });
    expect(hit.events).toMatchObject([{ type: 'Normal', reason: 'FaultInjected', pod: { uid } }]);
    const refused = { result: 'refused', message: 'forbidden' } as const;
    const failed = decide('Apply', 'Applying', { outcomes: new Map([[uid, refused]]) });
    expect(failed.events).toMatchObject([{ type: 'Warning', reason: 'FaultFailed' }]);
  });

  test('keeps the time a state was entered', () => {
    const injection = anInjection({}, ['Confirmed']);
    const decision = decideInjection(anInjectionObserved(injection), START + 5_000);
    expect(decision.status.targets).toEqual(injection.status?.targets);
  });
});

describe('an injection that can be taken back', () => {
  const lasting = { oneShot: false, fault: 'freeze' };

  test.each<TargetState>(['Applying', 'Confirmed', 'Effective', 'Failed'])(
    'asks for the end of a fault that is %s',
    (target) => {
      expect(decide('Revert', target, { ...lasting, certain: false }).actions).toMatchObject([{ do: 'revert' }]);
    },
  );

  test('is reverted when that was done, or when its pod is gone', () => {
    for (const result of ['done', 'gone'] as const) {
      const decision = decide('Revert', 'Confirmed', { ...lasting, undone: new Map([[uid, { result }]]) });
      expect(decision.status.targets?.[0]?.state).toBe('Reverted');
    }
  });

  test('does not take the answer to its attempt for the answer to its revert', () => {
    const decision = decide('Revert', 'Applying', { ...lasting, outcomes: new Map([[uid, { result: 'done' }]]) });
    expect(decision.status.targets?.[0]?.state).toBe('Applying');
    expect(decision.actions).toMatchObject([{ do: 'revert' }]);
  });

  test('is not effective because its pod is gone', () => {
    expect(decide('Apply', 'Confirmed', { ...lasting, ...there(undefined) }).status.targets?.[0]?.state).toBe(
      'Confirmed',
    );
  });
});

describe('an injection whose run is over', () => {
  test('is taken back first', () => {
    const { actions, status } = decide('Apply', 'Applying', { runIsLive: false });
    expect(actions).toEqual([{ do: 'setInjectionState', state: 'Revert' }]);
    expect(status.targets?.[0]?.state).toBe('Applying');
  });

  test('is deleted once that it is settled is stored, not before', () => {
    expect(decide('Revert', 'Applying', { runIsLive: false }).actions).toEqual([]);
    expect(decide('Revert', 'Missed', { runIsLive: false }).actions).toEqual([{ do: 'deleteInjection' }]);
  });
});
