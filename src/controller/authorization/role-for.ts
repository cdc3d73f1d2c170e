import { createHash } from 'node:crypto';
import { Document, visit } from 'yaml';
import type { KubeObject } from '../../kubernetes/resource.js';
import type { Account } from './access-review.js';
import type { Right } from './rights.js';

const RBAC = 'rbac.authorization.k8s.io';

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

/**
 * The objects that give an account exactly these rights: a Role for each namespace, a ClusterRole for what is asked for
 * everywhere, and their bindings. Their names follow from the account and the rights, so that they replace no others and
 * making them twice is making them once.
 *
 * @param makeAccount whether the account itself is to be made too
 */
export function rolesFor(account: Account, rights: readonly Right[], makeAccount: boolean): KubeObject[] {
  const byNamespace = new Map<string | undefined, Right[]>();
  for (const right of rights) byNamespace.set(right.namespace, [...(byNamespace.get(right.namespace) ?? []), right]);
  const made: KubeObject = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...account } };
  return [
    ...(makeAccount ? [made] : []),
    ...[...byNamespace].flatMap(([namespace, wanted]) => roleAndBinding(account, namespace, wanted)),
  ];
}

/** Maps that are deeper than this in the list stand on one line: those of metadata, rules and subjects. */
const ONE_LINE_DEPTH = 6;

/**
 * The same as YAML for `kubectl apply -f -`; empty when there is nothing to give. It is one document, so that it may be
 * pasted with the indentation that it is shown with.
 */
export function roleFor(account: Account, rights: readonly Right[], makeAccount: boolean): string {
  const items = rolesFor(account, rights, makeAccount);
  if (items.length === 0) return '';
  const list = new Document({ apiVersion: 'v1', kind: 'List', items }, { aliasDuplicateObjects: false });
  visit(list, {
    Map(_key, node, path) {
      if (path.length >= ONE_LINE_DEPTH) node.flow = true;
    },
  });
  return list.toString({ lineWidth: 0 });
}

function roleAndBinding(account: Account, namespace: string | undefined, rights: readonly Right[]): KubeObject[] {
  const rules = rulesOf(rights);
  const mark = createHash('sha256')
    .update(JSON.stringify([namespace, rules]))
    .digest('hex')
    .slice(0, 8);
  const prefix = namespace === undefined ? `squall-${account.namespace}` : 'squall';
  const metadata = { name: `${prefix}-${account.name}-${mark}`, ...(namespace !== undefined && { namespace }) };
  const kind = namespace === undefined ? 'ClusterRole' : 'Role';
  return [
    { apiVersion: `${RBAC}/v1`, kind, metadata, rules },
    {
      apiVersion: `${RBAC}/v1`,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: RBAC, kind, name: metadata.name },
      subjects: [{ kind: 'ServiceAccount', name: account.name, namespace: account.namespace }],
    },
  ];
}

/** One rule for what differs in nothing but the verb, and of these one for what differs in nothing but the resource. */
function rulesOf(rights: readonly Right[]): Rule[] {
  const rules = rights.map(({ verb, group, resource, subresource, name }) => ({
    apiGroups: [group],
    resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
    ...(name !== undefined && { resourceNames: [name] }),
    verbs: [verb],
  }));
  const byVerb = merged(rules, 'verbs');
  return merged(merged(byVerb, 'resourceNames'), 'resources');
}

/** Puts rules together that differ only in this field. */
function merged(rules: readonly Rule[], field: 'verbs' | 'resources' | 'resourceNames'): Rule[] {
  const together = new Map<string, Rule>();
  for (const rule of rules) {
    // A rule without names is about all of them, and nothing can be put beside that.
    const key = JSON.stringify({ ...rule, [field]: rule[field] === undefined ? 'all' : undefined });
    const known = together.get(key);
    const values = [...new Set([...(known?.[field] ?? []), ...(rule[field] ?? [])])].sort();
    together.set(key, rule[field] === undefined ? rule : { ...rule, [field]: values });
  }
  return [...together.values()];
}
