import { forbidden, invalid, required, ruleFailed, ruleFoundDuplicate } from './errors.js';
import { childNode, type SchemaNode, typeName } from './node.js';
import { oldSelfValue, type Rule, type RuleNode } from './rules.js';
import { type FieldError, isObject, type Json, type Path } from './types.js';
import { canonical, listMapKey } from './validate.js';

const MAX_MESSAGE_BYTES = 5120;

/** A value before the update, where there was one that corresponds. */
type Old = { value: Json } | undefined;

/** Runs all rules over a value that is otherwise valid, and over its older version for transition rules. */
export function evaluateRules(root: RuleNode, value: Json, old: Json | undefined): FieldError[] {
  const errors: FieldError[] = [];
  visit(root, value, old === undefined ? undefined : { value: old }, [], errors);
  return errors;
}

function visit(node: RuleNode, value: Json, old: Old, path: Path, errors: FieldError[]): void {
  if (value === null || value === undefined) return;
  if (node.rules.length > 0) runRules(node, value, old, path, errors);
  if (Array.isArray(value)) visitItems(node, value, old, path, errors);
  else if (isObject(value)) visitProperties(node, value, old, path, errors);
}

function visitItems(node: RuleNode, list: Json[], old: Old, path: Path, errors: FieldError[]): void {
  const { items, schema } = node;
  if (!items) return;
  const before = oldItems(schema, old?.value);
  list.forEach((item, index) => {
    const match = before?.get(canonical(listMapKey(schema, item)));
    visit(items, item, match, [...path, index], errors);
  });
}

/** Only the items of list-maps can be told apart; those of other lists have no older version. */
function oldItems(list: SchemaNode, old: Json): Map<string, { value: Json }> | undefined {
  if (list.mapKeys.length === 0 || !Array.isArray(old)) return undefined;
  return new Map(old.map((value) => [canonical(listMapKey(list, value)), { value }]));
}

function visitProperties(
  node: RuleNode,
  object: Record<string, Json>,
  old: Old,
  path: Path,
  errors: FieldError[],
): void {
  if (node.properties.size === 0 && !node.values) return;
  for (const key of Object.keys(object)) {
    const child =
      node.properties.get(key) ?? (childNode(node.schema, key) === node.values?.schema ? node.values : undefined);
    if (!child) continue;
    const before = isObject(old?.value) && Object.hasOwn(old.value, key) ? { value: old.value[key] } : undefined;
    visit(child, object[key], before, [...path, key], errors);
  }
}

function runRules(node: RuleNode, value: Json, old: Old, path: Path, errors: FieldError[]): void {
  const self = lazily(() => node.type.toCel(value));
  const oldSelf = lazily(() => (old ? node.type.toCel(old.value) : undefined));
  for (const rule of node.rules) {
    if (rule.usesOldSelf && !old && !rule.source.optionalOldSelf) continue;
    const variables = () =>
      rule.usesOldSelf ? { self: self(), oldSelf: oldSelfValue(rule, old !== undefined, oldSelf()) } : { self: self() };
    const error = runRule(rule, variables, value, path);
    if (error) errors.push(error);
  }
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function goWording(text: string): string {
  return text
    .replace(/^No such key: index out of bounds, index (-?\d+).*/, 'index out of bounds: $1')
    .replace(/^No such key/, 'no such key');
}

/** An old object stored under another schema may not even have the right types: that too is a failed evaluation. */
function runRule(
  rule: Rule,
  variables: () => Record<string, unknown>,
  value: Json,
  path: Path,
): FieldError | undefined {
  try {
    const values = variables();
    return rule.program.evaluate(values) === true ? undefined : failure(rule, values, value, path);
  } catch (error) {
    const cause = goWording((error as Error).message);
    return invalid(path, typeName(value), `${cause} evaluating rule: ${rule.source.message ?? rule.source.rule}`);
  }
}

function failure(rule: Rule, variables: Record<string, unknown>, value: Json, path: Path): FieldError {
  const message = failureMessage(rule, variables);
  const place = [...path, ...rule.fieldPath];
  switch (rule.source.reason) {
    case 'FieldValueRequired':
      return required(place, message);
    case 'FieldValueForbidden':
      return forbidden(place, message);
    case 'FieldValueDuplicate':
      return ruleFoundDuplicate(place, value, message);
    default:
      return ruleFailed(place, value, message);
  }
}

function failureMessage({ message, source }: Rule, variables: Record<string, unknown>): string {
  const computed = message && computedMessage(() => message.evaluate(variables));
  return computed ?? source.message?.trim() ?? `failed rule: ${source.rule.trim()}`;
}

/** A message expression that fails or gives nothing usable is passed over, as the API server does. */
function computedMessage(evaluate: () => unknown): string | undefined {
  try {
    const text = evaluate();
    const usable =
      typeof text === 'string' &&
      text.trim() !== '' &&
      !/[\r\n]/.test(text) &&
      Buffer.byteLength(text) <= MAX_MESSAGE_BYTES;
    return usable ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}
