import { type Condition, conditions } from './conditions.js';
import { type ExperimentSpec, type ProbeStage, probeStages } from './experiment.js';
import { evidence, progress } from './injection.js';
import type { Kind, Resource } from './kind.js';
import { type Reason, reasons, type Verdict, verdicts } from './reasons.js';
import {
  boolean,
  defaulted,
  enumeration,
  type Infer,
  integer,
  list,
  number,
  object,
  optional,
  type Schema,
  string,
  time,
} from './schema.js';

/** The stages of a run, in order. Derived for people; the conditions are the truth. */
export const runStages = [
  'Admitted',
  'Baseline',
  'Injecting',
  'Holding',
  'Reverting',
  'Recovering',
  'Finished',
] as const;
/** Where a run is. */
export type RunStage = (typeof runStages)[number];

/** Where a step of a run is. */
export const stepStates = ['Waiting', 'Injecting', 'Holding', 'Reverting', 'Done', 'Skipped'] as const;
/** Where a step is. */
export type StepState = (typeof stepStates)[number];

/** The conditions of a run, in the order in which they appear, and what each says. */
export const runConditions = {
  TargetsSelected: '`True` once the targets of every step are drawn and recorded; `False` when nothing could be drawn.',
  BaselineHeld:
    '`True` once every probe held before the fault; `False` when one did not, and then nothing is injected.',
  Injected: '`True` once every step was confirmed on its targets; `False` while that is not so.',
  Reverted:
    '`False` while faults are being taken back; `True` once nothing is left of them; `Unknown` when that could not be proven in time.',
  Recovered: '`True` once the steady state was back; `False` when it was not back in time.',
  Succeeded: '`True` when the run passed, `False` when it failed, `Unknown` when it could not tell. Set once finished.',
} as const;
/** The type of a condition of a run. */
export type RunCondition = keyof typeof runConditions;

/** The 20 steps that a method may have, and one that goes along with each. */
const MAX_STEPS = 40;

const maxSafe = Number.MAX_SAFE_INTEGER;
const count = (description: string) => integer(description, { min: 0, max: 0x7fffffff });

/** The schema of `ExperimentRun.spec`, given that of an experiment's spec. */
export function runSpec(template: Schema) {
  return object(
    'spec of the run. Nothing of it can change but `abort`, which may be set once.',
    {
      template: template as Schema<ExperimentSpec, true>,
      seed: optional(
        integer(
          "seed of the draw of targets: the same seed and candidates give the same targets. Left out: taken from the run's UID.",
          {
            min: 0,
            max: maxSafe,
          },
        ),
      ),
      trigger: defaulted(
        enumeration(
          'trigger says who started the run: `Manual` for a person, `Command` for `squall run`, `Schedule` for the schedule of its experiment, `RunNow` for the annotation squall.dev/run-now. Default `Manual`.',
          ['Manual', 'Command', 'Schedule', 'RunNow'],
        ),
        'Manual',
      ),
      scheduledTime: optional(time('scheduledTime is the due time that the run was started for.')),
      abort: optional(
        object('abort ends the run: the fault is taken back and the verdict is Aborted. May be set once.', {
          reason: string('reason for people.', { max: 512, min: 1 }),
          superseded: optional(
            boolean('superseded says that a newer run of the same experiment takes its place. Default false.'),
          ),
        }),
      ),
    },
    [
      { rule: 'self.template == oldSelf.template', message: 'must not be changed', fieldPath: '.template' },
      {
        rule: 'has(self.seed) == has(oldSelf.seed) && (!has(self.seed) || self.seed == oldSelf.seed)',
        message: '`seed` must not be changed',
      },
      { rule: 'self.trigger == oldSelf.trigger', message: 'must not be changed', fieldPath: '.trigger' },
      {
        rule: '!has(oldSelf.abort) || (has(self.abort) && self.abort == oldSelf.abort)',
        message: '`abort` may be set once and not be taken back',
      },
    ],
  );
}

/** `ExperimentRun.spec`. */
export interface RunSpec {
  template: ExperimentSpec;
  seed?: number;
  trigger: 'Manual' | 'Command' | 'Schedule' | 'RunNow';
  scheduledTime?: string;
  abort?: { reason: string; superseded?: boolean };
}

const removed = object('removed counts the pods that each filter took out, in this order; each pod counts once.', {
  terminating: count('terminating pods are being deleted.'),
  completed: count('completed pods have ended.'),
  notReady: count('notReady pods are not Ready.'),
  tooYoung: count('tooYoung pods were created less than `minAge` ago.'),
  protected: count(
    "protected pods are in a protected namespace, carry the label squall.dev/protected, or are Squall's own.",
  ),
  unmanaged: count('unmanaged pods would not be replaced and `unmanaged` is not set.'),
  controlPlane: optional(count('controlPlane nodes are not hit unless they are named.')),
  controllerNode: optional(
    count('controllerNode is the node that the controller runs on, which is not hit unless it is named.'),
  ),
  lastReady: optional(count('lastReady nodes would leave the cluster without a Ready node.')),
  rollingOut: optional(count('rollingOut workloads have a rollout in progress.')),
  unsuitable: optional(
    count('unsuitable targets can not carry the fault, such as a workload that an autoscaler scales.'),
  ),
  inUse: optional(count('inUse targets are held by another run.')),
  notAllowed: optional(count('notAllowed targets lack the label squall.dev/allowed, which a SafetyPolicy asks for.')),
  unreachable: count('unreachable pods use the network of their node or are static: no agent puts a fault on them.'),
});

/** How many pods each filter took out. */
export type Removed = Infer<typeof removed>;

const selection = list(
  'selection says what was drawn for each step, recorded before anything was hit.',
  object('The draw of one step.', {
    step: string('step is its name.', { max: 63 }),
    matched: count("matched is how many pods the step's targets name."),
    removed,
    candidates: count('candidates is how many were left to draw from.'),
    chosen: count('chosen is how many were drawn.'),
    readyBefore: count('readyBefore is how many matched pods were Ready.'),
    standIns: count('standIns is how many of the chosen are stand-ins of an embedded cluster that only sleep.'),
    digest: string('digest (sha256) over the UIDs of the chosen.', { max: 80 }),
  }),
  { max: MAX_STEPS, key: 'step' },
);

const steps = list(
  'steps says how far each step of the method is.',
  object('One step.', {
    name: string('name of the step.', { max: 63 }),
    fault: string('fault that is injected.', { max: 63 }),
    state: enumeration('state of the step.', stepStates),
    rounds: count('rounds is how often the fault was drawn and applied; more than one with `repeatEvery`.'),
    targets: count('targets is how many different targets were meant to be hit.'),
    hit: count('hit is how many took the fault.'),
    effective: count('effective is how many show the effect.'),
    names: optional(
      list('names of the first 100 targets that were hit.', string('The name of a target.', { max: 253 }), {
        max: 100,
      }),
    ),
    drifts: optional(
      count('drifts is how often the fault was found to have vanished on a target while it was wanted.'),
    ),
    evidence: optional(evidence),
    progress: optional(progress),
    message: optional(string('message says what is worth knowing, such as why fewer were hit.', { max: 1024 })),
    startTime: optional(time('startTime is when the fault was asked for.')),
    confirmedTime: optional(
      time('confirmedTime is when the fault was confirmed on its targets; the duration counts from here.'),
    ),
    roundTime: optional(time('roundTime is when the last round was asked for.')),
    endTime: optional(time('endTime is when the step ended and its fault was taken back.')),
  }),
  { max: MAX_STEPS, key: 'name' },
);

const stageResult = object('What the samples of one stage say.', {
  stage: enumeration('stage of the samples.', probeStages),
  samples: count('samples that counted.'),
  ownErrors: count(
    'ownErrors are samples that failed on our side, such as those sent more than 10 ms late; they count neither way.',
  ),
  successRate: optional(number('successRate from 0 to 100.')),
  latencyP50Milliseconds: optional(number('latencyP50Milliseconds is the median latency.')),
  latencyP95Milliseconds: optional(number('latencyP95Milliseconds is the 95th percentile.')),
  latencyP99Milliseconds: optional(number('latencyP99Milliseconds is the 99th percentile.')),
  consecutiveFailures: count('consecutiveFailures is the longest row of failures.'),
  held: optional(boolean('held says whether the expectation was met; missing while there are too few samples.')),
  message: optional(string('message names what was violated, or the last failure.', { max: 1024 })),
});

/** What the samples of one stage say. */
export type StageResult = Infer<typeof stageResult>;

const probes = list(
  'probes says what was measured.',
  object('One probe.', {
    name: string('name of the probe.', { max: 63 }),
    stages: list('stages measured so far.', stageResult, { max: 3, key: 'stage' }),
  }),
  { max: 20, key: 'name' },
);

const findings = list(
  'findings are all the things that speak against a pass. The verdict is that of the gravest; the others stay visible here.',
  object('One thing that was found.', {
    reason: enumeration('reason in one word.', Object.keys(reasons) as Reason[]),
    message: string('message for people.', { max: 1024 }),
  }),
  { max: 20 },
);

const runStatus = object('status of the run, written by the controller.', {
  stage: optional(enumeration('stage for people; the conditions are the truth.', runStages)),
  verdict: optional(enumeration('verdict, once finished.', verdicts)),
  reason: optional(enumeration('reason of the verdict.', Object.keys(reasons) as Reason[])),
  message: optional(string('message says the verdict in a sentence, or what the run is doing.', { max: 2048 })),
  observedGeneration: optional(
    integer('observedGeneration is the generation last acted on.', { min: 0, max: maxSafe }),
  ),
  seed: optional(integer('seed the targets were drawn with; `spec.seed` repeats it.', { min: 0, max: maxSafe })),
  startTime: optional(time('startTime of the run, in API-server time.')),
  stageTime: optional(time('stageTime is when the current stage began.')),
  revertedTime: optional(time('revertedTime is when the last fault had ended; recovery counts from here.')),
  finishTime: optional(time('finishTime of the run.')),
  recoverySeconds: optional(number('recoverySeconds from the end of the last fault until the steady state was back.')),
  selection: optional(selection),
  steps: optional(steps),
  probes: optional(probes),
  findings: optional(findings),
  conditions: optional(conditions),
});

/** `ExperimentRun.status`. */
export interface RunStatus extends Omit<Infer<typeof runStatus>, 'conditions'> {
  conditions?: Condition[];
  verdict?: Verdict;
  reason?: Reason;
}

/** One draw in a run's status. */
export type Selection = NonNullable<RunStatus['selection']>[number];
/** One step in a run's status. */
export type StepStatus = NonNullable<RunStatus['steps']>[number];
/** One probe in a run's status. */
export type ProbeStatus = NonNullable<RunStatus['probes']>[number];
/** One finding in a run's status. */
export type Finding = NonNullable<RunStatus['findings']>[number];
export type { ProbeStage };

/** An ExperimentRun as read from the API server. */
export type ExperimentRun = Resource<RunSpec, RunStatus>;

/** The ExperimentRun kind, given the schema of its spec. */
export function runKind(spec: Schema, check: Kind['check']): Kind {
  return {
    kind: 'ExperimentRun',
    plural: 'experimentruns',
    shortNames: ['sqr'],
    scope: 'Namespaced',
    summary: 'An ExperimentRun is one execution of an experiment, and its result.',
    maxNameLength: 63,
    spec,
    status: runStatus,
    conditions: runConditions,
    columns: [
      { name: 'Verdict', type: 'string', jsonPath: '.status.verdict', description: 'Verdict of the run.' },
      { name: 'Reason', type: 'string', jsonPath: '.status.reason', description: 'Why.' },
      { name: 'Stage', type: 'string', jsonPath: '.status.stage', description: 'Where the run is.' },
      { name: 'Recovery', type: 'number', jsonPath: '.status.recoverySeconds', description: 'Seconds to recover.' },
      {
        name: 'Message',
        type: 'string',
        jsonPath: '.status.message',
        description: 'The result in a sentence.',
        wide: true,
      },
    ],
    check,
  };
}
