import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { agentMutants } from '../testing/agent-mutants.js';
import { fieldMutants } from '../testing/field-mutants.js';
import { type Mutation, mutantCore } from '../testing/mutant.js';
import { mutants } from '../testing/mutants.js';
import type { Scenario } from '../testing/scenario.js';
import { freezing, scenario } from '../testing/scenarios.js';
import { simulate } from '../testing/simulation.js';

/** How many scenarios a mutant may survive before it counts as not found. */
const MOST_RUNS = 1_500;

function killedBy(mutation: Mutation, scenarios: fc.Arbitrary<Scenario>, seed = 1): string | undefined {
  const core = mutantCore(mutation);
  const { failed, errorInstance } = fc.check(
    fc.property(scenarios, (each) => {
      simulate(each, core);
    }),
    { numRuns: MOST_RUNS, seed, endOnFailure: true },
  );
  return failed ? String((errorInstance as Error).message) : undefined;
}

const groups = [
  { mutants: [...mutants, ...agentMutants], scenarios: scenario },
  { mutants: fieldMutants, scenarios: freezing },
];

describe.each(groups)('the invariants find a core that', ({ mutants: found, scenarios }) => {
  for (const { does, by, seed, ...mutation } of found) {
    test(does, () => {
      const message = killedBy(mutation, scenarios, seed);
      expect(by.some((id) => message?.includes(id)) ? 'found' : (message ?? 'it survived')).toBe('found');
    });
  }
});
