import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Mutation, mutantCore } from '../testing/mutant.js';
import { scenario } from '../testing/scenarios.js';
import { simulate } from '../testing/simulation.js';

/** How many scenarios a mutant may survive before it counts as not found. */
const MOST_RUNS = 1_500;

interface Mutant extends Mutation {
  does: string;
  /** Invariants of which one must find it. */
  by: string[];
  /** Where it is found soon; any other seed finds it too. Default 1. */
  seed?: number;
}

const mutants: Mutant[] = [
  {
    does: 'looks at another pod than the one with the UID',
    file: 'domain/injection.ts',
    from: 'const pod = observed.pods.get(target.uid);',
    to: 'const pod = [...observed.pods.values()][0];',
    by: ['S4a', 'S6'],
    seed: 8,
  },
  {
    does: 'rounds a percentage up',
    file: 'domain/draw.ts',
    from: 'Math.max(1, Math.floor((candidates * targets.percent) / 100))',
    to: 'Math.ceil((candidates * targets.percent) / 100)',
    by: ['S3c'],
  },
  {
    does: 'replaces targets that were missed without looking at the budget of the run',
    file: 'domain/redraw.ts',
    from: 'const { affordable } = drawAgain(draft, step, step.name);',
    to: 'const { order: affordable } = drawAgain(draft, step, step.name);',
    by: ['S3a'],
    seed: 7,
  },
  {
    does: 'replaces more targets than were missed',
    file: 'domain/redraw.ts',
    from: 'const found = carry(draft, step, affordable, missing);',
    to: 'const found = carry(draft, step, affordable, missing + 1);',
    by: ['S3b', 'L08'],
    seed: 4,
  },
  {
    does: 'ignores maxTargets when it repeats',
    file: 'domain/redraw.ts',
    from: 'const found = carry(draft, step, affordable.slice(0, roundSize(step, order.length)));',
    to: 'const found = carry(draft, step, order.slice(0, roundSize(step, order.length)));',
    by: ['S3a'],
  },
  {
    does: 'lets parallel steps spend the same budget',
    file: 'domain/redraw.ts',
    from: 'map(({ uid }) => uid), ...planned]);',
    to: 'map(({ uid }) => uid)]);',
    by: ['S3a'],
    seed: 2,
  },
  {
    does: 'makes a round again that was made before a crash',
    file: 'domain/redraw.ts',
    from: 'const round = recordedRounds(draft, step);\n  makeDurable',
    to: 'const round = Math.max(...draft.injectionsOf(step.name).map(({ spec }) => spec.round)) + 1;\n  makeDurable',
    by: ['S3', 'L08'],
    seed: 4,
  },
  {
    does: 'ignores maxTargets when it admits a run',
    file: 'domain/admission.ts',
    from: 'limit !== undefined && wanted > limit',
    to: 'limit !== undefined && wanted > limit + 1',
    by: ['S3a'],
  },
  {
    does: 'forgets to record the seed',
    file: 'domain/run.ts',
    from: 'draft.status.seed ??= run.spec.seed ?? seedOf(run.metadata.uid);',
    to: '',
    by: ['S1d'],
  },
  {
    does: 'ignores an abort after the baseline',
    file: 'domain/run.ts',
    from: 'if (run.spec.abort) draft.find',
    to: "if (run.spec.abort && !draft.holds('BaselineHeld')) draft.find",
    by: ['S7d', 'S7b'],
    seed: 4,
  },
  {
    does: 'ignores a halt during the baseline',
    file: 'domain/run.ts',
    from: 'if (halts.length > 0) draft.find',
    to: "if (halts.length > 0 && draft.holds('BaselineHeld')) draft.find",
    by: ['S7c'],
    seed: 6,
  },
  {
    does: 'goes on hitting targets when a stop is visible',
    file: 'domain/injection.ts',
    from: '...(!observed.stopping && { action',
    to: '...(true && { action',
    by: ['S7a'],
    seed: 13,
  },
  {
    does: 'takes an abort for graver than a violated hypothesis',
    file: 'domain/verdict.ts',
    from: `  (reason) => reasons[reason].verdict === 'Failed',
  (reason) => reasons[reason].verdict === 'Aborted',`,
    to: `  (reason) => reasons[reason].verdict === 'Aborted',
  (reason) => reasons[reason].verdict === 'Failed',`,
    by: ['L04'],
  },
  {
    does: 'counts every target as effective',
    file: 'domain/progress.ts',
    from: 'const effective = states.filter((target) => target.effective)',
    to: 'const effective = states',
    by: ['L08'],
  },
  {
    does: 'lets too few samples during the fault pass',
    file: 'domain/ending.ts',
    from: "if (each.held === undefined) draft.find('NotEnoughSamples', tooFew(each, 'During'));",
    to: '',
    by: ['S6c'],
    seed: 4,
  },
  {
    does: 'goes on from a baseline without samples',
    file: 'domain/run.ts',
    from: 'if (judged.every(({ held }) => held === true)) {',
    to: 'if (judged.every(({ held }) => held !== false)) {',
    by: ['S6c'],
    seed: 3,
  },
  {
    does: 'drops a violated hypothesis',
    file: 'domain/judging.ts',
    from: 'if (held !== false) continue;',
    to: 'if (held !== true) continue;',
    by: ['S6c', 'L04'],
    seed: 4,
  },
  {
    does: 'makes injections before the finalizer is there',
    file: 'domain/admission.ts',
    from: "if (!run.metadata.finalizers?.includes(FINALIZER)) draft.do({ do: 'addFinalizer' });",
    to: '',
    by: ['S1e', 'S1c'],
  },
  {
    does: 'takes the first step back first',
    file: 'domain/ending.ts',
    from: '[...draft.template.method].reverse().every(',
    to: '[...draft.template.method].every(',
    by: ['S2d'],
  },
  {
    does: 'calls a run reverted that is not',
    file: 'domain/progress.ts',
    from: "if (injection.spec.state !== 'Revert') return false;",
    to: "if (injection.spec.state !== 'Revert') return false;\n  if (!oneShot) return true;",
    by: ['S2b'],
  },
  {
    does: 'counts missed targets as hit',
    file: 'domain/progress.ts',
    from: "return state === 'Confirmed' ||",
    to: "return state === 'Missed' || state === 'Confirmed' ||",
    by: ['S6b'],
  },
  {
    does: 'applies a draw before it is recorded',
    file: 'domain/naming.ts',
    from: "state: 'Pending',",
    to: "state: 'Apply',",
    by: ['S1b'],
  },
  {
    does: 'hits a target before its intent is durable',
    file: 'domain/injection.ts',
    from: "(spared(pod) ?? { state: 'Applying' })",
    to: "(spared(pod) ?? { state: 'Applying', action: { do: 'apply', target } })",
    by: ['S1a'],
  },
  {
    does: 'hits what became protected after the draw',
    file: 'domain/injection.ts',
    from: 'return pod.protected ? {',
    to: 'return false ? {',
    by: ['S4a'],
    seed: 10,
  },
  {
    does: 'forgets after a crash that a target may have been hit',
    file: 'domain/injection.ts',
    from: "if (observed.certain) return { state: 'Missed'",
    to: "if (true) return { state: 'Missed'",
    by: ['S6b', 'S3'],
    seed: 10,
  },
  {
    does: 'takes the answer to an attempt for the answer to its revert',
    file: 'domain/injection.ts',
    from: 'const outcome = observed.undone.get(target.uid);',
    to: 'const outcome = observed.undone.get(target.uid) ?? observed.outcomes.get(target.uid);',
    by: ['S2b', 'S2c', 'S5a'],
    seed: 2,
  },
  {
    does: 'calls a pod lost that is still there',
    file: 'domain/injection.ts',
    from: "if (state === 'Confirmed' && !pod && observed.oneShot)",
    to: "if (state === 'Confirmed' && observed.oneShot)",
    by: ['S6a'],
  },
  {
    does: 'clears injections away that are not clean',
    file: 'domain/run.ts',
    from: 'if (!isClean(injection, oneShot) || injection',
    to: 'if (injection',
    by: ['S2e'],
    seed: 4,
  },
  {
    does: 'judges the recovery before everything is taken back',
    file: 'domain/run.ts',
    from: 'if (draft.status.revertedTime) recover(draft);',
    to: "if (draft.condition('Reverted')) recover(draft);",
    by: ['L09', 'S2'],
  },
  {
    does: 'never takes the finalizer off',
    file: 'domain/run.ts',
    from: "draft.do({ do: 'removeFinalizer' });",
    to: '{}',
    by: ['S2g', 'S2h'],
  },
  {
    does: 'does not notice that an injection was deleted',
    file: 'domain/progress.ts',
    from: 'return missing.size === recordedRounds(draft, step) && ',
    to: 'return true || ',
    by: ['S2b', 'S2c', 'S3'],
    seed: 27,
  },
  {
    does: 'lets the fault run on after its time',
    file: 'domain/run.ts',
    from: "if (draft.now >= deadline) draft.find('Timeout'",
    to: "if (false) draft.find('Timeout'",
    by: ['L12', 'it never'],
    seed: 6,
  },
  {
    does: 'puts targets of several nodes into one injection',
    file: 'domain/naming.ts',
    from: "agent === undefined ? ''",
    to: "agent !== null ? ''",
    by: ['S4b'],
    seed: 2,
  },
  {
    does: 'draws pods that no agent reaches',
    file: 'domain/draw.ts',
    from: "fault.by === 'Agent' && pod.unreachable",
    to: 'false',
    by: ['S4b'],
    seed: 4,
  },
  {
    does: 'takes in more pods than went away',
    file: 'domain/follow.ts',
    from: 'carry(draft, step, pods, missing)',
    to: 'carry(draft, step, pods, missing + 1)',
    by: ['S3e'],
    seed: 9,
  },
  {
    does: 'takes in pods for those that may still be hit',
    file: 'domain/follow.ts',
    from: 'states.filter(({ state }) => !isCertainlyOff(state))',
    to: "states.filter(({ state }) => state === 'Effective')",
    by: ['S3e'],
    seed: 10,
  },
  {
    does: 'ignores maxTargets when it takes pods in',
    file: 'domain/follow.ts',
    from: 'withinBudget(draft, step, inDrawingOrder(fresh, draft.status.seed ?? 0, step.name))',
    to: 'inDrawingOrder(fresh, draft.status.seed ?? 0, step.name)',
    by: ['S3a'],
  },
  {
    does: 'does not mind that an agent took its fault back',
    file: 'domain/agents.ts',
    from: 'if (ended && !draft.found(ended.reason)) {',
    to: 'if (false) {',
    by: ['S6c'],
    seed: 18,
  },
  {
    does: 'takes the boot of a fault for another one',
    file: 'domain/life-cycle.ts',
    from: 'bootId !== undefined && spec.bootId !== undefined && bootId !== spec.bootId',
    to: 'bootId !== undefined',
    by: ['S2b', 'S2c', 'S5a'],
    seed: 3,
  },
  {
    does: 'lets go of what an agent has not taken back',
    file: 'domain/life-cycle.ts',
    from: 'if (isClean(injection, oneShot)) {',
    to: 'if (isClean(injection, oneShot) || !runIsLive) {',
    by: ['S2e', 'S5a'],
    seed: 4,
  },
  {
    does: 'asks in vain for a proof when an agent is gone for good',
    file: 'domain/life-cycle.ts',
    from: 'return { ...decision, needsBootId: spec.bootId !== undefined, after: PROOF_MILLISECONDS };',
    to: 'return { ...decision, status: injection.status ?? {} };',
    by: ['S2i'],
  },
  {
    does: 'tells effects that no agent has seen',
    file: 'domain/progress.ts',
    from: "const effective = found?.state === 'Effective' || found?.effective === true;",
    to: 'const effective = isHit(found?.state);',
    by: ['S6e'],
    seed: 6,
  },
  {
    does: 'waits for a revert for ever',
    file: 'domain/ending.ts',
    from: 'if (!clean && draft.now < since + UNPROVEN_MILLISECONDS) {',
    to: 'if (!clean) {',
    by: ['it never', 'the run'],
    seed: 4,
  },
];

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
  for (const { does, by, seed, ...mutation } of mutants) {
    test(does, () => {
      const message = killedBy(mutation, seed);
      expect(by.some((id) => message?.includes(id)) ? 'found' : (message ?? 'it survived')).toBe('found');
    });
  }
});
