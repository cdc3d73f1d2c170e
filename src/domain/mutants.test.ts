import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { agentMutants } from '../testing/agent-mutants.js';
import { type Mutation, mutantCore } from '../testing/mutant.js';
import { mutants } from '../testing/mutants.js';
import { scenario } from '../testing/scenarios.js';
import { simulate } from '../testing/simulation.js';

/** How many scenarios a mutant may survive before it counts as not found. */
const MOST_RUNS = 1_500;

function killedBy(mutation: Mutation, seed = 1): string | undefined {
  const core = mutantCore(mutation);
  const { failed, errorInstance } = fc.check(
    fc.property(scenario, (each) => {
      simulate(each, core);
    }),
    { numRuns: MOST_RUNS, seed, endOnFailure: true },
  );
  return failed ? String((errorInstance as Error).message) : undefined;
}

describe('the invariants find a core that', () => {
  for (const { does, by, seed, ...mutation } of [...mutants, ...agentMutants]) {
    test(does, () => {
      const message = killedBy(mutation, seed);
      expect(by.some((id) => message?.includes(id)) ? 'found' : (message ?? 'it survived')).toBe('found');
    });
  }
});
