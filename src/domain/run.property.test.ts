import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aPod, aStep, freezeFacts, killFacts, slowFacts } from '../testing/builders.js';
import type { Happening, Scenario, Trouble } from '../testing/scenario.js';
import { calmScenario, freezing, scenario } from '../testing/scenarios.js';
import { simulate } from '../testing/simulation.js';
import { decideAgentInjection } from './agent-injection.js';
import { believed } from './belief.js';
import { decideInjection } from './injection.js';
import { decideLifeCycle } from './life-cycle.js';
import { decideRun, isStopping } from './run.js';

const core = { decideRun, decideInjection, decideLifeCycle, decideAgentInjection, isStopping, believed };
const numRuns = Number(process.env.SQUALL_PROPERTY_RUNS ?? 300);

function verdictOf(each: Scenario): string {
  const { run } = simulate(each, core).cluster;
  return `${run.status?.verdict}/${run.status?.reason}`;
}

/** Two steps, one of which can be taken back and one of which repeats, beside each other. */
const busy = calmScenario({
  template: {
    ...calmScenario().template,
    method: [
      aStep('s0', { app: 'a', count: 1, fault: 'freeze', duration: '20s' }),
      {
        ...aStep('s1', { app: 'a', count: 1, duration: '20s', parallel: true }),
        ...{ podKill: { repeatEvery: '5s' } },
      },
    ],
    safeguards: { maxTargets: 3 },
  },
  facts: {
    s0: freezeFacts,
    s1: { ...killFacts, repeatEveryMilliseconds: 5_000 },
  },
});

/** A fault that agents of two nodes carry out, beside a fault of the controller. */
const slowed = calmScenario({
  template: {
    ...calmScenario().template,
    method: [
      aStep('s0', { app: 'a', percent: 100, fault: 'slow', duration: '20s', follow: true }),
      aStep('s1', { app: 'a', count: 1, duration: '5s', parallel: true }),
    ],
    safeguards: { maxTargets: 6 },
  },
  facts: { s0: slowFacts, s1: killFacts },
  pods: Array.from({ length: 4 }, (_, index) => ({
    ...aPod(`pod-${index}`, { graceSeconds: 1, node: `n${index % 2}` }),
    app: 'a',
  })),
});

const calls = (each: Scenario) => Array.from({ length: simulate(each, core).calls }, (_, call) => call);

describe('a run', () => {
  test('keeps every invariant in every reachable state, and ends, whatever goes wrong', () => {
    const verdicts = new Set<string>();
    fc.assert(
      fc.property(scenario, (each) => {
        verdicts.add(verdictOf(each));
      }),
      { numRuns },
    );
    expect([...verdicts]).toEqual(expect.arrayContaining(['Passed/HypothesisHeld', 'Failed/HypothesisViolated']));
  });

  test('restores what faults of the API server have changed, whatever goes wrong', () => {
    fc.assert(
      fc.property(freezing, (each) => {
        simulate(each, core);
      }),
      { numRuns },
    );
  });

  test('passes when nothing goes wrong', () => {
    expect(verdictOf(calmScenario())).toBe('Passed/HypothesisHeld');
  });

  test('passes with agents when nothing goes wrong', () => {
    const { cluster } = simulate(slowed, core);
    expect(cluster.run.status).toMatchObject({
      reason: 'HypothesisHeld',
      steps: [{ hit: 5, targets: 5, effective: 5 }, { hit: 1 }],
    });
  });

  const troubles: Trouble['kind'][] = ['crashBefore', 'crashAfter', 'unavailable', 'noAnswer'];
  for (const kind of troubles) {
    test(`comes to the same verdict with ${kind} at any call`, () => {
      for (const call of calls(calmScenario())) {
        const each = calmScenario({ troubles: [{ call, kind }] });
        expect(`${call}: ${verdictOf(each)}`).toBe(`${call}: Passed/HypothesisHeld`);
      }
    });

    test(`keeps every invariant with ${kind} at any call of a busy run`, () => {
      for (const call of calls(busy)) verdictOf({ ...busy, troubles: [{ call, kind }] });
    });

    test(`keeps every invariant with ${kind} at any call of a run with agents`, () => {
      for (const call of calls(slowed)) {
        const verdict = verdictOf({ ...slowed, troubles: [{ call, kind }] });
        expect(`${call}: ${verdict}`).toBe(`${call}: Passed/HypothesisHeld`);
      }
    });
  }

  const interruptions: [Happening['kind'], string][] = [
    ['abort', 'Aborted/AbortedByUser'],
    ['halt', 'Aborted/Halted'],
    ['deleteRun', 'Aborted/AbortedByUser'],
  ];
  for (const [kind, expected] of interruptions) {
    test(`ends ${expected} after ${kind} at any moment before it has finished`, () => {
      const { took } = simulate(calmScenario(), core);
      for (let at = 0; at < took - 100; at += 50) {
        const each = calmScenario({ happenings: [{ at, kind, index: 0 }] });
        // Without a finalizer, a deleted run is gone before anything was begun.
        expect([expected, 'undefined/undefined']).toContain(verdictOf(each));
      }
    });
  }

  test('repeats its draw with the same seed, whatever crashes on the way', () => {
    const hit = (each: Scenario) =>
      simulate(each, core)
        .cluster.effects.map(({ uid }) => uid)
        .sort();
    const expected = hit(calmScenario({ seed: 7 }));
    for (let call = 0; call < 6; call += 1) {
      expect(hit(calmScenario({ seed: 7, troubles: [{ call, kind: 'crashAfter' }] }))).toEqual(expected);
    }
  });
});
