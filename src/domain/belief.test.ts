import { describe, expect, test } from '@jest/globals';
import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import type { Injection } from '../api/injection.js';
import { ANNOTATION_VERDICT, FINALIZER } from '../api/labels.js';
import { believed, hasEnded } from './belief.js';

const condition = (type: string) => ({
  type,
  status: 'True' as const,
  reason: type,
  message: '',
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

function aRun(status: RunStatus | undefined, metadata: Partial<ExperimentRun['metadata']> = {}): ExperimentRun {
  return {
    metadata: { name: 'r', namespace: 'shop', uid: 'u', resourceVersion: '1', creationTimestamp: '', ...metadata },
    ...(status && { status }),
  } as ExperimentRun;
}

function anInjection(spec: Partial<Injection['spec']>, states: string[] = []): Injection {
  const targets = ['a', 'b'].map((uid) => ({ namespace: 'shop', name: uid, uid }));
  const full = { run: { namespace: 'shop', name: 'r', uid: 'u' }, step: 'kill', round: 0, part: 0, parts: 1, targets };
  return {
    spec: { ...full, state: 'Pending', ...spec },
    status: { targets: states.map((state, index) => ({ uid: targets[index]?.uid, state, time: '' })) },
  } as Injection;
}

const held = { finalizers: [FINALIZER] };
const end = { verdict: 'Passed', reason: 'HypothesisHeld', finishTime: '2026-01-01T00:00:00Z' } as const;
const step = {
  name: 'kill',
  fault: 'podKill',
  state: 'Injecting',
  rounds: 1,
  targets: 9,
  hit: 9,
  effective: 9,
} as const;

describe('a run has ended', () => {
  const confirmed = { annotations: { [ANNOTATION_VERDICT]: 'Passed' } };
  const executed = {
    ...end,
    seed: 1,
    selection: [{ step: 'kill' }],
    steps: [{ ...step, state: 'Done' }],
    conditions: [condition('Succeeded')],
  } as RunStatus;
  const cases: [string, boolean, ExperimentRun][] = [
    ['when its metadata confirm the verdict', true, aRun(end, confirmed)],
    ['when they do and the finalizer is still there', true, aRun(end, { ...held, ...confirmed })],
    ['not when they say another one', false, aRun({ ...end, verdict: 'Failed' }, confirmed)],
    ['not when only its status says that it passed', false, aRun(end)],
    ['when it says that nothing was learnt and nothing had begun', true, aRun({ ...end, verdict: 'Aborted' })],
    ['not when it says so and something had begun', false, aRun({ ...end, verdict: 'Aborted' }, held)],
    ['when it was executed and someone took the confirmation away', true, aRun(executed)],
    ['not while that one is still held', false, aRun(executed, held)],
    ['not without a time', false, aRun({ verdict: 'Passed' }, confirmed)],
    ['not without a status', false, aRun(undefined)],
  ];
  test.each(cases)('%s', (_, expected, run) => expect(hasEnded(run)).toBe(expected));
});

describe('of a status that somebody else may have written', () => {
  test('nothing is believed of a run that was never begun', () => {
    const status: RunStatus = { ...end, conditions: [condition('BaselineHeld')], steps: [{ ...step }] };
    expect(believed(aRun(status), [])).toEqual({});
  });

  test('an end that is not confirmed is left out', () => {
    const status: RunStatus = { ...end, seed: 7, conditions: [condition('TargetsSelected'), condition('Succeeded')] };
    const applied = anInjection({ state: 'Apply' });
    expect(believed(aRun(status, held), [applied])).toEqual({ seed: 7, conditions: [condition('TargetsSelected')] });
  });

  test('a baseline is measured again unless a fault was asked for', () => {
    const status: RunStatus = { conditions: [condition('TargetsSelected'), condition('BaselineHeld')] };
    const types = (injections: Injection[]) =>
      believed(aRun(status, held), injections)?.conditions?.map(({ type }) => type);
    expect(types([anInjection({ state: 'Pending' })])).toEqual(['TargetsSelected']);
    expect(types([anInjection({ state: 'Apply' })])).toEqual(['TargetsSelected', 'BaselineHeld']);
  });

  test('targets, rounds and effects are those of the injections', () => {
    const removed = {
      terminating: 0,
      completed: 0,
      notReady: 0,
      tooYoung: 0,
      protected: 0,
      unmanaged: 0,
      unreachable: 0,
    };
    const drawn = {
      step: 'kill',
      matched: 9,
      removed,
      candidates: 9,
      chosen: 9,
      readyBefore: 9,
      standIns: 0,
      digest: '',
    };
    const injections = [
      anInjection({ state: 'Revert' }, ['Effective', 'Missed']),
      anInjection({ state: 'Apply', round: 1 }, ['Applying', 'Confirmed']),
      anInjection({ state: 'Pending', round: 2 }),
    ];
    const status = believed(aRun({ selection: [drawn], steps: [{ ...step }] }, held), injections);
    expect(status?.selection).toEqual([{ ...drawn, chosen: 2 }]);
    expect(status?.steps).toEqual([{ ...step, rounds: 2, hit: 2, effective: 1 }]);
  });
});
