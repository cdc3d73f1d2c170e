import { driftReactions } from './experiment.js';
import type { Member } from './fault-member.js';
import type { Kind, Resource } from './kind.js';
import type { Schema } from './schema.js';
import {
  boolean,
  enumeration,
  exactlyOne,
  type Infer,
  integer,
  list,
  object,
  optional,
  string,
  time,
} from './schema.js';
import { workloadKinds } from './targets.js';

/** At most this many targets stand in one Injection, so that its status stays far below etcd's limit. */
export const MAX_TARGETS_PER_INJECTION = 100;

const count = (description: string) => integer(description, { min: 0, max: Number.MAX_SAFE_INTEGER });

const target = object('One target.', {
  kind: optional(enumeration('kind of the target. Left out: `Pod`.', ['Pod', 'Node', ...workloadKinds])),
  namespace: string('namespace of the target; empty for a node.', { max: 63 }),
  name: string('name of the target.', { max: 253 }),
  uid: string('uid of the target; another object of the same name is never hit.', { max: 36 }),
  node: optional(string('node that the target was on when it was drawn, which budgets count it to.', { max: 253 })),
  zone: optional(string('zone of that node.', { max: 63 })),
  workload: optional(string('workload that the target belongs to, as `Deployment/web`.', { max: 320 })),
});

/** One object that a fault is meant for. */
export type Target = Infer<typeof target>;

/** Who carries out a fault inside of pods. */
export const agents = ['Node', 'Sidecar'] as const;
/** Who carries out a fault inside of pods: the agent of the pod's node, or an ephemeral container in the pod. */
export type Agent = (typeof agents)[number];

/** Why an agent took everything back though it was still wanted. */
export const endings = ['ControllerLost', 'FaultLost'] as const;

/** How far an injection is wanted: only ever forward. */
export const injectionStates = ['Pending', 'Apply', 'Revert'] as const;
/** How far an injection is wanted. */
export type InjectionState = (typeof injectionStates)[number];

/**
 * How far a fault is on one target. `Applying` is the intent, recorded before the effect; `Confirmed` means the API
 * server or agent took it; `Effective` means it was seen to have happened; `Missed` targets were never hit: gone before any
 * effect, or the fault was taken back first; `Refused` ones were not touched, for they can't carry the fault; `Reverted`
 * means the effect is proven gone.
 */
export const targetStates = ['Applying', 'Confirmed', 'Effective', 'Missed', 'Refused', 'Failed', 'Reverted'] as const;
/** How far a fault is on one target. */
export type TargetState = (typeof targetStates)[number];

/** Whether it is known for certain that nothing of the fault is on a target in this state, nor will be. */
export function isCertainlyOff(state: TargetState | undefined): boolean {
  return state === 'Missed' || state === 'Refused' || state === 'Reverted';
}

/** The schema of {@link Evidence}. */
export const evidence = object('What shows that the fault is on, counted since it was applied.', {
  packets: optional(count('packets that met the fault.')),
  bytes: optional(count('bytes of these packets.')),
  exempted: optional(count('exempted packets were spared, such as probes of the kubelet.')),
  processes: optional(count('processes that were signalled or are stopped.')),
  connections: optional(count('connections that went through the userspace proxy.')),
  connectionsCut: optional(count('connectionsCut is how many the proxy had to close when the fault ended.')),
});

/** What shows that a fault is on. All counts are since it was applied. */
export type Evidence = Infer<typeof evidence>;

/** The schema of {@link Progress}. */
export const progress = object('progress of a fault that takes its time, such as a drain.', {
  done: count('done is how many pods are gone.'),
  total: count('total is how many were to go.'),
  refused: count('refused is how many of them a disruption budget has held back.'),
  spared: optional(count('spared is how many more would have gone, but are protected.')),
  waiting: optional(string('waiting says what is waited for, such as the pod that is held back.', { max: 256 })),
});

/** How far a fault is that takes its time. */
export type Progress = Infer<typeof progress>;

const targetStatus = object('How far the fault is on one target.', {
  uid: string('uid of the target.', { max: 36 }),
  state: enumeration('state of the fault on this target.', targetStates),
  time: time('time the state was entered.'),
  message: optional(string('message for people.', { max: 256 })),
  effective: optional(boolean('effective says that the fault was seen to take effect, also after it was taken back.')),
  evidence: optional(evidence),
  undo: optional(
    string(
      'undo is what was there before, as JSON, recorded before the effect; what takes the fault back restores it.',
      { max: 8192 },
    ),
  ),
  progress: optional(progress),
  conflict: optional(
    string('conflict says what somebody else changed during the fault, and that it was left as it is.', { max: 256 }),
  ),
  drifts: optional(count('drifts is how often the fault was found to have vanished while it was wanted.')),
});

/** How far a fault is on one target. */
export type TargetStatus = Infer<typeof targetStatus>;

const index = (description: string) => integer(description, { min: 0, max: 100_000 });

/** The fields all injections share; the fault stands beside them under its own name. */
const injectionFields = {
  run: object('run that this injection belongs to.', {
    namespace: string('namespace of the run.', { max: 63 }),
    name: string('name of the run.', { max: 253 }),
    uid: string('uid of the run.', { max: 36 }),
  }),
  step: string("step of the run's method.", { max: 63 }),
  agent: optional(
    enumeration('agent that carries out the fault; left out: the controller does, through the API server.', agents),
  ),
  node: optional(string('node of all targets, when an agent carries out the fault.', { max: 253 })),
  bootId: optional(
    string('bootId of the node; once the node has another one, nothing of the fault can be left on it.', { max: 64 }),
  ),
  duration: optional(
    string('duration the step holds the fault, such as `5m`; a sidecar ends it by itself after that.', { max: 20 }),
  ),
  onDrift: optional(
    enumeration('onDrift says what to do when the fault has vanished; left out: `Reapply`.', driftReactions),
  ),
  round: index('round of the step: 0, and more with `repeatEvery` or when targets had to be replaced.'),
  part: index('part of the round, from 0.'),
  parts: index('parts the round was split into, each with at most 100 targets.'),
  state: enumeration('state that is wanted; it only ever moves from Pending to Apply to Revert.', injectionStates),
  targets: list('targets, at most 100.', target, { max: MAX_TARGETS_PER_INJECTION, min: 1 }),
};

const injectionStatus = object('status, written by whoever applies the fault.', {
  ended: optional(
    object('ended says that the agent took everything back before it was asked to; that is final.', {
      reason: enumeration('reason in one word.', endings),
      message: string('message for people.', { max: 256 }),
    }),
  ),
  targets: optional(
    list('targets says how far the fault is on each.', targetStatus, { max: MAX_TARGETS_PER_INJECTION, key: 'uid' }),
  ),
});

/** That an agent took everything back before it was asked to. */
export interface Ended {
  reason: (typeof endings)[number];
  message: string;
}

/** `Injection.spec`; the fault stands beside these fields under its own name. */
export type InjectionSpec = Infer<ReturnType<typeof specOf>>;
const specOf = () => object('', injectionFields);

/** `Injection.status`. */
export interface InjectionStatus {
  ended?: Ended;
  targets?: TargetStatus[];
}

/** An Injection as read from the API server. */
export type Injection = Resource<InjectionSpec, InjectionStatus>;

/** The Injection kind, given the faults that work. */
export function injectionKind(faults: readonly Member[]): Kind {
  const fields: Record<string, Schema> = { ...injectionFields };
  for (const fault of faults) fields[fault.name] = optional(fault.schema as Schema<unknown, true>);
  return {
    kind: 'Injection',
    plural: 'injections',
    shortNames: ['sqi'],
    scope: 'Namespaced',
    summary:
      "An Injection is one step's fault on up to 100 targets: the unit that is applied and taken back. Written by the controller only.",
    maxNameLength: 253,
    spec: object('spec of the injection. Only `state` can change.', fields, [
      exactlyOne(
        faults.map((fault) => fault.name),
        'the fault',
      ),
      {
        rule: "oldSelf.state == self.state || (oldSelf.state == 'Pending') || (oldSelf.state == 'Apply' && self.state == 'Revert')",
        message: 'must only move from Pending to Apply to Revert',
        fieldPath: '.state',
      },
      { rule: 'self.targets == oldSelf.targets', message: 'must not be changed', fieldPath: '.targets' },
      { rule: 'self.run == oldSelf.run', message: 'must not be changed', fieldPath: '.run' },
      {
        rule: 'self.step == oldSelf.step && self.round == oldSelf.round && self.part == oldSelf.part && self.parts == oldSelf.parts',
        message: '`step`, `round`, `part` and `parts` must not be changed',
      },
      ...['agent', 'node', 'bootId', 'duration', 'onDrift'].map((name) => ({
        rule: `has(self.${name}) == has(oldSelf.${name}) && (!has(self.${name}) || self.${name} == oldSelf.${name})`,
        message: `\`${name}\` must not be changed`,
      })),
      ...faults.map(({ name }) => ({
        rule: `has(self.${name}) == has(oldSelf.${name}) && (!has(self.${name}) || self.${name} == oldSelf.${name})`,
        message: `\`${name}\` must not be changed`,
      })),
    ]),
    status: injectionStatus,
    columns: [
      { name: 'State', type: 'string', jsonPath: '.spec.state', description: 'What is wanted.' },
      { name: 'Run', type: 'string', jsonPath: '.spec.run.name', description: 'The run it belongs to.' },
      { name: 'Step', type: 'string', jsonPath: '.spec.step', description: 'The step of the run.' },
    ],
  };
}
