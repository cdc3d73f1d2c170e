import { type Condition, conditions } from './conditions.js';
import { expectation } from './expectation.js';
import { type FaultMember, faultRules, type Member } from './fault-member.js';
import type { Kind, Resource } from './kind.js';
import { type Safeguards, safeguards, stepSafeguards } from './safeguards.js';
import { type History, history, type Schedule, schedule } from './schedule.js';
import {
  boolean,
  defaulted,
  duration,
  enumeration,
  exactlyOne,
  type Fields,
  type Infer,
  integer,
  list,
  object,
  optional,
  type Rule,
  type Schema,
  string,
  time,
} from './schema.js';
import { targets } from './targets.js';

/** A DNS label (RFC 1123), as Kubernetes wants for names that become parts of other names. */
export const dnsLabel = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';

/** The three stages in which probes are judged. */
export const probeStages = ['Before', 'During', 'After'] as const;
/** `Before` the fault, `During` it, and `After` the last revert. */
export type ProbeStage = (typeof probeStages)[number];

/** Who may carry out a fault inside of pods. */
export const agentChoices = ['Node', 'Sidecar', 'Auto'] as const;
/** What to do about a fault that has vanished. */
export const driftReactions = ['Reapply', 'End'] as const;

const stepFields = {
  name: string('name of the step, unique in the method; it becomes part of the names of injections.', {
    max: 40,
    min: 1,
    pattern: dnsLabel,
  }),
  targets,
  duration: optional(
    duration(
      'duration the fault is held, counted from its confirmation on the targets. Left out: a one-shot fault is held until as many pods are Ready as before, at most 30s.',
    ),
  ),
  agent: optional(
    enumeration(
      'agent that carries out the fault, for faults inside of pods: `Node` for the agent of the DaemonSet, `Sidecar` for an ephemeral container in the pod, `Auto` for the node agent where there is one that can, else the sidecar. Left out: `Auto`.',
      agentChoices,
    ),
  ),
  onDrift: optional(
    enumeration(
      'onDrift says what to do when a fault that was on has vanished, such as with a restarted container: `Reapply` it, or `End` the step, which makes the run Inconclusive. Left out: `Reapply`.',
      driftReactions,
    ),
  ),
  safeguards: optional(stepSafeguards),
  parallel: optional(
    boolean(
      'parallel starts this step together with the step before it. Default false: it starts when that one has ended.',
    ),
  ),
} satisfies Fields;

const hypothesisFields = {
  name: string('name of the probe, unique in the hypothesis.', { max: 63, min: 1, pattern: dnsLabel }),
  expect: expectation,
  stages: defaulted(
    list('stages in which the probe is judged. Default: all three.', enumeration('A stage.', probeStages), {
      max: 3,
      min: 1,
      set: true,
    }),
    [...probeStages],
  ),
  minSamples: optional(
    integer(
      'minSamples a stage needs before it is judged; with fewer it is never a pass. Default 30 for `http`, 3 for `resource`.',
      {
        min: 1,
        max: 100_000,
      },
    ),
  ),
} satisfies Fields;

function union(members: readonly Member[]): Fields {
  return Object.fromEntries(members.map((member) => [member.name, optional(member.schema as Schema<unknown, true>)]));
}

function memberRules(members: readonly Member[]): Rule[] {
  return members.flatMap((member) => member.rules ?? []);
}

const names = (members: readonly Member[]) => members.map((member) => member.name);

/** The schema of `Experiment.spec`, given the faults and probes that work. */
export function experimentSpec(faults: readonly FaultMember[], probes: readonly Member[]) {
  const probe = object('A probe and what is expected of it.', { ...hypothesisFields, ...union(probes) }, [
    exactlyOne(names(probes), 'what to probe'),
    {
      rule: '!has(self.expect.that) || has(self.resource)',
      message: '`expect.that` may only be given when `resource` is',
    },
    ...memberRules(probes),
  ]);
  const step = object('One fault on one set of targets.', { ...stepFields, ...union(faults) }, [
    exactlyOne(names(faults), 'what fault to inject'),
    ...faultRules(faults),
    ...memberRules(faults),
  ]);
  return object(
    'spec of the experiment. It can be edited at any time; the next run takes it.',
    {
      description: optional(string('description says in a sentence what is believed to hold.', { max: 1024 })),
      serviceAccountName: defaulted(
        string(
          "serviceAccountName of the run's namespace whose rights decide what the experiment may do: every fault and probe is asked for in its name. Default `default`.",
          { max: 253, min: 1, pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$' },
        ),
        'default',
      ),
      schedule: optional(schedule),
      history: optional(history),
      hypothesis: optional(
        list(
          'hypothesis is the steady state: probes and what is expected of them. Without one no run can pass.',
          probe,
          {
            max: 20,
            key: 'name',
          },
        ),
      ),
      method: list('method is the faults to inject, in order.', step, { max: 20, min: 1, key: 'name' }),
      safeguards: optional(safeguards),
      recovery: defaulted(
        object('recovery says how soon the steady state must be back.', {
          within: defaulted(
            duration('within is how long after the last revert the steady state must be back. Default 60s.'),
            '60s',
          ),
        }),
        { within: '60s' },
      ),
      timeout: defaulted(
        duration(
          'timeout from the start of the run to the end of the fault; then everything is taken back. Default 1h.',
        ),
        '1h',
      ),
    },
    [
      {
        rule: '!has(self.safeguards) || !has(self.safeguards.abortOn) || self.safeguards.abortOn.all(name, has(self.hypothesis) && self.hypothesis.exists(probe, probe.name == name))',
        message: 'must name probes of `hypothesis`',
        fieldPath: '.safeguards.abortOn',
      },
      {
        rule: 'self.method.size() == 0 || !has(self.method[0].parallel) || !self.method[0].parallel',
        message: 'the first step has no step before it to be `parallel` with',
        fieldPath: '.method',
      },
    ],
  );
}

/** One step: the fields all steps share; the fault stands beside them under its own name. */
export type Step = { [K in keyof StepBase]: StepBase[K] } & {
  /** The step whose targets it goes along with: it was made for a fault that is composed of several, and is in no manifest. */
  companionOf?: string;
};
type StepBase = Infer<ReturnType<typeof stepObject>>;
const stepObject = () => object('', stepFields);

/** One probe: the fields all probes share; what is probed stands beside them under its own name. */
export type HypothesisProbe = { [K in keyof ProbeBase]: ProbeBase[K] };
type ProbeBase = Infer<ReturnType<typeof probeObject>>;
const probeObject = () => object('', hypothesisFields);

/** `Experiment.spec` as the API server returns it, with every default filled in. */
export interface ExperimentSpec {
  description?: string;
  serviceAccountName: string;
  schedule?: Schedule;
  history?: History;
  hypothesis?: HypothesisProbe[];
  method: Step[];
  safeguards?: Safeguards;
  recovery: { within: string };
  timeout: string;
}

const experimentStatus = object('status of the experiment, written by the controller.', {
  observedGeneration: optional(
    integer('observedGeneration is the generation that `conditions` describe.', {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    }),
  ),
  conditions: optional(conditions),
  nextRunTime: optional(
    time(
      'nextRunTime is when the schedule starts the next run, jitter, windows and freezes included. Missing: never, or not while it is suspended or everything is halted.',
    ),
  ),
  lastScheduleTime: optional(
    time('lastScheduleTime is the latest due time that a run was started for or that was missed.'),
  ),
  missedRuns: optional(
    integer('missedRuns counts due times for which no run was started, since the experiment exists.', {
      min: 0,
      max: 0x7fffffff,
    }),
  ),
  lastMissed: optional(
    object('lastMissed is the latest due time for which no run was started.', {
      dueTime: time('dueTime that was missed.'),
      message: string('message says why.', { max: 1024 }),
    }),
  ),
  schedule: optional(
    object('schedule is what the controller goes on from. Missing while no run is started by a schedule.', {
      rhythm: string('rhythm that due times are counted by; when the one in `spec` differs, it counts from now on.', {
        max: 256,
      }),
      nextDueTime: optional(time('nextDueTime is the first due time that is not dealt with, without jitter.')),
    }),
  ),
  lastRunNow: optional(
    string('lastRunNow is the value of the annotation squall.dev/run-now that a run was started for last.', {
      max: 256,
    }),
  ),
  active: optional(
    list('active names the runs that are under way.', string('The name of a run.', { max: 253 }), {
      max: 100,
      set: true,
    }),
  ),
  lastRun: optional(
    object('lastRun is the run that finished last.', {
      name: string('name of the run.', { max: 253 }),
      verdict: string('verdict of the run.', { max: 32 }),
      reason: string('reason of the verdict.', { max: 64 }),
      finishTime: time('finishTime of the run.'),
    }),
  ),
});

/** `Experiment.status`. */
export interface ExperimentStatus {
  observedGeneration?: number;
  conditions?: Condition[];
  nextRunTime?: string;
  lastScheduleTime?: string;
  missedRuns?: number;
  lastMissed?: { dueTime: string; message: string };
  schedule?: { rhythm: string; nextDueTime?: string };
  lastRunNow?: string;
  active?: string[];
  lastRun?: { name: string; verdict: string; reason: string; finishTime: string };
}

/** An Experiment as read from the API server. */
export type Experiment = Resource<ExperimentSpec, ExperimentStatus>;

/** The conditions of an experiment, and what each says. */
export const experimentConditions = {
  Ready: '`True` when the experiment is valid and can be run. Never the last verdict: a failed run leaves it `True`.',
  Scheduled:
    '`True` while the schedule starts runs; `False` with the reason while it does not, such as `Suspended`, `Halted`, `NeverDue` or `Waiting` for `startWhen`. Missing without a schedule.',
  RunNowWaiting:
    '`True` while a run that the annotation squall.dev/run-now asks for waits, such as for the end of another; otherwise missing.',
} as const;

/** The Experiment kind, given the schema of its spec. */
export function experimentKind(spec: Schema, check: Kind['check']): Kind {
  return {
    kind: 'Experiment',
    plural: 'experiments',
    // `exp` belongs to Argo Rollouts.
    shortNames: ['sqe'],
    scope: 'Namespaced',
    summary: 'An Experiment says what is believed to hold, which faults to inject, and within which bounds.',
    maxNameLength: 52,
    spec,
    status: experimentStatus,
    conditions: experimentConditions,
    columns: [
      { name: 'Verdict', type: 'string', jsonPath: '.status.lastRun.verdict', description: 'Verdict of the last run.' },
      { name: 'Reason', type: 'string', jsonPath: '.status.lastRun.reason', description: 'Why.' },
      {
        name: 'Next-Run',
        type: 'string',
        jsonPath: '.status.nextRunTime',
        description: 'When the schedule runs it next.',
      },
      { name: 'Last-Run', type: 'date', jsonPath: '.status.lastRun.finishTime', description: 'When it finished.' },
      {
        name: 'Ready',
        type: 'string',
        jsonPath: '.status.conditions[?(@.type=="Ready")].status',
        description: 'Whether the experiment is valid.',
      },
      {
        name: 'Description',
        type: 'string',
        jsonPath: '.spec.description',
        description: 'What is believed.',
        wide: true,
      },
    ],
    check,
  };
}
