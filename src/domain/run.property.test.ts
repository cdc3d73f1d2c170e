import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aStep, freezeFacts, killFacts } from '../testing/builders.js';
import { calmScenario, scenario } from '../testing/scenarios.js';
import { type Happening, type Scenario, simulate, type Trouble } from '../testing/simulation.js';
import { believed } from './belief.js';
import { decideInjection } from './injection.js';
import { decideRun, isStopping } from './run.js';

const core = { decideRun, decideInjection, isStopping, believed };
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

  test('passes when nothing goes wrong', () => {
    expect(verdictOf(calmScenario())).toBe('Passed/HypothesisHeld');
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
