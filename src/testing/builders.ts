import type { ExperimentSpec, HypothesisProbe, Step } from '../api/experiment.js';
import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import type { Injection, InjectionSpec, TargetState } from '../api/injection.js';
import { API_VERSION } from '../api/labels.js';
import type { InjectionObserved } from '../domain/injection-observed.js';
import type { Candidate, NodeFacts, ProbeWindow, RunObserved, StepFacts } from '../domain/observed.js';
import type { Survey } from '../domain/survey.js';
import type { WindowSummary } from '../stats/window.js';

/** Where time begins in tests: 2026-01-01T00:00:00Z, in milliseconds since the epoch. */
export const START = Date.UTC(2026, 0, 1);

/** A time of a test in the form of a status, `seconds` after `START`. */
export function at(seconds: number): string {
  return new Date(START + seconds * 1000).toISOString();
}

/** A pod that may be hit: ready, a day old, replaced when it is gone. */
export function aPod(name: string, overrides: Partial<Candidate> = {}): Candidate {
  return {
    namespace: 'shop',
    name,
    uid: `uid-${name}`,
    createdAt: START - 86_400_000,
    ready: true,
    terminating: false,
    completed: false,
    protected: false,
    managed: true,
    standIn: false,
    graceSeconds: 30,
    node: 'n0',
    running: true,
    unreachable: false,
    ...overrides,
  };
}

/** As many pods as asked for, named `pod-0`, `pod-1`, … */
export function pods(count: number, overrides: Partial<Candidate> = {}): Candidate[] {
  return Array.from({ length: count }, (_, index) => aPod(`pod-${index}`, overrides));
}

/** What a step is built from: its own fields, and those of its targets beside them. */
export type StepOverrides = Partial<Omit<Step, 'targets'>> & {
  app?: string;
  count?: number;
  percent?: number;
  minAge?: string;
  unmanaged?: boolean;
  fault?: string;
  follow?: boolean;
};

/** A step that kills one pod of the app `checkout`. */
export function aStep(name: string, overrides: StepOverrides = {}): Step {
  const {
    app = 'checkout',
    count,
    percent,
    minAge = '10s',
    unmanaged = false,
    fault = 'podKill',
    follow,
    ...own
  } = overrides;
  return {
    name,
    targets: {
      pods: { selector: { matchLabels: { app } }, minAge, unmanaged },
      ...(count !== undefined && { count }),
      ...(percent !== undefined && { percent }),
      ...(follow !== undefined && { follow }),
    },
    [fault]: {},
    ...own,
  };
}

/** A probe that must succeed in 90 % of at least three samples, in every stage. */
export function aProbe(name: string, overrides: Partial<HypothesisProbe> = {}): HypothesisProbe {
  return {
    name,
    expect: { successRate: '>= 90%' },
    stages: ['Before', 'During', 'After'],
    minSamples: 3,
    ...overrides,
  };
}

/** A template with one step and one probe. */
export function aTemplate(overrides: Partial<ExperimentSpec> = {}): ExperimentSpec {
  return {
    hypothesis: [aProbe('front')],
    serviceAccountName: 'default',
    method: [aStep('kill')],
    recovery: { within: '60s' },
    timeout: '1h',
    ...overrides,
  };
}

/** What a run is built from: its template's fields, and its own. */
export interface RunOverrides {
  template?: Partial<ExperimentSpec>;
  spec?: Partial<Omit<ExperimentRun['spec'], 'template'>>;
  metadata?: Partial<ExperimentRun['metadata']>;
  status?: RunStatus;
}

/** A run that was just created. */
export function aRun({ template, spec, metadata, status }: RunOverrides = {}): ExperimentRun {
  return {
    apiVersion: API_VERSION,
    kind: 'ExperimentRun',
    metadata: {
      name: 'lose-one',
      namespace: 'shop',
      uid: 'run-uid',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: at(0),
      ...metadata,
    },
    spec: { template: aTemplate(template), trigger: 'Manual', ...spec },
    ...(status && { status }),
  };
}

/** An injection of the run of `aRun`; `states` are those of its targets in order, undefined where nothing is recorded. */
export function anInjection(
  spec: Partial<InjectionSpec> = {},
  states: (TargetState | undefined)[] = [],
  metadata: Partial<Injection['metadata']> = {},
): Injection {
  const step = spec.step ?? 'kill';
  const targets =
    spec.targets ?? states.map((_, index) => ({ namespace: 'shop', name: `pod-${index}`, uid: `uid-pod-${index}` }));
  const known = targets.flatMap(({ uid }, index) => {
    const state = states[index];
    return state ? [{ uid, state, time: at(0) }] : [];
  });
  return {
    apiVersion: API_VERSION,
    kind: 'Injection',
    metadata: {
      name: `lose-one-${step}-api-${spec.round ?? 0}-${spec.part ?? 0}`,
      namespace: 'squall-system',
      uid: `injection-${step}-${spec.round ?? 0}-${spec.part ?? 0}`,
      resourceVersion: '1',
      creationTimestamp: at(0),
      ...metadata,
    },
    spec: {
      run: { namespace: 'shop', name: 'lose-one', uid: 'run-uid' },
      step,
      round: 0,
      part: 0,
      parts: 1,
      state: 'Apply',
      ...spec,
      targets,
    },
    ...(known.length > 0 && { status: { targets: known } }),
  };
}

/** What was measured when `samples` were taken of which `succeeded` were good. */
export function aSummary(samples: number, succeeded = samples): WindowSummary {
  return {
    samples,
    succeeded,
    ownErrors: 0,
    successRate: samples === 0 ? 0 : (100 * succeeded) / samples,
    consecutiveFailures: samples - succeeded,
  };
}

/** A window of one stage in which all samples are in. */
export function aWindow(samples: number, succeeded = samples, overrides: Partial<ProbeWindow> = {}): ProbeWindow {
  return {
    summary: aSummary(samples, succeeded),
    settled: true,
    minSamples: 3,
    samplingMilliseconds: 2_000,
    ...overrides,
  };
}

/** The facts of `podKill`. */
export const killFacts: StepFacts = {
  fault: 'podKill',
  oneShot: true,
  by: 'ApiServer',
  removesPods: true,
  disrupts: true,
};
/** The facts of a fault that lasts and goes through the API server. */
export const freezeFacts: StepFacts = {
  fault: 'freeze',
  oneShot: false,
  by: 'ApiServer',
  removesPods: false,
  disrupts: false,
};
/** The facts of a fault that lasts and is kept up by agents. */
export const slowFacts: StepFacts = { fault: 'slow', oneShot: false, by: 'Agent', removesPods: false, disrupts: false };
/** The facts of a fault that agents carry out and that has nothing to take back. */
export const stabFacts: StepFacts = { fault: 'stab', oneShot: true, by: 'Agent', removesPods: false, disrupts: true };

/** A node whose agent is there and can do everything; read a moment ago unless said otherwise. */
export function aNode(overrides: Partial<NodeFacts> = {}): NodeFacts {
  return { readAt: START, renewedAt: START, bootId: 'boot-1', refusals: {}, sidecarRefusals: {}, ...overrides };
}

/** A look at rights and safeguards that found nothing in the way, from the end of time so that it is never too old. */
export function aSurvey(overrides: Partial<Survey> = {}): Survey {
  return {
    at: Number.MAX_SAFE_INTEGER,
    missing: [],
    policies: [],
    disruptionBudgets: [],
    workloads: [],
    pods: [],
    zones: new Map(),
    namespaceLabels: {},
    ...overrides,
  };
}

/** What a decision about a run looks at; facts and pods are made up for every step unless given. */
export function anObservation(run: ExperimentRun, overrides: Partial<RunObserved> = {}): RunObserved {
  const steps = run.spec.template.method;
  const facts: Record<string, StepFacts> = Object.fromEntries(steps.map(({ name }) => [name, killFacts]));
  return {
    run,
    facts,
    problems: [],
    halts: [],
    candidates: Object.fromEntries(steps.map(({ name }) => [name, pods(4)])),
    injections: [],
    nodes: new Map(),
    survey: aSurvey(),
    reservations: [],
    windows: {},
    ...overrides,
  };
}

/** What a decision about an injection of a live run looks at; every target is there and nothing was attempted. */
export function anInjectionObserved(
  injection: Injection,
  overrides: Partial<InjectionObserved> = {},
): InjectionObserved {
  const alive = injection.spec.targets.map(({ uid }) => [uid, { terminating: false, protected: false }] as const);
  return {
    injection,
    fault: 'podKill',
    oneShot: true,
    shows: false,
    runIsLive: true,
    stopping: false,
    present: new Map(alive),
    prepared: new Map(),
    outcomes: new Map(),
    undone: new Map(),
    sightings: new Map(),
    certain: true,
    ...overrides,
  };
}
