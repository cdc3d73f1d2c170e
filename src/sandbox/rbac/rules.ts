import type { AccessRequest, PathRequest, ResourceRequest } from './request.js';

/** One rule of a Role or ClusterRole. */
export interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

const ALL = '*';

/** Whether a rule lets a request pass (`rbac/v1/evaluation_helpers.go`). */
export function ruleAllows(rule: PolicyRule, request: AccessRequest): boolean {
  return (
    matches(rule.verbs, request.verb) && ('path' in request ? pathFits(rule, request) : resourceFits(rule, request))
  );
}

function matches(list: readonly string[] | undefined, wanted: string): boolean {
  return list?.some((item) => item === ALL || item === wanted) === true;
}

function pathFits({ nonResourceURLs = [] }: PolicyRule, { path }: PathRequest): boolean {
  return nonResourceURLs.some((pattern) => urlCovers(pattern, path));
}

function urlCovers(pattern: string, path: string): boolean {
  const isPrefix = pattern.endsWith(ALL);
  return pattern === path || (isPrefix && path.startsWith(pattern.replace(/\*+$/, '')));
}

function resourceFits(rule: PolicyRule, { group, resource, subresource, name }: ResourceRequest): boolean {
  const { resourceNames = [] } = rule;
  return (
    matches(rule.apiGroups, group) &&
    resourceCovers(rule.resources, resource, subresource) &&
    (resourceNames.length === 0 || resourceNames.includes(name ?? ''))
  );
}

function resourceCovers(list: readonly string[] | undefined, resource: string, subresource: string | undefined) {
  const combined = subresource ? `${resource}/${subresource}` : resource;
  return (
    list?.some((item) => item === ALL || item === combined || (subresource && item === `*/${subresource}`)) === true
  );
}

/** The part of `wanted` that `held` does not grant, cut into rules of one verb, one resource and so on. */
export function uncoveredRules(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((single) => !held.some((rule) => covers(rule, single)));
}

/** A rule as rules of a single verb, group, resource, name or path each, so that several rules can cover it together. */
function breakDown({ verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule) {
  const single: PolicyRule[] = [];
  for (const verb of verbs) {
    for (const group of apiGroups) {
      for (const resource of resources) {
        const rule = { verbs: [verb], apiGroups: [group], resources: [resource] };
        single.push(...(resourceNames.length === 0 ? [rule] : resourceNames.map((name) => named(rule, name))));
      }
    }
    single.push(...nonResourceURLs.map((url) => ({ verbs: [verb], nonResourceURLs: [url] })));
  }
  return single;
}

function named(rule: PolicyRule, name: string): PolicyRule {
  return { ...rule, resourceNames: [name] };
}

/** Whether a rule holds all that a single rule asks for. A wanted `*` is covered by a held `*` only. */
function covers(rule: PolicyRule, single: PolicyRule): boolean {
  if (!matches(rule.verbs, single.verbs[0]!)) {
    return false;
  }
  const [url] = single.nonResourceURLs ?? [];
  if (url !== undefined) {
    return (rule.nonResourceURLs ?? []).some((pattern) => urlCovers(pattern, url));
  }
  const [resource = '', subresource] = single.resources![0]!.split('/', 2);
  const { resourceNames = [] } = rule;
  const [name] = single.resourceNames ?? [];
  return (
    matches(rule.apiGroups, single.apiGroups![0]!) &&
    resourceCovers(rule.resources, resource, subresource) &&
    (resourceNames.length === 0 || (name !== undefined && resourceNames.includes(name)))
  );
}
