import { describe, expect, test } from '@jest/globals';
import type { RunStatus } from '../api/experiment-run.js';
import { FINALIZER } from '../api/labels.js';
import {
  anInjection,
  anObservation,
  aProbe,
  aRun,
  aStep,
  at,
  aWindow,
  freezeFacts,
  killFacts,
  type RunOverrides,
  START,
} from '../testing/builders.js';
import type { RunObserved } from './observed.js';
import { decideRun, isStopping } from './run.js';

const condition = (type: string, status: 'True' | 'False' | 'Unknown' = 'True', seconds = 0) => ({
  type,
  status,
  reason: type,
  message: type,
  lastTransitionTime: at(seconds),
});

const selected: RunStatus = {
  startTime: at(0),
  seed: 1,
  conditions: [condition('TargetsSelected')],
  selection: [
    {
      step: 'kill',
      matched: 4,
      removed: { terminating: 0, completed: 0, notReady: 0, tooYoung: 0, protected: 0, unmanaged: 0, unreachable: 0 },
      candidates: 4,
      chosen: 1,
      readyBefore: 4,
      standIns: 0,
      digest: 'sha256:0',
    },
  ],
  steps: [{ name: 'kill', fault: 'podKill', state: 'Waiting', rounds: 0, targets: 1, hit: 0, effective: 0 }],
};
const pending = anInjection({ state: 'Pending' }, [undefined]);
const held: RunStatus = { ...selected, conditions: [condition('TargetsSelected'), condition('BaselineHeld')] };

function decide(run: RunOverrides, overrides: Partial<RunObserved> = {}, seconds = 0) {
  return decideRun(anObservation(aRun(run), overrides), START + seconds * 1000);
}

const reasonsOf = ({ status }: { status: RunStatus }) => status.findings?.map(({ reason }) => reason) ?? [];
const deeds = ({ actions }: ReturnType<typeof decideRun>) => actions.map((action) => action.do);

describe('the baseline', () => {
  const baseline = (windows: RunObserved['windows'], seconds = 1) =>
    decide({ status: selected }, { injections: [pending], windows }, seconds);

  test('takes samples and looks again soon', () => {
    const decision = baseline({});
    expect(decision.probing).toBe('Before');
    expect(decision.wakeAt).toBe(START + 1_250);
    expect(decision.status.stage).toBe('Baseline');
  });

  test('holds when every probe has its samples and held', () => {
    const decision = baseline({ front: { Before: aWindow(3) } });
    expect(decision.status.conditions).toContainEqual(
      expect.objectContaining({ type: 'BaselineHeld', status: 'True' }),
    );
    expect(deeds(decision)).toEqual([]);
  });

  test('ends BaselineUnmet when a probe did not hold, and nothing is injected', () => {
    const decision = baseline({ front: { Before: aWindow(3, 1) } });
    expect(reasonsOf(decision)).toEqual(['BaselineUnmet']);
    expect(deeds(decision)).toEqual([]);
    expect(decision.status.stage).toBe('Reverting');
  });

  test('ends NotEnoughSamples when they do not come', () => {
    expect(reasonsOf(baseline({ front: { Before: aWindow(1) } }, 23))).toEqual([]);
    expect(reasonsOf(baseline({ front: { Before: aWindow(1) } }, 24))).toEqual(['NotEnoughSamples']);
  });

  test('ends soon when there are nothing but errors of our own, and names them; a stall is no such end', () => {
    const window = aWindow(0);
    const broken = { ...window, summary: { ...window.summary, ownErrors: window.minSamples }, ownError: 'is refused' };
    expect(reasonsOf(baseline({ front: { Before: broken } }, 6))).toEqual([]);
    const { status } = baseline({ front: { Before: broken } }, 7);
    expect(status.findings).toEqual([
      { reason: 'NotEnoughSamples', message: expect.stringContaining('failed on our side (is refused)') },
    ]);
  });

  test('holds at once without a probe that asks for it', () => {
    const template = { hypothesis: [aProbe('front', { stages: ['During'] })] };
    const decision = decide({ template, status: selected }, { injections: [pending] });
    expect(decision.status.conditions).toContainEqual(
      expect.objectContaining({ type: 'BaselineHeld', status: 'True' }),
    );
  });
});

describe('an interruption', () => {
  const interruptions: [string, string, RunOverrides, Partial<RunObserved>, number][] = [
    ['a halt', 'Halted', {}, { halts: ['policy squall-halt: drill'] }, 0],
    ['an abort', 'AbortedByUser', { spec: { abort: { reason: 'enough' } } }, {}, 0],
    ['a deletion', 'AbortedByUser', { metadata: { deletionTimestamp: at(0) } }, {}, 0],
    ['the end of its time', 'Timeout', {}, {}, 3_600],
    ['a template that can not be run', 'InvalidTemplate', {}, { problems: ['method.0: no such field'] }, 0],
    ['the loss of an injection', 'InjectionFailed', {}, { injections: [] }, 0],
  ];
  const stages: [string, RunStatus][] = [
    ['during the baseline', selected],
    ['during the fault', held],
  ];
  for (const [what, reason, run, overrides, seconds] of interruptions) {
    test.each(stages)(`by ${what} %s turns the run around at once`, (_, status) => {
      const decision = decide({ ...run, status }, { injections: [pending], ...overrides }, seconds);
      expect(reasonsOf(decision)).toContain(reason);
      expect(decision.actions).toEqual([]);
      expect(decision.status.stage).toBe('Reverting');
    });
  }

  test('by a halt before anything was drawn ends the run without more', () => {
    const decision = decide({}, { halts: ['policy squall-halt: drill'] });
    expect(decision.status).toMatchObject({ stage: 'Finished', verdict: 'Aborted', reason: 'Halted' });
  });

  test('by an abort still counts while the steady state is awaited', () => {
    const status = { ...held, revertedTime: at(10), conditions: [...(held.conditions ?? []), condition('Reverted')] };
    const decision = decide({ spec: { abort: { reason: 'enough' } }, status }, { injections: [pending] }, 11);
    expect(decision.status).toMatchObject({ verdict: 'Aborted', reason: 'AbortedByUser', stage: 'Finished' });
  });

  test('is visible to injections before the run has been decided on', () => {
    expect(isStopping(aRun(), [])).toBe(false);
    expect(isStopping(aRun(), ['policy squall-halt: drill'])).toBe(true);
    expect(isStopping(aRun({ spec: { abort: { reason: 'enough' } } }), [])).toBe(true);
    expect(isStopping(aRun({ metadata: { deletionTimestamp: at(0) } }), [])).toBe(true);
    expect(isStopping(aRun({ status: { conditions: [condition('Reverted', 'False')] } }), [])).toBe(true);
  });
});

describe('reverting', () => {
  const turned: RunStatus = { ...held, conditions: [...(held.conditions ?? []), condition('Reverted', 'False', 10)] };

  test('takes a Pending injection back, and goes on when it is settled', () => {
    const first = decide({ status: turned }, { injections: [pending] }, 11);
    expect(first.actions).toMatchObject([{ do: 'setInjectionState', state: 'Revert' }]);
    const second = decide({ status: turned }, { injections: [anInjection({ state: 'Revert' }, ['Missed'])] }, 11);
    expect(second.status.revertedTime).toBe(at(11));
    expect(second.status.conditions).toContainEqual(expect.objectContaining({ type: 'Reverted', status: 'True' }));
  });

  test('says after a minute what it could not prove', () => {
    const open = anInjection({ state: 'Revert' }, ['Applying']);
    expect(reasonsOf(decide({ status: turned }, { injections: [open] }, 69))).toEqual([]);
    const decision = decide({ status: turned }, { injections: [open] }, 70);
    expect(reasonsOf(decision)).toEqual(['CleanupUnproven']);
    expect(decision.status.findings?.[0]?.message).toContain('pod-0');
    expect(decision.status.conditions).toContainEqual(expect.objectContaining({ type: 'Reverted', status: 'Unknown' }));
  });

  test('does not touch an earlier step before the later ones are clean', () => {
    const template = { method: [aStep('kill'), aStep('freeze', { fault: 'freeze', duration: '5s' })] };
    const facts = { kill: killFacts, freeze: freezeFacts };
    const injections = [pending, anInjection({ step: 'freeze', state: 'Apply' }, ['Confirmed'])];
    const decision = decide({ template, status: turned }, { facts, injections }, 11);
    expect(decision.actions).toMatchObject([{ do: 'setInjectionState', name: 'lose-one-freeze-api-0-0' }]);
  });

  test('calls nothing gone whose injection someone has deleted', () => {
    const template = { method: [aStep('kill', { fault: 'freeze', duration: '5s' })] };
    const facts = { kill: freezeFacts };
    expect(reasonsOf(decide({ template, status: turned }, { facts, injections: [] }, 11))).toEqual(['CleanupUnproven']);
  });
});

describe('recovery', () => {
  const hit = { name: 'kill', fault: 'podKill', rounds: 1, targets: 1, hit: 1, effective: 1, state: 'Done' as const };
  const probes = [
    {
      name: 'front',
      stages: [{ stage: 'During' as const, samples: 9, ownErrors: 0, consecutiveFailures: 0, held: true }],
    },
  ];
  const back: RunStatus = {
    ...held,
    steps: [hit],
    probes,
    revertedTime: at(10),
    conditions: [...(held.conditions ?? []), condition('Injected'), condition('Reverted')],
  };
  const recover = (windows: RunObserved['windows'], seconds: number) =>
    decide({ status: back }, { injections: [anInjection({}, ['Effective'])], windows }, seconds);

  test('is measured from the revert to the oldest sample that counts', () => {
    const decision = recover({ front: { After: aWindow(3, 3, { firstAt: START + 13_400 }) } }, 14);
    expect(decision.status).toMatchObject({ recoverySeconds: 3.4, verdict: 'Passed', reason: 'HypothesisHeld' });
  });

  test('that took too long fails the run', () => {
    const decision = recover({ front: { After: aWindow(3, 3, { firstAt: START + 71_000 }) } }, 71);
    expect(decision.status).toMatchObject({ verdict: 'Failed', reason: 'RecoveryTooSlow' });
  });

  test('that does not come is waited for as long as it may take, and then fails the run', () => {
    const bad = { front: { After: aWindow(3, 0) } };
    expect(recover(bad, 71).status.finishTime).toBeUndefined();
    expect(recover(bad, 72).status).toMatchObject({ verdict: 'Failed', reason: 'RecoveryTooSlow' });
  });

  test('without samples is inconclusive', () => {
    expect(recover({}, 72).status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotEnoughSamples' });
  });
});

describe('a finished run', () => {
  const over: RunStatus = {
    ...selected,
    stage: 'Finished',
    verdict: 'Passed',
    reason: 'HypothesisHeld',
    finishTime: at(9),
  };
  const finalizers = [FINALIZER];

  test('clears away what is clean and lets go', () => {
    const injections = [anInjection({}, ['Effective'])];
    const decision = decide({ status: over, metadata: { finalizers } }, { injections }, 10);
    expect(deeds(decision)).toEqual(['deleteInjection', 'removeFinalizer']);
    expect(decision.status).toEqual(over);
  });

  test('keeps what is not clean, and lets go', () => {
    const injections = [anInjection({ state: 'Revert' }, ['Applying'])];
    expect(deeds(decide({ status: over, metadata: { finalizers } }, { injections }, 10))).toEqual(['removeFinalizer']);
  });

  test('does nothing more, whatever is halted or aborted', () => {
    const run = { status: over, spec: { abort: { reason: 'late' } } };
    expect(decide(run, { halts: ['policy squall-halt: drill'] }, 10)).toEqual({
      status: over,
      actions: [],
      events: [],
      nodes: [],
      reserves: { targets: [], claims: [] },
    });
  });
});

describe('a decision', () => {
  test('is the same for the same observation and changes nothing of it', () => {
    const observed = anObservation(aRun({ status: held }), { injections: [pending] });
    const before = structuredClone(observed);
    expect(decideRun(observed, START)).toEqual(decideRun(observed, START));
    expect(observed).toEqual(before);
  });

  test('copes with a status that someone forged', () => {
    const status = { ...held, steps: [], selection: [] } as RunStatus;
    expect(() => decide({ status }, { injections: [pending] })).not.toThrow();
  });
});
