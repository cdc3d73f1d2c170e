import { describe, expect, test } from '@jest/globals';
import { anInjection, anObservation, aPod, aRun, aStep, pods, type RunOverrides, START } from '../testing/builders.js';
import type { RunObserved } from './observed.js';
import { decideRun } from './run.js';

function decide(run: RunOverrides, overrides: Partial<RunObserved> = {}) {
  return decideRun(anObservation(aRun(run), overrides), START);
}

const reasonsOf = ({ status }: ReturnType<typeof decideRun>) => status.findings?.map(({ reason }) => reason) ?? [];
const deeds = ({ actions }: ReturnType<typeof decideRun>) => actions.map((action) => action.do);

describe('admission', () => {
  test('makes the finalizer first, then the injections, and records seed, counts and digest', () => {
    const decision = decide({});
    expect(deeds(decision)).toEqual(['addFinalizer', 'createInjection']);
    expect(decision.status.seed).toEqual(expect.any(Number));
    expect(decision.status.selection).toMatchObject([{ step: 'kill', candidates: 4, chosen: 1, readyBefore: 4 }]);
    expect(decision.status.conditions).toMatchObject([{ type: 'TargetsSelected', status: 'True' }]);
    expect(decision.status.stage).toBe('Baseline');
  });

  test('draws with the seed it is given', () => {
    expect(decide({ spec: { seed: 7 } }).status.seed).toBe(7);
  });

  test('makes every injection Pending, in parts of at most 100 targets', () => {
    const template = { method: [aStep('kill', { percent: 100 })] };
    const { actions } = decide({ template }, { candidates: { kill: pods(250) } });
    const made = actions.flatMap((action) => (action.do === 'createInjection' ? [action.injection.spec] : []));
    expect(made.map(({ state, part, parts, targets }) => [state, part, parts, targets.length])).toEqual([
      ['Pending', 0, 3, 100],
      ['Pending', 1, 3, 100],
      ['Pending', 2, 3, 50],
    ]);
  });

  test('waits until the pods are known', () => {
    const decision = decide({}, { candidates: undefined });
    expect(deeds(decision)).toEqual(['addFinalizer']);
    expect(decision.status.stage).toBe('Admitted');
  });

  test('keeps what an earlier attempt has made where it is the same, and replaces what is not', () => {
    const first = decide({}).actions.flatMap((action) => (action.do === 'createInjection' ? [action.injection] : []));
    const name = first[0]?.name ?? '';
    const same = anInjection({ ...first[0]?.spec }, [], { name });
    expect(deeds(decide({}, { injections: [same] }))).toEqual(['addFinalizer']);
    const stale = anInjection({ state: 'Pending', targets: [{ namespace: 'shop', name: 'x', uid: 'uid-x' }] }, [], {
      name,
    });
    expect(deeds(decide({}, { injections: [stale] }))).toEqual(['addFinalizer', 'deleteInjection', 'createInjection']);
  });

  test('waits for pods that are only too young, until the last of them is old enough', () => {
    const young = [aPod('a', { createdAt: START - 4_000 }), aPod('b', { createdAt: START - 2_000 })];
    const decision = decide({}, { candidates: { kill: young } });
    expect(deeds(decision)).toEqual(['addFinalizer']);
    expect(decision.wakeAt).toBe(START + 8_000);
    const status = { startTime: new Date(START).toISOString() };
    const later = (after: number) =>
      decideRun(anObservation(aRun({ status }), { candidates: { kill: young } }), START + after).status.selection;
    expect(later(7_000)).toBeUndefined();
    expect(later(8_000)).toMatchObject([{ candidates: 2, removed: { tooYoung: 0 } }]);
  });

  test('does not wait for young pods where others are candidates, nor for long', () => {
    const mixed = [aPod('a'), aPod('b', { createdAt: START - 2_000 })];
    expect(decide({}, { candidates: { kill: mixed } }).status.selection).toMatchObject([{ removed: { tooYoung: 1 } }]);
    const aged = aStep('kill', { minAge: '1h' });
    const young = aPod('a', { createdAt: START - 60_000 });
    const decision = decide({ template: { method: [aged] } }, { candidates: { kill: [young] } });
    expect(decision.status.message).toContain('0 of 1: 1 younger than `minAge`');
  });

  test('ends NoTargets with the funnel when nothing is left', () => {
    const decision = decide(
      {},
      { candidates: { kill: [aPod('a', { ready: false }), aPod('b', { protected: true })] } },
    );
    expect(decision.status).toMatchObject({ verdict: 'Inconclusive', reason: 'NoTargets', stage: 'Finished' });
    expect(decision.status.message).toContain('0 of 2: 1 not Ready, 1 protected');
    expect(deeds(decision)).toEqual([]);
  });

  test('says when nothing is matched at all', () => {
    expect(decide({}, { candidates: { kill: [] } }).status.message).toContain('match no pod');
  });

  test('ends BlockedBySafety when more would be hit than may be', () => {
    const template = { method: [aStep('kill', { count: 3 })], safeguards: { maxTargets: 2 } };
    expect(decide({ template }).status).toMatchObject({ verdict: 'Inconclusive', reason: 'BlockedBySafety' });
  });

  test('counts a pod that two steps share once', () => {
    const template = {
      method: [aStep('kill', { percent: 100 }), aStep('again', { percent: 100 })],
      safeguards: { maxTargets: 4 },
    };
    expect(reasonsOf(decide({ template }))).toEqual([]);
  });
});
