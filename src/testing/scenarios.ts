import fc from 'fast-check';
import type { ExperimentSpec, HypothesisProbe, ProbeStage, Step } from '../api/experiment.js';
import type { StepFacts } from '../domain/observed.js';
import { parseDuration } from '../stats/duration.js';
import { aPod, aProbe, aStep, freezeFacts, killFacts, START, slowFacts, stabFacts } from './builders.js';
import type { Happening, Scenario, Trouble } from './scenario.js';
import type { SimulatedPod } from './simulated-cluster.js';
import type { ProbeProcess } from './simulated-probes.js';

interface PlannedStep {
  step: Step;
  facts: StepFacts;
}

const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 9 }, { arbitrary: fc.constantFrom(...others), weight: 1 });

const howMany = fc.oneof(
  fc.constant({}),
  fc.record({ count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
);

function stepNamed(name: string, isFirst: boolean): fc.Arbitrary<PlannedStep> {
  const common = {
    app: mostly('a', 'b'),
    many: howMany,
    minAge: mostly('10s', '0s'),
    unmanaged: mostly(false, true),
    parallel: isFirst ? fc.constant(false) : fc.boolean(),
  };
  const kill = fc
    .record({
      ...common,
      duration: fc.option(fc.constantFrom('5s', '20s', '45s'), { nil: undefined }),
      repeatEvery: fc.option(fc.constantFrom('5s', '10s'), { nil: undefined }),
    })
    .map(({ many, duration, repeatEvery, ...own }) => {
      const repeats = duration !== undefined && repeatEvery !== undefined;
      const step = aStep(name, { ...own, ...many, ...(duration && { duration }) });
      if (repeats) Object.assign(step, { podKill: { repeatEvery } });
      const every = repeats ? { repeatEveryMilliseconds: parseDuration(repeatEvery) } : {};
      return { step, facts: { ...killFacts, ...every } };
    });
  const freeze = fc.record({ ...common, duration: fc.constantFrom('5s', '20s') }).map(({ many, ...own }) => ({
    step: aStep(name, { ...own, ...many, fault: 'freeze' }),
    facts: freezeFacts,
  }));
  const slow = fc
    .record({
      ...common,
      duration: fc.constantFrom('5s', '20s', '60s'),
      follow: fc.boolean(),
      onDrift: fc.option(fc.constantFrom('Reapply' as const, 'End' as const), { nil: undefined }),
      agent: fc.option(mostly('Node' as const, 'Sidecar' as const), { nil: undefined }),
    })
    .map(({ many, onDrift, agent, ...own }) => ({
      step: aStep(name, { ...own, ...many, fault: 'slow', ...(onDrift && { onDrift }), ...(agent && { agent }) }),
      facts: slowFacts,
    }));
  const stab = fc.record({ ...common, repeats: mostly(false, true) }).map(({ many, repeats, ...own }) => {
    const again = { duration: '20s', stab: { repeatEvery: '5s' } };
    const step = { ...aStep(name, { ...own, ...many, fault: 'stab' }), ...(repeats && again) };
    return { step, facts: { ...stabFacts, ...(repeats && { repeatEveryMilliseconds: 5_000 }) } };
  });
  return fc.oneof(
    { arbitrary: kill, weight: 3 },
    { arbitrary: stab, weight: 1 },
    { arbitrary: freeze, weight: 1 },
    { arbitrary: slow, weight: 2 },
  );
}

const method = fc
  .integer({ min: 1, max: 3 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => stepNamed(`s${index}`, index === 0))));

const stages = mostly<ProbeStage[]>(['Before', 'During', 'After'], ['During'], ['Before', 'During'], ['After']);

const probe: fc.Arbitrary<Omit<HypothesisProbe, 'name'> & { process: ProbeProcess }> = fc.record({
  stages,
  expect: fc.record({ successRate: fc.constantFrom('>= 90%', '>= 50%', '== 100%') }),
  minSamples: fc.integer({ min: 1, max: 5 }),
  process: fc.record({
    interval: fc.constantFrom(200, 500, 2_000),
    bad: fc.array(
      fc
        .record({ from: fc.integer({ min: 0, max: 60_000 }), length: fc.integer({ min: 500, max: 20_000 }) })
        .map(({ from, length }) => ({ from, to: from + length })),
      { maxLength: 2 },
    ),
    minReady: mostly(0, 1, 3),
  }),
});

const pod = fc.record({
  app: fc.constantFrom('a', 'a', 'b'),
  ready: mostly(true, false),
  protected: mostly(false, true),
  managed: mostly(true, false),
  completed: mostly(false, false, true),
  graceSeconds: fc.constantFrom(0, 1, 30),
  age: mostly(3_600, 2),
  node: fc.constantFrom('n0', 'n1', 'n2'),
  unreachable: mostly(false, true),
  running: mostly(true, false),
  idle: mostly(false, true),
});

function asPods(planned: readonly (typeof pod extends fc.Arbitrary<infer T> ? T : never)[]): SimulatedPod[] {
  return planned.map(({ age, app, ...rest }, index) => ({
    ...aPod(`pod-${index}`, { ...rest, ready: rest.ready && !rest.completed, createdAt: START - age * 1000 }),
    app,
  }));
}

const happening: fc.Arbitrary<Happening> = fc.record({
  at: fc.oneof(fc.integer({ min: 0, max: 8_000 }), fc.integer({ min: 0, max: 90_000 })),
  kind: fc.oneof(
    {
      arbitrary: fc.constantFrom<Happening['kind']>('deletePod', 'unready', 'ready', 'protect', 'complete'),
      weight: 5,
    },
    { arbitrary: fc.constantFrom<Happening['kind']>('abort', 'halt', 'resume', 'deleteRun'), weight: 2 },
    { arbitrary: fc.constantFrom<Happening['kind']>('deleteInjection', 'crash', 'outage', 'away'), weight: 2 },
    { arbitrary: fc.constantFrom<Happening['kind']>('agentDies', 'reboot', 'flush'), weight: 2 },
  ),
  index: fc.nat({ max: 20 }),
});

const trouble: fc.Arbitrary<Trouble> = fc.record({
  call: fc.nat({ max: 80 }),
  kind: fc.constantFrom<Trouble['kind']>(
    'crashBefore',
    'crashAfter',
    'crashAfter',
    'unavailable',
    'noAnswer',
    'noAnswer',
    'refused',
    'slow',
  ),
});

const few = <T>(of: fc.Arbitrary<T>, max: number) =>
  fc.oneof(fc.constant<T[]>([]), fc.array(of, { maxLength: 2 }), fc.array(of, { maxLength: max }));

/** One experiment on four pods of which two are killed, with nothing going wrong: it passes. */
export function calmScenario(overrides: Partial<Scenario> = {}): Scenario {
  return {
    template: {
      serviceAccountName: 'default',
      hypothesis: [aProbe('p0')],
      method: [aStep('s0', { app: 'a', count: 2 })],
      safeguards: { maxTargets: 3, abortOn: ['p0'] },
      recovery: { within: '60s' },
      timeout: '10m',
    },
    facts: { s0: killFacts },
    pods: Array.from({ length: 4 }, (_, index) => ({ ...aPod(`pod-${index}`, { graceSeconds: 1 }), app: 'a' })),
    probes: { p0: { interval: 200, bad: [], minReady: 0 } },
    replacement: { after: 500, readyAfter: 500 },
    happenings: [],
    troubles: [],
    order: [0],
    lags: [0],
    podsDelay: 0,
    stubborn: 0,
    ...overrides,
  };
}

/** Random experiments on a random cluster, with random things going wrong. */
export const scenario: fc.Arbitrary<Scenario> = fc
  .record({
    method,
    probes: fc.oneof(fc.array(probe, { minLength: 1, maxLength: 2 }), fc.array(probe, { maxLength: 1 })),
    abortOn: fc.boolean(),
    maxTargets: fc.option(fc.integer({ min: 2, max: 9 }), { nil: undefined }),
    timeout: mostly('10m', '20s', '2m'),
    within: mostly('60s', '2s'),
    seed: fc.option(fc.nat({ max: 1_000 }), { nil: undefined }),
    pods: fc.oneof(fc.array(pod, { minLength: 4, maxLength: 10 }), fc.array(pod, { minLength: 1, maxLength: 10 })),
    replacement: fc.record({
      after: mostly<number | undefined>(1_000, 0, 20_000, undefined),
      readyAfter: fc.constantFrom(0, 2_000, 15_000),
    }),
    happenings: few(happening, 8),
    troubles: few(trouble, 8),
    order: fc.array(fc.nat({ max: 5 }), { maxLength: 7 }),
    lags: mostly([0], [0, 0, 2], [1, 0, 4, 0, 8], [15, 0]),
    podsDelay: mostly(0, 300, 3_000),
    stubborn: fc.constantFrom(0, 0, 0, 20_000, 150_000),
    refusals: mostly<NonNullable<Scenario['refusals']>>({}, { n0: { s0: 'it has no netem' } }),
    room: mostly<number | undefined>(undefined, 1, 2, 3, 5),
  })
  .map(({ method: planned, probes, abortOn, maxTargets, timeout, within, seed, pods, ...rest }) => {
    const hypothesis = probes.map(({ process: _process, ...each }, index) => aProbe(`p${index}`, each));
    const safeguards = {
      ...(maxTargets !== undefined && { maxTargets }),
      ...(abortOn && hypothesis.length > 0 && { abortOn: ['p0'] }),
    };
    const template: ExperimentSpec = {
      serviceAccountName: 'default',
      hypothesis,
      method: planned.map(({ step }) => step),
      safeguards,
      recovery: { within },
      timeout,
    };
    return {
      template,
      facts: Object.fromEntries(planned.map(({ step, facts }) => [step.name, facts])),
      ...(seed !== undefined && { seed }),
      pods: asPods(pods),
      probes: Object.fromEntries(probes.map(({ process }, index) => [`p${index}`, process])),
      ...rest,
    };
  });

const interference: fc.Arbitrary<Happening> = fc.record({
  at: fc.integer({ min: 0, max: 12_000 }),
  kind: fc.constantFrom<Happening['kind']>('flush', 'protect', 'deletePod', 'abort', 'halt', 'deleteRun', 'crash'),
  index: fc.nat({ max: 20 }),
});

const lostCall: fc.Arbitrary<Trouble> = fc.record({
  call: fc.integer({ min: 5, max: 40 }),
  kind: fc.constantFrom<Trouble['kind']>('crashBefore', 'crashAfter', 'noAnswer', 'refused'),
});

/** The same, but every step sets a field through the API server, and more goes wrong with that. */
export const freezing: fc.Arbitrary<Scenario> = fc
  .record({
    base: scenario,
    happenings: fc.array(interference, { maxLength: 4 }),
    troubles: fc.array(lostCall, { maxLength: 4 }),
  })
  .map(({ base: { template, facts, ...rest }, happenings, troubles }) => ({
    ...rest,
    happenings,
    troubles,
    template: { ...template, method: template.method.map(asFreeze) },
    facts: Object.fromEntries(Object.keys(facts).map((name) => [name, freezeFacts])),
  }));

function asFreeze({ name, targets: { follow: _follow, ...targets }, parallel, duration = '20s' }: Step): Step {
  return { name, targets, duration, ...(parallel && { parallel }), freeze: {} } as Step;
}
