import { compilePolicy } from '../policies/policy.js';
import type { KubeObject } from '../store/types.js';
import { arrayOf } from './pod-defaults.js';
import type { Problems } from './problems.js';

/** A ValidatingAdmissionPolicy: what it matches, and that its expressions compile. */
export function validatePolicy(problems: Problems, policy: KubeObject): void {
  const { matchConstraints, paramKind, failurePolicy } = policy.spec ?? {};
  if (arrayOf(matchConstraints?.resourceRules).length === 0) {
    problems.required('spec.matchConstraints.resourceRules');
  }
  problems.oneOf('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore']);
  if (paramKind !== undefined) {
    problems.forbidden('spec.paramKind', 'the Squall sandbox has no parameters for policies');
  }
  problems.causes.push(...compilePolicy(policy).causes);
}

/** A ValidatingAdmissionPolicyBinding: which policy, and what to do about a violation. */
export function validatePolicyBinding(problems: Problems, { spec }: KubeObject): void {
  if (!spec?.policyName) {
    problems.required('spec.policyName');
  }
  if (!spec?.validationActions?.length) {
    problems.required('spec.validationActions');
  }
  spec?.validationActions?.forEach((action: string, index: number) => {
    problems.oneOf(`spec.validationActions[${index}]`, action, ['Audit', 'Deny', 'Warn']);
  });
}
