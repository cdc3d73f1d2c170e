import { freezes, windows } from './calendar.js';
import type { Kind, Resource } from './kind.js';
import { stepSafeguards } from './safeguards.js';
import { boolean, enumeration, type Infer, integer, list, object, optional, string } from './schema.js';
import { labelSelector } from './selector.js';

const spec = object('spec of the policy. Several policies add up; the strictest wins.', {
  halt: optional(
    object('halt stops every run, takes every fault back, and keeps new runs from starting while it is there.', {
      reason: string('reason for people.', { max: 512, min: 1 }),
    }),
  ),
  protectedNamespaces: optional(
    list(
      "protectedNamespaces are never hit, in addition to kube-system and Squall's own.",
      string('The name of a namespace.', { max: 63, min: 1 }),
      { max: 256, set: true },
    ),
  ),
  protectedLabels: optional(
    list(
      'protectedLabels are selectors of pods, nodes and workloads that are never hit, in addition to those with the label squall.dev/protected.',
      labelSelector('A selector of labels.'),
      { max: 20, min: 1 },
    ),
  ),
  onlyAllowed: optional(
    boolean(
      'onlyAllowed admits only targets that carry the label squall.dev/allowed with the value `true`, or whose namespace does. Default false: all but what is protected.',
    ),
  ),
  faults: optional(
    list(
      'faults are the only ones that may be injected, by their field, such as `podKill`. Left out: all.',
      string('The name of a fault.', { max: 63, min: 1 }),
      { max: 100, min: 1, set: true },
    ),
  ),
  budgets: optional(
    list(
      'budgets bound how many different targets all runs together may hit at the same time.',
      object('One budget.', {
        per: enumeration(
          'per says what each has a budget of its own: every `Namespace`, `Node` or `Zone`, or the whole `Cluster`.',
          ['Namespace', 'Node', 'Zone', 'Cluster'],
        ),
        maxTargets: integer('maxTargets at the same time; with 0 nothing may be hit.', { min: 0, max: 100_000 }),
      }),
      { max: 4, min: 1, key: 'per' },
    ),
  ),
  safeguards: optional(stepSafeguards),
  windows: optional(windows('windows are when runs may start; outside of them a run is refused. Left out: always.')),
  freezes: optional(freezes('freezes are days on which no run may start. Left out: none.')),
});

/** `SafetyPolicy.spec`. */
export type SafetyPolicySpec = Infer<typeof spec>;

/** A SafetyPolicy as read from the API server. */
export type SafetyPolicy = Resource<SafetyPolicySpec, Record<string, never>>;

/** The SafetyPolicy kind. */
export const safetyPolicyKind: Kind = {
  kind: 'SafetyPolicy',
  plural: 'safetypolicies',
  shortNames: ['sqp'],
  scope: 'Cluster',
  summary: 'A SafetyPolicy bounds what all experiments of the cluster may do.',
  maxNameLength: 253,
  spec,
  status: object('status is not used.', {}),
  columns: [
    { name: 'Halt', type: 'string', jsonPath: '.spec.halt.reason', description: 'Why everything is halted, if it is.' },
  ],
};
