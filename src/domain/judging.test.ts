import { describe, expect, test } from '@jest/globals';
import { anObservation, aProbe, aRun, aWindow, START } from '../testing/builders.js';
import { RunDraft } from './draft.js';
import { findViolations, judgeStage, tooFew } from './judging.js';
import type { RunObserved } from './observed.js';

const draftOf = (windows: RunObserved['windows'], status = {}, hypothesis = [aProbe('front')]) =>
  new RunDraft(anObservation(aRun({ template: { hypothesis }, status }), { windows }), START);

describe('judging a stage', () => {
  test('holds when there are enough samples and they keep the expectation', () => {
    const draft = draftOf({ front: { Before: aWindow(10, 9) } });
    expect(judgeStage(draft, 'Before')).toMatchObject([{ held: true, violations: [] }]);
    expect(draft.status.probes).toMatchObject([
      { name: 'front', stages: [{ stage: 'Before', samples: 10, successRate: 90, held: true }] },
    ]);
  });

  test('tells nothing from too few samples, and leaves `held` out', () => {
    const draft = draftOf({ front: { Before: aWindow(2) } });
    expect(judgeStage(draft, 'Before')[0]?.held).toBeUndefined();
    expect(draft.status.probes?.[0]?.stages[0]).not.toHaveProperty('held');
  });

  test('names what was violated', () => {
    const draft = draftOf({ front: { During: aWindow(10, 5) } });
    expect(judgeStage(draft, 'During')[0]).toMatchObject({ held: false });
    expect(draft.status.probes?.[0]?.stages[0]?.message).toContain('expected >= 90%');
  });

  test('passes over probes that are not asked for in the stage', () => {
    const hypothesis = [aProbe('front', { stages: ['After'] })];
    expect(judgeStage(draftOf({ front: { Before: aWindow(10) } }, {}, hypothesis), 'Before')).toEqual([]);
  });

  test('does not take the samples of one stage for those of another', () => {
    const draft = draftOf({ front: { Before: aWindow(10) } });
    expect(judgeStage(draft, 'During')[0]?.held).toBeUndefined();
    expect(draft.status.probes).toBeUndefined();
  });

  test('goes by what an earlier process wrote down when this one measured nothing', () => {
    const stages = [
      { stage: 'During', samples: 10, ownErrors: 0, consecutiveFailures: 5, held: false, message: 'bad' },
    ];
    const draft = draftOf({}, { probes: [{ name: 'front', stages }] });
    expect(judgeStage(draft, 'During')).toMatchObject([{ held: false, violations: ['bad'] }]);
  });

  test('replaces the result of a stage and keeps those of the others', () => {
    const earlier = { stage: 'Before', samples: 3, ownErrors: 0, consecutiveFailures: 0, held: true };
    const old = { stage: 'During', samples: 1, ownErrors: 0, consecutiveFailures: 0 };
    const draft = draftOf({ front: { During: aWindow(10) } }, { probes: [{ name: 'front', stages: [earlier, old] }] });
    judgeStage(draft, 'During');
    expect(draft.status.probes?.[0]?.stages.map(({ samples }) => samples)).toEqual([3, 10]);
  });
});

describe('findings of a stage', () => {
  test('a violation during the fault is found once, however often it is looked for', () => {
    const draft = draftOf({ front: { During: aWindow(10, 5) } });
    findViolations(draft);
    findViolations(draft);
    expect(draft.status.findings).toHaveLength(1);
    expect(draft.status.findings?.[0]?.reason).toBe('HypothesisViolated');
  });

  test('too few samples are told with their number, and why the last one failed', () => {
    const window = aWindow(2, 1);
    const summary = { ...window.summary, ownErrors: 4, lastFailure: 'refused' };
    const words = tooFew(
      { probe: aProbe('front'), window: { ...window, summary }, held: undefined, violations: [] },
      'During',
    );
    expect(words).toContain("Probe 'front' could not be judged during the fault: 2 of 3 samples");
    expect(words).toContain('refused');
  });
});

describe('a draft', () => {
  test('makes room for a reason that is new when there are too many findings', () => {
    const draft = draftOf({});
    for (let index = 0; index < 30; index += 1) draft.find('HypothesisViolated', `probe ${index}`);
    draft.find('CleanupUnproven', 'it may still be on');
    draft.find('Halted', 'drill');
    expect(draft.status.findings).toHaveLength(20);
    expect(draft.found('CleanupUnproven') && draft.found('Halted')).toBe(true);
  });

  test('does not touch what it was made from', () => {
    const run = aRun({ status: { findings: [] } });
    new RunDraft(anObservation(run), START).find('Halted', 'drill');
    expect(run.status).toEqual({ findings: [] });
  });

  test('wakes at the earliest time that was asked for, never in the past', () => {
    const draft = draftOf({});
    draft.wakeAt(START + 500);
    draft.wakeAt(START + 100);
    expect(draft.decision().wakeAt).toBe(START + 100);
    draft.wakeAt(START - 100);
    expect(draft.decision().wakeAt).toBe(START);
  });
});
