import { describe, expect, test } from '@jest/globals';
import type { RunStatus } from '../api/experiment-run.js';
import type { SafetyPolicySpec } from '../api/safety-policy.js';
import {
  anInjection,
  anObservation,
  aPod,
  aRun,
  aStep,
  aSurvey,
  at,
  killFacts,
  pods,
  START,
  slowFacts,
} from '../testing/builders.js';
import { RunDraft } from './draft.js';
import type { RunObserved } from './observed.js';
import { decideRun } from './run.js';
import { mayBegin } from './safeguards.js';

const web = { workload: 'Deployment/web' };
const policy = (spec: SafetyPolicySpec) => [{ name: 'prod', spec }];
const steps = [aStep('first'), aStep('second')];

/** A run that has drawn its targets and whose first step has ended. */
const begun: RunStatus = {
  startTime: at(0),
  seed: 1,
  conditions: (['TargetsSelected', 'BaselineHeld'] as const).map((type) => ({
    ...{ type, status: 'True' as const, reason: type, message: '', lastTransitionTime: at(1), observedGeneration: 1 },
  })),
  steps: [
    { name: 'first', fault: 'podKill', state: 'Done', rounds: 1, targets: 1, hit: 1, effective: 1, endTime: at(10) },
    { name: 'second', fault: 'podKill', state: 'Waiting', rounds: 0, targets: 1, hit: 0, effective: 0 },
  ],
};

function draftOf(overrides: Partial<RunObserved>, safeguards = {}): RunDraft {
  const injections = [
    anInjection({ step: 'first' }, ['Effective']),
    anInjection({
      step: 'second',
      state: 'Pending',
      targets: [{ namespace: 'shop', name: 'pod-1', uid: 'uid-pod-1', ...web }],
    }),
  ];
  const run = aRun({ template: { method: steps, safeguards }, status: begun });
  return new RunDraft(anObservation(run, { injections, ...overrides }), START + 12_000);
}

const begin = (draft: RunDraft) => [mayBegin(draft, START + 10_000, [steps[1]!]), draft.status.findings?.[0]?.message];

describe('a group of steps', () => {
  test('begins when nothing speaks against it', () => {
    expect(begin(draftOf({}))).toEqual([true, undefined]);
  });

  test('waits for a look that began after the steps before it had ended', () => {
    const draft = draftOf({ survey: aSurvey({ at: START + 9_000 }) });
    expect(begin(draft)).toEqual([undefined, undefined]);
    expect(draft.decision().surveyFrom).toBe(START + 10_000);
  });

  test('does not begin when a budget has become too small for it since its draw', () => {
    const survey = aSurvey({ policies: policy({ budgets: [{ per: 'Namespace', maxTargets: 0 }] }) });
    expect(begin(draftOf({ survey }))).toEqual([
      false,
      "Refused by SafetyPolicy 'prod' budgets[per=Namespace] (namespace shop would have 1 targets at the same time and may have 0)",
    ]);
  });

  test('does not begin when too few pods have stayed Ready since its draw', () => {
    const survey = aSurvey({ workloads: [{ namespace: 'shop', ...web, replicas: 3, ready: 2 }] });
    expect(begin(draftOf({ survey }, { minReady: 2 }))[1]).toContain('safeguards.minReady (1 of 2 pods');
    expect(begin(draftOf({ survey }, { minReady: 1 }))).toEqual([true, undefined]);
  });

  test('begins in a freeze that has begun since the run has', () => {
    const survey = aSurvey({ policies: policy({ freezes: [{ from: '2026-01-01' }] }) });
    expect(begin(draftOf({ survey }))).toEqual([true, undefined]);
  });

  test('asks for another look when a policy needs what the last one left out', () => {
    const policies = policy({ safeguards: { minReady: 1 } });
    const draft = draftOf({ survey: aSurvey({ at: START + 11_000, lacks: ['pods', 'zones'], policies }) });
    expect(begin(draft)).toEqual([undefined, undefined]);
    expect(draft.decision().surveyFrom).toBe(START + 12_000);
    const other = policy({ budgets: [{ per: 'Cluster', maxTargets: 9 }] });
    const enough = aSurvey({ at: START + 11_000, lacks: ['pods', 'zones'], policies: other });
    expect(begin(draftOf({ survey: enough }))).toEqual([true, undefined]);
  });

  test('of agents does not begin when one of its targets has become protected', () => {
    const facts = { first: killFacts, second: slowFacts };
    const candidates = { first: pods(4), second: [aPod('pod-0'), aPod('pod-1', { protected: true })] };
    expect(begin(draftOf({ facts, candidates }))[1]).toContain('such as pod-1, are protected since they were drawn');
    expect(begin(draftOf({ candidates }))).toEqual([true, undefined]);
  });

  test('does not begin when another run has got hold of its workload, as two controllers may have let it', () => {
    const run = { namespace: 'shop', name: 'other', uid: 'other' };
    const reservations = [{ run, targets: [], claims: ['Deployment/web in namespace shop'] }];
    expect(begin(draftOf({ reservations }))[1]).toContain('run shop/other');
  });
});

describe('runs of one experiment', () => {
  const run = { namespace: 'shop', name: 'other', uid: 'other' };
  const reservations = [{ run, experiment: 'lose', targets: [], claims: ['Deployment/web in namespace shop'] }];
  const reasonOf = (experiment: string, concurrencyPolicy: 'Allow' | 'Forbid') => {
    const schedule = { every: '1h', concurrencyPolicy, startingDeadline: '5m' };
    const made = aRun({ template: { schedule }, metadata: { labels: { 'squall.dev/experiment': experiment } } });
    return decideRun(anObservation(made, { candidates: { kill: pods(2, web) }, reservations }), START).status.reason;
  };

  test('have the same workload beside each other where that is allowed, and those of two never', () => {
    expect(reasonOf('lose', 'Allow')).toBeUndefined();
    expect(reasonOf('lose', 'Forbid')).toBe('BlockedBySafety');
    expect(reasonOf('delay', 'Allow')).toBe('BlockedBySafety');
  });
});

describe('a draw', () => {
  test('waits for the look that says what may be hit', () => {
    const { survey: _none, ...observed } = anObservation(aRun());
    const decision = decideRun(observed, START);
    expect(decision).toMatchObject({ surveyFrom: START, status: { stage: 'Admitted' } });
    expect(decision.status.findings).toBeUndefined();
  });

  test('reserves its targets with the decision, and claims what they belong to', () => {
    const observed = anObservation(aRun(), { candidates: { kill: pods(1, web) } });
    const { reserves } = decideRun(observed, START);
    expect(reserves).toMatchObject({
      targets: [{ uid: 'uid-pod-0', group: 0, disrupts: true }],
      claims: ['Deployment/web in namespace shop'],
    });
  });

  test('that is refused reserves nothing', () => {
    const survey = aSurvey({ policies: policy({ budgets: [{ per: 'Cluster', maxTargets: 0 }] }) });
    const { reserves, status } = decideRun(anObservation(aRun(), { survey }), START);
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'BlockedBySafety' });
    expect(reserves).toEqual({ targets: [], claims: [] });
  });
});
