import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { scenario } from '../testing/scenarios.js';
import { type Scenario, simulate } from '../testing/simulation.js';
import { decideInjection } from './injection.js';
import { decideRun, isStopping } from './run.js';

const core = { decideRun, decideInjection, isStopping };
const numRuns = Number(process.env.SQUALL_PROPERTY_RUNS ?? 150);

describe('a run', () => {
  test('keeps every invariant in every reachable state, and ends', () => {
    const verdicts: Record<string, number> = {};
    fc.assert(
      fc.property(scenario, (each: Scenario) => {
        const { cluster } = simulate(each, core);
        const verdict = cluster.run.status?.reason ?? 'none';
        verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
      }),
      { numRuns },
    );
    if (process.env.SQUALL_PROPERTY_RUNS) console.log(verdicts);
    expect(verdicts.HypothesisHeld).toBeGreaterThan(0);
  });
});
