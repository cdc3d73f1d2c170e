import { equalJson } from '../json.js';
import type { Json, KubeObject } from '../store/types.js';
import { DNS_SUBDOMAIN, DNS_SUBDOMAIN_RULE } from './metadata-validation.js';
import { arrayOf } from './pod-defaults.js';
import type { Problems } from './problems.js';

const GROUP = 'rbac.authorization.k8s.io';

/** Rules as a Role (`namespaced`) or a ClusterRole may have them. */
export function validateRole(problems: Problems, { kind, rules, aggregationRule }: KubeObject): void {
  arrayOf(rules).forEach((rule, index) => {
    validateRule(problems, `rules[${index}]`, rule, kind === 'Role');
  });
  if (aggregationRule !== undefined && isEmpty(aggregationRule?.clusterRoleSelectors)) {
    problems.required(
      'aggregationRule.clusterRoleSelectors',
      'at least one clusterRoleSelector required if aggregationRule is non-nil',
    );
  }
}

function validateRule(problems: Problems, field: string, rule: Json, namespaced: boolean): void {
  const { apiGroups, resources, resourceNames, nonResourceURLs } = rule;
  if (isEmpty(rule.verbs)) {
    problems.required(`${field}.verbs`, 'verbs must contain at least one value');
  }
  if (!isEmpty(nonResourceURLs)) {
    if (namespaced) {
      problems.invalid(
        `${field}.nonResourceURLs`,
        nonResourceURLs,
        'namespaced rules cannot apply to non-resource URLs',
      );
    }
    if ([apiGroups, resources, resourceNames].some((list) => !isEmpty(list))) {
      const why = 'rules cannot apply to both regular resources and non-resource URLs';
      problems.invalid(`${field}.nonResourceURLs`, nonResourceURLs, why);
    }
    return;
  }
  if (isEmpty(apiGroups)) {
    problems.required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  }
  if (isEmpty(resources)) {
    problems.required(`${field}.resources`, 'resource rules must supply at least one resource');
  }
}

function isEmpty(list: unknown): boolean {
  return !Array.isArray(list) || list.length === 0;
}

/** A RoleBinding or ClusterRoleBinding: whom it names, and that it keeps its role. */
export function validateBinding(problems: Problems, binding: KubeObject, previous: KubeObject | undefined): void {
  const { kind, roleRef, subjects } = binding;
  const namespaced = kind === 'RoleBinding';
  problems.oneOf('roleRef.apiGroup', roleRef?.apiGroup, [GROUP]);
  problems.oneOf('roleRef.kind', roleRef?.kind, namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']);
  if (!roleRef?.name) {
    problems.required('roleRef.name');
  }
  arrayOf(subjects).forEach((subject, index) => {
    validateSubject(problems, `subjects[${index}]`, subject, namespaced);
  });
  if (previous !== undefined && !equalJson(previous.roleRef, roleRef)) {
    problems.invalid('roleRef', roleRef, 'cannot change roleRef');
  }
}

function validateSubject(problems: Problems, field: string, subject: Json, namespaced: boolean): void {
  const { kind, name, namespace, apiGroup } = subject;
  if (!name) {
    problems.required(`${field}.name`);
  }
  problems.oneOf(`${field}.kind`, kind, ['ServiceAccount', 'User', 'Group']);
  if (kind !== 'ServiceAccount') {
    problems.oneOf(`${field}.apiGroup`, apiGroup, [GROUP]);
    return;
  }
  if (name && !DNS_SUBDOMAIN.test(name)) {
    problems.invalid(`${field}.name`, name, DNS_SUBDOMAIN_RULE);
  }
  if (apiGroup) {
    problems.notSupported(`${field}.apiGroup`, apiGroup, ['']);
  }
  if (!namespaced && !namespace) {
    problems.required(`${field}.namespace`);
  }
}
