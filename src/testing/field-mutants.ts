import type { Mutant } from './mutants.js';

/** Bugs in what is decided of faults that set fields through the API server. */
export const fieldMutants: readonly Mutant[] = [
  {
    does: 'changes a field before it is recorded what it was',
    file: 'domain/lasting-injection.ts',
    from: "return { ...entered(target, before, 'Applying', now), undo };",
    to: "return entered(target, before, 'Applying', now);",
    by: ['S1f'],
  },
  {
    does: 'forgets what a field was when the change is confirmed',
    file: 'domain/lasting-injection.ts',
    from: "return entered(target, before, 'Confirmed', now);",
    to: "return entered(target, undefined, 'Confirmed', now);",
    by: ['S5b', 'S1f'],
  },
  {
    does: 'takes a change that may have been made for one that was not',
    file: 'domain/lasting-injection.ts',
    from: "before.state === 'Applying' && observed.certain && !",
    to: "before.state === 'Applying' && !",
    by: ['S2b', 'S2c', 'S5'],
  },
  {
    does: 'takes what came of an attempt for nothing when it is taken back',
    file: 'domain/lasting-injection.ts',
    from: ' && observed.certain && !observed.outcomes.has(target.uid);',
    to: ' && observed.certain;',
    by: ['S2b', 'S2c', 'S5'],
  },
  {
    does: 'takes a fault that somebody else took away for one that went with its target',
    file: 'domain/lasting-injection.ts',
    from: 'if (seen.gone) return',
    to: 'if (!seen.on) return',
    by: ['S5b'],
  },
  {
    does: 'takes a revert that was refused for one that was done',
    file: 'domain/lasting-injection.ts',
    from: "if (outcome.result === 'refused') return { entry: entered(target, before, 'Failed'",
    to: "if (outcome.result === 'refused') return { entry: entered(target, before, 'Reverted'",
    by: ['S2b', 'S2c', 'S5'],
  },
];
