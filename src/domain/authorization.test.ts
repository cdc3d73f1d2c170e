import { describe, expect, test } from '@jest/globals';
import type { StepStatus } from '../api/experiment-run.js';
import { anInjection, anObservation, aRun, aStep, aSurvey, at, killFacts, START } from '../testing/builders.js';
import { authorized } from './authorization.js';
import { RunDraft } from './draft.js';
import { advanceMethod } from './method.js';
import type { Survey } from './survey.js';

const lacking = ["delete pods in namespace shop (step 'kill')"];

function judge(survey: Partial<Survey> | undefined, from = 0) {
  const run = aRun({ template: { serviceAccountName: 'chaos' } });
  const draft = new RunDraft(anObservation(run), START);
  if (survey) draft.observed.survey = aSurvey(survey);
  else delete draft.observed.survey;
  return { answer: authorized(draft, from), found: draft.status.findings, asked: draft.decision().surveyFrom };
}

describe('what an account may do', () => {
  test('is not known before a look, or from a look that began too early: one is asked for', () => {
    expect(judge(undefined, START)).toEqual({ answer: undefined, found: undefined, asked: START });
    expect(judge({ at: START - 1 }, START)).toEqual({ answer: undefined, found: undefined, asked: START });
    expect(judge({ at: START }, START)).toEqual({ answer: true, found: undefined, asked: undefined });
  });

  test('is refused in the words of kubectl, with what helps', () => {
    const { answer, found } = judge({ missing: lacking });
    expect(answer).toBe(false);
    expect(found).toEqual([
      {
        reason: 'NotAuthorized',
        message:
          "ServiceAccount shop/chaos may not delete pods in namespace shop (step 'kill'); to see the Role that would grant it: squall plan FILE",
      },
    ]);
  });

  test('is refused to an account that is not there, whatever rights its name has been given', () => {
    const { answer, found } = judge({ noAccount: true });
    expect(answer).toBe(false);
    expect(found?.[0]?.message).toContain('does not exist; to make it: kubectl create serviceaccount chaos -n shop');
  });

  test('is refused where nobody can tell what it would be: a kind that is not served', () => {
    const { answer, found } = judge({ unknownKinds: ["Widget of example.com/v1 (probe 'x')"] });
    expect(answer).toBe(false);
    expect(found?.[0]).toMatchObject({ reason: 'InvalidTemplate', message: expect.stringContaining('Widget') });
  });

  test('is refused where the controller itself may not read for a probe, with how to allow it', () => {
    const { answer, found } = judge({ unreadable: ["list roles in namespace shop (probe 'x')"] });
    expect(answer).toBe(false);
    expect(found?.[0]).toMatchObject({ reason: 'InjectionFailed', message: expect.stringContaining('with the label') });
  });

  test('is told in a message of bounded length', () => {
    const many = Array.from({ length: 60 }, (_, index) => `get pods 'p${index}' in namespace shop`);
    expect(judge({ missing: many }).found?.[0]?.message).toMatch(/'p4' in namespace shop; and 55 more; /);
  });
});

describe('before a step', () => {
  const status = (name: string, more: Partial<StepStatus>): StepStatus => ({
    name,
    fault: 'podKill',
    state: 'Waiting',
    rounds: 0,
    targets: 1,
    hit: 0,
    effective: 0,
    ...more,
  });
  const done = { state: 'Done', endTime: at(30) } as const;

  /** Goes on at 40 s; the run began at 0 s and its look at 20 s. */
  function begin(statuses: StepStatus[], survey: Partial<Survey> = { at: START + 20_000 }) {
    const method = statuses.map(({ name }) => aStep(name));
    const run = aRun({ template: { method }, status: { startTime: at(0), steps: statuses } });
    const draft = new RunDraft(anObservation(run, { survey: aSurvey(survey) }), START + 40_000);
    advanceMethod(draft);
    const { surveyFrom } = draft.decision();
    return { states: draft.status.steps?.map(({ state }) => state), surveyFrom, found: draft.status.findings };
  }

  test('the look of the admission is enough for the first', () => {
    const { states, surveyFrom } = begin([status('a', {})]);
    expect(states).not.toContain('Waiting');
    expect(surveyFrom).toBeUndefined();
  });

  test('a look that is older than 30s is not enough, as after a long baseline', () => {
    const late = begin([status('a', {})], { at: START + 9_999 });
    expect(late).toMatchObject({ states: ['Waiting'], surveyFrom: START + 10_000 });
  });

  test('a later one awaits a look that began after the one before it had ended', () => {
    const { states, surveyFrom } = begin([status('a', done), status('b', {})]);
    expect(states).toEqual(['Done', 'Waiting']);
    expect(surveyFrom).toBe(START + 30_000);
    expect(begin([status('a', done), status('b', {})], { at: START + 30_001 }).states).not.toContain('Waiting');
  });

  test('a right that was taken away meanwhile keeps it from beginning', () => {
    const { states, found } = begin([status('a', done), status('b', {})], { at: START + 31_000, missing: lacking });
    expect(states).toEqual(['Done', 'Waiting']);
    expect(found?.map(({ reason }) => reason)).toEqual(['NotAuthorized']);
  });
});

describe('before a round', () => {
  /** A kill that repeats every 5 s is due again at 40 s. */
  function round(survey: Partial<Survey>) {
    const step = aStep('kill', { duration: '2m', count: 1 });
    const status: StepStatus = {
      name: 'kill',
      fault: 'podKill',
      state: 'Holding',
      rounds: 1,
      targets: 1,
      hit: 1,
      effective: 1,
      ...{ startTime: at(0), roundTime: at(35), confirmedTime: at(0) },
    };
    const run = aRun({ template: { method: [step] }, status: { startTime: at(0), steps: [status] } });
    const observed = anObservation(run, {
      survey: aSurvey(survey),
      injections: [anInjection({}, ['Effective'])],
      facts: { kill: { ...killFacts, repeatEveryMilliseconds: 5_000 } },
    });
    const draft = new RunDraft(observed, START + 40_000);
    advanceMethod(draft);
    const { actions, surveyFrom } = draft.decision();
    return { drawn: actions.length, surveyFrom, found: draft.status.findings?.map(({ reason }) => reason) };
  }

  test('a look that is younger than 30s is enough', () => {
    expect(round({ at: START + 10_000 })).toEqual({ drawn: 1, surveyFrom: undefined, found: undefined });
  });

  test('nothing is drawn on an older look: a new one is asked for', () => {
    expect(round({ at: START + 9_999 })).toEqual({ drawn: 0, surveyFrom: START + 10_000, found: undefined });
  });

  test('nothing is drawn when a right was taken away', () => {
    expect(round({ at: START + 39_000, missing: lacking })).toMatchObject({ drawn: 0, found: ['NotAuthorized'] });
  });
});
