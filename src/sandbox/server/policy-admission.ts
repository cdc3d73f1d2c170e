import { ApiError } from '../api-error.js';
import { matchesResources, type PolicyRequest } from '../policies/match.js';
import { type CompiledPolicy, compilePolicy, type Denial } from '../policies/policy.js';
import type { KubeObject } from '../store/types.js';
import { asServed, type ResourceCall } from './context.js';
import { isDryRun } from './query.js';

const GROUP = 'admissionregistration.k8s.io';
const POLICIES = `validatingadmissionpolicies.${GROUP}`;
const BINDINGS = `validatingadmissionpolicybindings.${GROUP}`;
const CODES: Record<string, number> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413, Invalid: 422 };

/** Stored objects never change, so a policy is compiled once. */
const compiled = new WeakMap<KubeObject, CompiledPolicy>();

/**
 * Asks all bound ValidatingAdmissionPolicies about a write that is otherwise good. Throws the refusal of the first that
 * has something against it and whose binding says `Deny`. Policies are not asked about policies.
 */
export function askPolicies(
  call: ResourceCall,
  operation: PolicyRequest['operation'],
  object: KubeObject | undefined,
  oldObject: KubeObject | undefined,
): void {
  const { store } = call.context;
  if (store.count(BINDINGS) === 0 || call.type.group === GROUP) {
    return;
  }
  const request = requestOf(call, operation, object, oldObject);
  for (const binding of store.list(BINDINGS)) {
    const { policyName, matchResources, validationActions = [] } = binding.spec ?? {};
    const policy = store.get(POLICIES, undefined, policyName);
    const speaks =
      policy !== undefined &&
      validationActions.includes('Deny') &&
      matchesResources(policy.spec.matchConstraints, request) &&
      matchesResources(matchResources, request);
    const denial = speaks ? compiledFor(policy).deny(request) : undefined;
    if (denial !== undefined) {
      throw refusal(request, policyName, binding.metadata.name, denial);
    }
  }
}

function compiledFor(policy: KubeObject): CompiledPolicy {
  const known = compiled.get(policy) ?? compilePolicy(policy);
  compiled.set(policy, known);
  return known;
}

function requestOf(
  { context, user, type, target, query }: ResourceCall,
  operation: PolicyRequest['operation'],
  object: KubeObject | undefined,
  oldObject: KubeObject | undefined,
): PolicyRequest {
  const { metadata } = (object ?? oldObject)!;
  return {
    operation,
    group: type.group,
    version: type.version,
    resource: type.plural,
    subresource: target.subresource,
    kind: type.kind,
    name: metadata.name,
    namespace: type.namespaced ? context.store.get('namespaces', undefined, metadata.namespace!) : undefined,
    object: object && asServed(type, object),
    oldObject: oldObject && asServed(type, oldObject),
    user,
    dryRun: isDryRun(query),
  };
}

function refusal(
  { group, resource, name }: PolicyRequest,
  policy: string,
  binding: string,
  { message, reason }: Denial,
) {
  const why = `ValidatingAdmissionPolicy '${policy}' with binding '${binding}' denied request: ${message}`;
  const qualified = group === '' ? resource : `${resource}.${group}`;
  const details = { name, group: group || undefined, kind: resource, causes: [{ reason: '', message: why }] };
  return new ApiError(
    CODES[reason] ?? 422,
    reason,
    `${qualified} ${JSON.stringify(name)} is forbidden: ${why}`,
    details,
  );
}
