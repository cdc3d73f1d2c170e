import type { Kind, Resource } from './kind.js';
import { type Infer, list, object, optional, string } from './schema.js';

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
