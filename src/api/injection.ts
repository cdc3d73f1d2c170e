import type { Member } from './experiment.js';
import type { Kind, Resource } from './kind.js';
import type { Schema } from './schema.js';
import { enumeration, exactlyOne, type Infer, integer, list, object, optional, string, time } from './schema.js';

/** At most this many targets stand in one Injection, so that its status stays far below etcd's limit. */
export const MAX_TARGETS_PER_INJECTION = 100;

const target = object('One pod.', {
  namespace: string('namespace of the pod.', { max: 63 }),
  name: string('name of the pod.', { max: 253 }),
  uid: string('uid of the pod; a pod of the same name with another uid is never hit.', { max: 36 }),
});

/** One pod that a fault is meant for. */
export type Target = Infer<typeof target>;

/** How far an injection is wanted: only ever forward. */
export const injectionStates = ['Pending', 'Apply', 'Revert'] as const;
/** How far an injection is wanted. */
export type InjectionState = (typeof injectionStates)[number];

/**
 * How far a fault is on one target. `Applying` is the intent, recorded before the effect; `Confirmed` means the API
 * server or agent took it; `Effective` means it was seen to have happened; `Missed` targets were never hit: gone before any
 * effect, or the fault was taken back first; `Reverted` means the effect is proven gone.
 */
export const targetStates = ['Applying', 'Confirmed', 'Effective', 'Missed', 'Failed', 'Reverted'] as const;
/** How far a fault is on one target. */
export type TargetState = (typeof targetStates)[number];

const targetStatus = object('How far the fault is on one target.', {
  uid: string('uid of the target.', { max: 36 }),
  state: enumeration('state of the fault on this target.', targetStates),
  time: time('time the state was entered.'),
  message: optional(string('message for people.', { max: 256 })),
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
  round: index('round of the step: 0, and more with `repeatEvery` or when targets had to be replaced.'),
  part: index('part of the round, from 0.'),
  parts: index('parts the round was split into, each with at most 100 targets.'),
  state: enumeration('state that is wanted; it only ever moves from Pending to Apply to Revert.', injectionStates),
  targets: list('targets, at most 100.', target, { max: MAX_TARGETS_PER_INJECTION, min: 1 }),
};

const injectionStatus = object('status, written by whoever applies the fault.', {
  targets: optional(
    list('targets says how far the fault is on each.', targetStatus, { max: MAX_TARGETS_PER_INJECTION, key: 'uid' }),
  ),
});

/** `Injection.spec`; the fault stands beside these fields under its own name. */
export type InjectionSpec = Infer<ReturnType<typeof specOf>>;
const specOf = () => object('', injectionFields);

/** `Injection.status`. */
export interface InjectionStatus {
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
