import { describe, expect, test } from '@jest/globals';
import type { Step } from '../api/experiment.js';
import type { RunStatus, StepStatus } from '../api/experiment-run.js';
import type { Injection } from '../api/injection.js';
import { anInjection, anObservation, aRun, aStep, at, aWindow, killFacts, pods, START } from '../testing/builders.js';
import { RunDraft } from './draft.js';
import { groups } from './groups.js';
import { advanceMethod } from './method.js';
import type { RunObserved, StepFacts } from './observed.js';

interface Setting {
  steps?: Step[];
  statuses?: Partial<StepStatus>[];
  injections?: Injection[];
  observed?: Partial<RunObserved>;
  chosen?: number;
  maxTargets?: number;
  seconds?: number;
  repeats?: boolean;
}

/** Advances a method once; each step has chosen one pod unless told otherwise. */
function advance(setting: Setting) {
  const { steps = [aStep('kill')], statuses = [{}], injections = [], chosen = 1, seconds = 1, maxTargets } = setting;
  const fresh = { fault: 'podKill', state: 'Waiting', rounds: 0, targets: chosen, hit: 0, effective: 0 } as const;
  const status: RunStatus = {
    seed: 1,
    startTime: at(0),
    steps: steps.map(({ name }, index) => ({ ...fresh, name, ...statuses[index] })),
    selection: steps.map(({ name }) => ({
      step: name,
      matched: 4,
      removed: { terminating: 0, completed: 0, notReady: 0, tooYoung: 0, protected: 0, unmanaged: 0, unreachable: 0 },
      candidates: 4,
      chosen,
      readyBefore: 4,
      standIns: 0,
      digest: '',
    })),
  };
  const safeguards = maxTargets === undefined ? {} : { maxTargets };
  const run = aRun({ template: { method: steps, safeguards }, status });
  const facts: StepFacts = {
    ...killFacts,
    ...(setting.repeats && { repeatEveryMilliseconds: 5_000 }),
  };
  const draft = new RunDraft(
    anObservation(run, {
      injections,
      facts: Object.fromEntries(steps.map(({ name }) => [name, facts])),
      ...setting.observed,
    }),
    START + seconds * 1000,
  );
  const done = advanceMethod(draft);
  return { draft, done, step: draft.status.steps?.[0] };
}

const injecting: Partial<StepStatus> = { state: 'Injecting', rounds: 1, startTime: at(0), roundTime: at(0) };
const holding: Partial<StepStatus> = { ...injecting, state: 'Holding', confirmedTime: at(0) };
const made = (draft: RunDraft) =>
  draft.actions.flatMap((action) => (action.do === 'createInjection' ? [action.injection.spec] : []));

describe('groups of a method', () => {
  const parallel = (name: string) => aStep(name, { parallel: true });
  const cases: [string, Step[], string[][]][] = [
    ['each step on its own', [aStep('a'), aStep('b')], [['a'], ['b']]],
    [
      'parallel steps with the one before',
      [aStep('a'), parallel('b'), parallel('c'), aStep('d')],
      [['a', 'b', 'c'], ['d']],
    ],
    ['a first step on its own even if it says parallel', [parallel('a'), aStep('b')], [['a'], ['b']]],
  ];
  test.each(cases)('hold %s', (_, method, expected) => {
    expect(groups(method).map((group) => group.map(({ name }) => name))).toEqual(expected);
  });
});

describe('a step', () => {
  test('begins with its drawn injections', () => {
    const { draft, step } = advance({ injections: [anInjection({ state: 'Pending' }, [undefined])] });
    expect(draft.actions).toEqual([{ do: 'setInjectionState', name: 'lose-one-kill-api-0-0', state: 'Apply' }]);
    expect(step).toMatchObject({ state: 'Injecting', rounds: 1, startTime: at(1) });
  });

  test('waits for the steps before it, but for parallel ones', () => {
    const steps = [aStep('kill'), aStep('beside', { parallel: true }), aStep('later')];
    const { draft } = advance({ steps, statuses: [{}, {}, {}] });
    expect(draft.status.steps?.map(({ state }) => state)).toEqual(['Injecting', 'Injecting', 'Waiting']);
  });

  test('is held from the moment all its targets are confirmed', () => {
    const { step } = advance({ statuses: [injecting], injections: [anInjection({}, ['Confirmed'])] });
    expect(step).toMatchObject({ state: 'Holding', confirmedTime: at(1), hit: 1, effective: 0 });
  });

  describe('a target that can not carry the fault', () => {
    const reasons = (states: Parameters<typeof anInjection>[1], seconds = 1, more: Injection[] = []) => {
      const injections = [anInjection({}, states), ...more];
      const { draft } = advance({ statuses: [injecting], injections, chosen: states?.length ?? 1, seconds });
      return draft.status.findings?.map(({ reason }) => reason) ?? [];
    };

    test('ends a run that has touched nothing as one that could not be tested', () => {
      expect(reasons(['Refused'])).toEqual(['NotSupported']);
      expect(reasons(['Missed', 'Refused'])).toEqual(['NotSupported']);
    });

    test('fails a run that has touched others', () => {
      expect(reasons(['Refused', 'Confirmed'])).toEqual(['InjectionFailed']);
      expect(reasons(['Refused', 'Reverted', 'Applying'])).toEqual(['InjectionFailed']);
      expect(reasons(['Refused'], 1, [anInjection({ step: 'before' }, ['Effective'])])).toEqual(['InjectionFailed']);
    });

    test('is no verdict while others may yet be touched, for two minutes', () => {
      expect(reasons(['Refused', 'Applying'])).toEqual([]);
      expect(reasons(['Refused', undefined])).toEqual([]);
      expect(reasons(['Refused', 'Applying'], 120)).toEqual(['InjectionFailed']);
    });

    test('keeps the fault from those that are not asked yet', () => {
      const others = anInjection({ state: 'Pending', part: 1, parts: 2 }, [undefined]);
      const injections = [anInjection({ parts: 2 }, ['Refused']), others];
      const { draft } = advance({ statuses: [injecting], injections, chosen: 2 });
      expect(draft.actions).toEqual([]);
      expect(draft.found('NotSupported')).toBe(true);
    });
  });

  test('fails the run when a fault fails on a target', () => {
    const { draft } = advance({ statuses: [injecting], injections: [anInjection({}, ['Failed'])] });
    expect(draft.found('InjectionFailed')).toBe(true);
  });

  test('fails the run when a fault fails in a later round', () => {
    const injections = [anInjection({}, ['Effective']), anInjection({ round: 1 }, ['Failed'])];
    const { draft } = advance({ statuses: [{ ...holding, rounds: 2 }], injections });
    expect(draft.found('InjectionFailed')).toBe(true);
  });

  test('fails the run when its targets are not confirmed in two minutes', () => {
    const setting = { statuses: [injecting], injections: [anInjection({}, ['Applying'])] };
    expect(advance({ ...setting, seconds: 119 }).draft.found('InjectionFailed')).toBe(false);
    expect(advance({ ...setting, seconds: 120 }).draft.found('InjectionFailed')).toBe(true);
  });

  test('counts an open intent as no hit', () => {
    expect(advance({ statuses: [injecting], injections: [anInjection({}, ['Applying'])] }).step?.hit).toBe(0);
  });
});

describe('a target that was missed', () => {
  const missed = { statuses: [injecting], injections: [anInjection({}, ['Missed'])] };

  test('is replaced by another one, in a round of its own that is recorded', () => {
    const { draft, step } = advance(missed);
    expect(made(draft)).toMatchObject([{ round: 1, state: 'Pending', targets: [expect.anything()] }]);
    expect(made(draft)[0]?.targets[0]?.uid).not.toBe('uid-pod-0');
    expect(step).toMatchObject({ state: 'Injecting', rounds: 2 });
  });

  test('is not replaced beyond the budget of the run', () => {
    const steps = [aStep('kill'), aStep('other')];
    const other = anInjection({ step: 'other', state: 'Pending' }, [undefined]);
    const { draft, step } = advance({ ...missed, steps, injections: [...missed.injections, other], maxTargets: 1 });
    expect(draft.actions).toEqual([]);
    expect(step).toMatchObject({ state: 'Holding', message: expect.stringContaining('no other candidate was left') });
  });

  test('waits for its replacement until the pods are known', () => {
    const { draft, step } = advance({ ...missed, observed: { candidates: undefined } });
    expect(draft.actions).toEqual([]);
    expect(step?.state).toBe('Injecting');
  });

  test('has its replacement applied only when that is recorded', () => {
    const injections = [...missed.injections, anInjection({ round: 1, state: 'Pending' }, [undefined])];
    expect(advance({ ...missed, injections }).draft.actions).not.toContainEqual(
      expect.objectContaining({ state: 'Apply' }),
    );
    const recorded = advance({ statuses: [{ ...injecting, rounds: 2 }], injections });
    expect(recorded.draft.actions).toMatchObject([{ do: 'setInjectionState', state: 'Apply' }]);
  });
});

describe('a hold', () => {
  const effective = [anInjection({}, ['Effective'])];
  const During = aWindow(3);

  test('without a duration ends when as many pods are ready as before and probes have seen enough', () => {
    const { step } = advance({
      statuses: [holding],
      injections: effective,
      observed: { windows: { front: { During } } },
    });
    expect(step?.state).toBe('Done');
  });

  test('that is the last ends the method with it, unless something was found then', () => {
    const setting = { steps: [aStep('kill', { duration: '10s' })], statuses: [holding], seconds: 10 };
    expect(advance({ ...setting, injections: effective }).done).toBe(true);
    const later = { steps: [...setting.steps, aStep('later')], statuses: [holding, {}], injections: effective };
    expect(advance({ ...setting, ...later }).done).toBe(false);
    const { draft, done } = advance({ ...setting, injections: [anInjection({}, ['Missed'])] });
    expect(draft.status.findings).toMatchObject([{ reason: 'FaultNotEffective' }]);
    expect(done).toBe(false);
  });

  test('without a duration goes on while fewer pods are ready, at most 30 s', () => {
    const observed = { candidates: { kill: pods(3) }, windows: { front: { During } } };
    const setting = { statuses: [holding], injections: effective, observed };
    expect(advance({ ...setting, seconds: 29 }).step?.state).toBe('Holding');
    expect(advance({ ...setting, seconds: 30 }).step?.state).toBe('Done');
  });

  test('without a duration goes on while probes have not seen enough', () => {
    expect(advance({ statuses: [holding], injections: effective, seconds: 29 }).step?.state).toBe('Holding');
  });

  test('with a duration counts from the confirmation', () => {
    const setting = { steps: [aStep('kill', { duration: '10s' })], statuses: [holding], injections: effective };
    expect(advance({ ...setting, seconds: 9 }).step?.state).toBe('Holding');
    expect(advance({ ...setting, seconds: 10 }).step?.state).toBe('Done');
  });

  test('waits for a pod within its grace period', () => {
    const setting = {
      steps: [aStep('kill', { duration: '10s' })],
      statuses: [holding],
      injections: [anInjection({}, ['Confirmed'])],
      observed: { candidates: { kill: pods(4, { graceSeconds: 60 }) } },
    };
    expect(advance({ ...setting, seconds: 89 }).step?.state).toBe('Holding');
    expect(advance({ ...setting, seconds: 90 }).draft.found('FaultNotEffective')).toBe(true);
  });

  test('does not end while the pods are not known', () => {
    const setting = { statuses: [holding], injections: effective, observed: { candidates: undefined }, seconds: 300 };
    expect(advance(setting).step?.state).toBe('Holding');
  });

  test.each([
    [{ packets: 0, bytes: 0 }, 'as no packet was of the kind that `direction`, `peers`, `except` and `ports` mean'],
    [{ packets: 0, exempted: 3 }, "mean but 3 of the kubelet's probes, which are spared without `includeKubelet`"],
    [{ processes: 1 }, 'though 1 process got the signal: still there'],
    [{ processes: 4 }, 'though 4 processes got the signal: still there'],
    [{ connections: 0 }, 'none of 1 targets showed the effect'],
  ])('without an effect says why, as far as %j tells', (evidence, words) => {
    const off = anInjection({ state: 'Revert', agent: 'Node' }, ['Reverted']);
    Object.assign(off.status?.targets?.[0] ?? {}, { evidence });
    const { draft } = advance({ statuses: [{ ...holding, state: 'Reverting', hit: 1 }], injections: [off] });
    expect(draft.status.findings?.[0]?.message).toContain(words);
  });

  test('that ended without effect says so', () => {
    const injections = [anInjection({}, ['Missed'])];
    const steps = [aStep('kill', { duration: '1s' })];
    const { draft } = advance({ steps, statuses: [holding], injections, seconds: 60 });
    expect(draft.status.findings?.[0]).toMatchObject({
      reason: 'FaultNotEffective',
      message: expect.stringContaining('no target was hit'),
    });
  });
});

describe('a fault that repeats', () => {
  const steps = [aStep('kill', { duration: '20s', count: 1 })];
  const repeating = { steps, statuses: [holding], injections: [anInjection({}, ['Effective'])], repeats: true };

  test('waits for the effects of its last round as long as for those of its first', () => {
    const last = anInjection({ round: 1 }, ['Confirmed']);
    for (const target of last.status?.targets ?? []) target.time = at(19);
    const injections = [anInjection({}, ['Effective']), last];
    const setting = { ...repeating, injections, statuses: [{ ...holding, rounds: 2, roundTime: at(19) }] };
    const observed = { candidates: { kill: pods(4, { graceSeconds: 4 }) } };
    expect(advance({ ...setting, observed, seconds: 52 }).step?.state).toBe('Holding');
    expect(advance({ ...setting, observed, seconds: 53 }).step?.state).toBe('Done');
  });

  test('draws anew after each interval, from those not drawn before', () => {
    expect(made(advance({ ...repeating, seconds: 4 }).draft)).toEqual([]);
    const { draft, step } = advance({ ...repeating, seconds: 5 });
    expect(made(draft)).toMatchObject([{ round: 1, targets: [expect.anything()] }]);
    expect(made(draft)[0]?.targets[0]?.uid).not.toBe('uid-pod-0');
    expect(step).toMatchObject({ rounds: 2, targets: 2, roundTime: at(5) });
  });

  test('keeps to the budget of the run', () => {
    const { draft, step } = advance({ ...repeating, maxTargets: 1, seconds: 5 });
    expect(draft.actions).toEqual([]);
    expect(step?.message).toBe(
      'round 2 hit nothing, because safeguards.maxTargets (the run would hit 2 targets and may hit 1)',
    );
  });

  test('says when nobody was left to hit', () => {
    const observed = { candidates: { kill: pods(4, { ready: false }) } };
    const { draft, step } = advance({ ...repeating, observed, seconds: 5 });
    expect(draft.actions).toEqual([]);
    expect(step?.message).toBe('round 2 hit nothing, because no candidate was left');
  });

  test('shares the budget with the steps beside it', () => {
    const both = [...steps, aStep('beside', { duration: '20s', parallel: true })];
    const injections = [anInjection({}, ['Effective']), anInjection({ step: 'beside' }, ['Effective'])];
    const statuses = [holding, holding];
    const { draft } = advance({ ...repeating, steps: both, statuses, injections, maxTargets: 2, seconds: 5 });
    expect(made(draft)).toHaveLength(1);
  });

  test('does not make a round twice that a crash left unrecorded', () => {
    const first = advance({ ...repeating, seconds: 5 });
    const [left] = first.draft.actions.flatMap((action) => (action.do === 'createInjection' ? [action.injection] : []));
    const again = anInjection({ ...left?.spec }, [], { name: left?.name ?? '' });
    const { draft, step } = advance({ ...repeating, injections: [...repeating.injections, again], seconds: 6 });
    expect(draft.actions).toEqual([]);
    expect(step).toMatchObject({ rounds: 2, targets: 2 });
  });

  test('begins no round when its time is over, however long nobody looked', () => {
    const { draft, step } = advance({ ...repeating, seconds: 100 });
    expect(draft.actions).toEqual([]);
    expect(step).toMatchObject({ state: 'Done', rounds: 1 });
  });
});
