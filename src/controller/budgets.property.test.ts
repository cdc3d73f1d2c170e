import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Step } from '../api/experiment.js';
import type { SafetyPolicySpec } from '../api/safety-policy.js';
import type { StepFacts } from '../domain/observed.js';
import { aRun, aStep, freezeFacts, killFacts } from '../testing/builders.js';
import { tryOut } from '../testing/many-runs.js';
import type { Trial, TrialRun } from '../testing/trial-cluster.js';

const numRuns = Number(process.env.SQUALL_PROPERTY_RUNS ?? 300) / 3;

/** What a step of a trial is made from. */
interface Made {
  kind: 'kill' | 'repeat' | 'freeze' | 'follow';
  count: number;
  parallel: boolean;
}

const kinds: Record<Made['kind'], { more: Partial<Step>; follow?: boolean; facts: StepFacts }> = {
  kill: { more: {}, facts: killFacts },
  repeat: { more: { duration: '3s' }, facts: { ...killFacts, repeatEveryMilliseconds: 1_000 } },
  freeze: { more: { duration: '2s', fault: 'freeze' } as Partial<Step>, facts: freezeFacts },
  follow: { more: { duration: '4s', fault: 'freeze' } as Partial<Step>, follow: true, facts: freezeFacts },
};

/** A run of its own namespace and workload, as any two that are on the same one shut each other out. */
function aTrialRun(steps: readonly Made[], index: number, app = `app-${index}`): TrialRun {
  const named = steps.map(({ kind, count, parallel }, place) => {
    const { more, follow = false, facts } = kinds[kind];
    const step = aStep(`s${place}`, { app, count, follow, minAge: '0s', ...more, ...(parallel && { parallel }) });
    return { step, facts };
  });
  const method = named.map(({ step }) => step);
  return {
    run: aRun({
      template: { method, hypothesis: [] },
      metadata: { name: `run-${index}`, namespace: app, uid: `uid-${index}` },
    }),
    facts: Object.fromEntries(named.map(({ step, facts }) => [step.name, facts])),
  };
}

const made = fc.record({
  kind: fc.constantFrom<Made['kind']>('kill', 'repeat', 'freeze', 'follow'),
  count: fc.integer({ min: 1, max: 3 }),
  parallel: fc.boolean(),
});

const budgets = fc.record({
  cluster: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
  namespace: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  node: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
});

function policyOf({
  cluster,
  namespace,
  node,
}: {
  cluster?: number | undefined;
  namespace?: number | undefined;
  node?: number | undefined;
}): SafetyPolicySpec {
  const all = [
    { per: 'Cluster' as const, maxTargets: cluster },
    { per: 'Namespace' as const, maxTargets: namespace },
    { per: 'Node' as const, maxTargets: node },
  ];
  return { budgets: all.flatMap(({ per, maxTargets }) => (maxTargets === undefined ? [] : [{ per, maxTargets }])) };
}

const trial: fc.Arbitrary<Trial> = fc
  .record({
    seed: fc.integer({ min: 0, max: 0x7fffffff }),
    methods: fc.array(fc.array(made, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 8 }),
    budgets,
    arrival: fc.constantFrom(0.005, 0.05, 1),
    trouble: fc.constantFrom(0, 0.05, 0.2),
    crash: fc.constantFrom(0, 0.002, 0.02),
    churn: fc.constantFrom(0, 0.01),
  })
  .map(({ methods, budgets: limits, ...own }) => ({
    ...own,
    runs: methods.map((steps, index) => aTrialRun(steps, index)),
    replicas: 5,
    policy: policyOf(limits),
  }));

/** The budgets that were exceeded at some moment, as `Cluster: 5 of 4`. */
function exceeded({ policy }: Trial, peaks: ReadonlyMap<string, number>): string[] {
  const limits = new Map(policy.budgets?.map(({ per, maxTargets }) => [per as string, maxTargets]));
  return [...peaks].flatMap(([account, peak]) => {
    const limit = limits.get(account.split(' ')[0] ?? '') ?? Number.POSITIVE_INFINITY;
    return peak > limit ? [`${account}: ${peak} of ${limit}`] : [];
  });
}

const reasons = ({ runs }: ReturnType<typeof tryOut>) => runs.map(({ status }) => status?.reason);

describe('many runs at once', () => {
  test('never exceed a budget together, whatever crashes, fails and goes away, and all end', () => {
    const seen = new Set<string | undefined>();
    let crashes = 0;
    fc.assert(
      fc.property(trial, (each) => {
        const result = tryOut(each);
        crashes += result.crashes;
        expect(exceeded(each, result.peaks)).toEqual([]);
        for (const run of result.runs) {
          expect(run.status?.finishTime).toBeDefined();
          seen.add(run.status?.reason);
        }
      }),
      { numRuns },
    );
    expect([...seen]).toEqual(expect.arrayContaining(['BlockedBySafety', 'NotEnoughSamples']));
    expect(crashes).toBeGreaterThan(0);
  });

  const oneKill = (index: number, app?: string) => aTrialRun([{ kind: 'kill', count: 1, parallel: false }], index, app);
  const calm = { seed: 1, replicas: 5, arrival: 1, trouble: 0, crash: 0, churn: 0 };

  test('use a budget up and no more when they start together', () => {
    const runs = Array.from({ length: 20 }, (_, index) => oneKill(index));
    const policy = policyOf({ cluster: 5 });
    const result = tryOut({ ...calm, runs, policy });
    expect(result.peaks.get('Cluster')).toBeLessThanOrEqual(5);
    expect(reasons(result).filter((reason) => reason === 'NotEnoughSamples').length).toBeGreaterThanOrEqual(5);
  });

  test('are all admitted where there is room for all', () => {
    const runs = Array.from({ length: 6 }, (_, index) => oneKill(index));
    const result = tryOut({ ...calm, runs, policy: policyOf({ cluster: 6 }) });
    expect(new Set(reasons(result))).toEqual(new Set(['NotEnoughSamples']));
  });

  test('of the same workload go one after the other at most', () => {
    const runs = [oneKill(0, 'web'), oneKill(1, 'web'), oneKill(2, 'web')];
    const result = tryOut({ ...calm, runs, policy: {} });
    expect(result.peaks.get('Cluster')).toBe(1);
    expect(reasons(result)).toContain('NotEnoughSamples');
  });

  test('count what a round that could not be recorded has left against the steps beside it', () => {
    const steps: Made[] = [
      { kind: 'repeat', count: 1, parallel: false },
      { kind: 'repeat', count: 2, parallel: true },
    ];
    for (let seed = 0; seed < 200; seed += 1) {
      const result = tryOut({
        ...calm,
        seed,
        trouble: 0.3,
        runs: [aTrialRun(steps, 0)],
        policy: policyOf({ namespace: 4 }),
      });
      expect([seed, result.peaks.get('Namespace app-0')]).toEqual([seed, expect.any(Number)]);
      expect(result.peaks.get('Namespace app-0')).toBeLessThanOrEqual(4);
    }
  });
});
