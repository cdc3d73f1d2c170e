import { matchesSelector } from '../controllers/selectors.js';
import type { Json, KubeObject } from '../store/types.js';

/** A write, as admission policies see it. */
export interface PolicyRequest {
  operation: 'CREATE' | 'UPDATE' | 'DELETE';
  group: string;
  version: string;
  /** The plural. */
  resource: string;
  subresource?: string;
  kind: string;
  name: string;
  /** The namespace object; absent for objects of the cluster. */
  namespace?: KubeObject;
  /** Absent for a deletion. */
  object?: Json;
  /** Absent for a creation. */
  oldObject?: Json;
  user: { name: string; uid?: string; groups: readonly string[]; extra?: Record<string, string[]> };
  dryRun: boolean;
}

/** Whether a policy's `matchConstraints`, or a binding's `matchResources`, speak of a request (KEP-3488). */
export function matchesResources(match: Json, request: PolicyRequest): boolean {
  const { resourceRules, excludeResourceRules = [], namespaceSelector, objectSelector, matchPolicy } = match ?? {};
  const fits = (rule: Json) => matchesRule(rule, request, matchPolicy === 'Exact');
  return (
    (resourceRules === undefined || resourceRules.some(fits)) &&
    !excludeResourceRules.some(fits) &&
    matchesNamespace(namespaceSelector, request) &&
    matchesObject(objectSelector, request)
  );
}

function matchesRule(rule: Json, request: PolicyRequest, exact: boolean): boolean {
  const { apiGroups = [], apiVersions = [], operations = [], resources = [], resourceNames = [], scope = '*' } = rule;
  const has = (list: string[], wanted: string) => list.includes('*') || list.includes(wanted);
  return (
    has(operations, request.operation) &&
    has(apiGroups, request.group) &&
    // Any other version of a kind is equivalent to the one that a rule names.
    (!exact || has(apiVersions, request.version)) &&
    resources.some((pattern: string) => matchesResource(pattern, request)) &&
    (resourceNames.length === 0 || resourceNames.includes(request.name)) &&
    (scope === '*' || (scope === 'Namespaced') === (request.namespace !== undefined))
  );
}

/** `pods`, `pods/status`, `pods/*`, `*`, `*\/status` or `*\/*`. */
function matchesResource(pattern: string, { resource, subresource = '' }: PolicyRequest): boolean {
  const [first, second = ''] = pattern.split('/', 2);
  return (first === '*' || first === resource) && (second === '*' || second === subresource);
}

function matchesNamespace(selector: Json, { namespace, resource, object, oldObject }: PolicyRequest): boolean {
  if (selector === undefined) {
    return true;
  }
  const subject = resource === 'namespaces' ? (object ?? oldObject) : namespace;
  return subject === undefined || matchesSelector(selector, subject.metadata?.labels);
}

function matchesObject(selector: Json, { object, oldObject }: PolicyRequest): boolean {
  return (
    selector === undefined ||
    [object, oldObject].some((one) => one !== undefined && matchesSelector(selector, one.metadata?.labels))
  );
}
