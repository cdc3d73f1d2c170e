import { forbidden, notFound } from '../api-error.js';
import type { KubeObject, Store } from '../store/types.js';
import { type Authorizer, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES } from './authorizer.js';
import { isMaster, type UserInfo } from './request.js';
import { type PolicyRule, uncoveredRules } from './rules.js';

const GROUP = 'rbac.authorization.k8s.io';
const EVERYTHING: PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/**
 * Keeps users from giving away rights that they do not have: neither by a role nor by a binding, unless they may
 * `escalate` that role or `bind` it. Throws 403, and 404 for a binding to a role that does not exist.
 */
export function checkEscalation(
  { store, authorizer }: { store: Store; authorizer: Authorizer },
  user: UserInfo,
  resource: string,
  object: KubeObject,
): void {
  if (isMaster(user)) {
    return;
  }
  const { name, namespace } = object.metadata;
  const may = (verb: string, target: string, targetName: string) =>
    authorizer.decide(user, { verb, group: GROUP, resource: target.split('.', 1)[0]!, namespace, name: targetName })
      .allowed;
  let wanted: PolicyRule[] = [];
  if (resource === ROLES || resource === CLUSTER_ROLES) {
    if (may('escalate', resource, name)) {
      return;
    }
    wanted = [...(object.rules ?? []), ...(object.aggregationRule === undefined ? [] : EVERYTHING)];
  } else if (resource === ROLE_BINDINGS || resource === CLUSTER_ROLE_BINDINGS) {
    const { kind, name: roleName } = object.roleRef;
    const target = kind === 'ClusterRole' ? CLUSTER_ROLES : ROLES;
    if (may('bind', target, roleName)) {
      return;
    }
    wanted = rulesOf(store, target, namespace, roleName);
  }
  const missing = uncoveredRules(authorizer.rulesFor(user, namespace), wanted);
  if (missing.length > 0) {
    throw forbidden(resource, name, grantText(user, missing));
  }
}

function rulesOf(store: Store, target: string, namespace: string | undefined, name: string): PolicyRule[] {
  const role = store.get(target, target === ROLES ? namespace : undefined, name);
  if (role === undefined) {
    throw notFound(target, name);
  }
  return role.rules ?? [];
}

function grantText({ name, groups }: UserInfo, missing: readonly PolicyRule[]): string {
  const user = `user ${JSON.stringify(name)} (groups=${quoted(groups)})`;
  const rules = compact(missing).map(ruleText).sort();
  return `${user} is attempting to grant RBAC permissions not currently held:\n${rules.join('\n')}`;
}

/** Puts together the verbs of what is otherwise the same rule. */
function compact(rules: readonly PolicyRule[]): PolicyRule[] {
  const merged = new Map<string, PolicyRule>();
  for (const { verbs, ...rest } of rules) {
    const key = JSON.stringify(rest);
    const known = merged.get(key) ?? { ...rest, verbs: [] };
    known.verbs.push(...verbs);
    merged.set(key, known);
  }
  return [...merged.values()];
}

function ruleText(rule: PolicyRule): string {
  const parts: [string, string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ];
  const shown = parts.flatMap(([label, values]) => (values?.length ? [`${label}:${quoted(values)}`] : []));
  return `{${shown.join(', ')}}`;
}

function quoted(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}
