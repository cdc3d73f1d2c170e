import type { Json } from '../store/types.js';

type Labels = Record<string, string> | undefined;

/** Whether labels satisfy a map of exact values. An empty or absent map selects nothing, as in a Service. */
export function matchesLabels(selector: Labels, labels: Labels): boolean {
  const wanted = Object.entries(selector ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => labels?.[key] === value);
}

/** Whether labels satisfy a LabelSelector. An empty selector selects everything, an absent one nothing. */
export function matchesSelector(selector: Json, labels: Labels): boolean {
  if (selector === undefined || selector === null) {
    return false;
  }
  const exact = Object.entries(selector.matchLabels ?? {});
  return (
    exact.every(([key, value]) => labels?.[key] === value) &&
    (selector.matchExpressions ?? []).every((expression: Json) => matchesExpression(expression, labels))
  );
}

/** Whether labels satisfy one requirement of a label or node selector. */
export function matchesExpression(expression: Json, labels: Labels): boolean {
  const value = labels?.[expression.key];
  switch (expression.operator) {
    case 'In':
      return value !== undefined && expression.values.includes(value);
    case 'NotIn':
      return value === undefined || !expression.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(expression.values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(expression.values[0]);
    default:
      return false;
  }
}
