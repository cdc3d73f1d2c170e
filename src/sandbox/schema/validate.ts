import { matchesPattern } from '../../cel/patterns.js';
import {
  duplicate,
  formatPath,
  invalidInBody,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
  withoutField,
} from './errors.js';
import { integerFormats, stringFormats } from './formats.js';
import { childNode, type SchemaNode, typeName } from './node.js';
import { equalJson, type FieldError, isObject, type Json } from './types.js';

/** Where a walk is, and what it has found. The path is changed in place; errors copy it. */
export interface Walk {
  path: (string | number)[];
  errors: FieldError[];
}

/** Checks a pruned and defaulted value against everything but the CEL rules. */
export function validate(node: SchemaNode, value: Json, walk: Walk): void {
  if (!checkType(node, value, walk)) return;
  // A null is refused by an enumeration that does not list it, nullable or not.
  checkEnum(node, value, walk);
  if (value === null) return;
  if (typeof value === 'string') checkString(node, value, walk);
  else if (typeof value === 'number') checkNumber(node, value, walk);
  else if (Array.isArray(value)) checkList(node, value, walk);
  else if (isObject(value)) checkObject(node, value, walk);
  checkCombinations(node, value, walk);
}

function checkType(node: SchemaNode, value: Json, walk: Walk): boolean {
  const { types } = node;
  if (types === undefined || (value === null && node.nullable)) return true;
  const found = typeName(value);
  if (types.includes(found) || (found === 'integer' && types.includes('number'))) return true;
  walk.errors.push(typeInvalid(walk.path, types.join(','), found));
  return false;
}

function checkEnum(node: SchemaNode, value: Json, walk: Walk): void {
  const allowed = node.schema.enum;
  if (!allowed) return;
  const found = node.enums ? node.enums.has(value) : allowed.some((candidate) => equalJson(candidate, value));
  if (!found) walk.errors.push(notSupported(walk.path, value, allowed));
}

function checkString(node: SchemaNode, text: string, walk: Walk): void {
  const { pattern, format } = node.schema;
  const error = lengthError(node, text, walk) ?? patternError(pattern, text, walk);
  if (error) walk.errors.push(error);
  const accepts = format === undefined ? undefined : stringFormats[format];
  if (accepts && !accepts(text)) walk.errors.push(typeInvalid(walk.path, format ?? '', text));
}

function lengthError(node: SchemaNode, text: string, walk: Walk): FieldError | undefined {
  const { minLength, maxLength } = node.schema;
  if (minLength === undefined && maxLength === undefined) return undefined;
  const length = characters(text);
  if (maxLength !== undefined && length > maxLength) return tooLong(walk.path, maxLength);
  if (minLength === undefined || length >= minLength) return undefined;
  return invalidInBody(walk.path, text, `should be at least ${minLength} chars long`);
}

function patternError(pattern: string | undefined, text: string, walk: Walk): FieldError | undefined {
  if (pattern === undefined || matchesPattern(pattern, text)) return undefined;
  return invalidInBody(walk.path, text, `should match '${pattern}'`);
}

/** Code points, as the API server counts them. */
function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function checkNumber(node: SchemaNode, value: number, walk: Walk): void {
  const { multipleOf, format, type } = node.schema;
  checkRange(node, value, walk);
  if (multipleOf !== undefined && !isMultiple(value, multipleOf)) {
    walk.errors.push(invalidInBody(walk.path, value, `should be a multiple of ${multipleOf}`));
  }
  const bounds = format === undefined || type !== 'integer' ? undefined : integerFormats[format];
  if (bounds && (value < bounds.minimum || value > bounds.maximum)) {
    const detail = `Checked value must be of type integer with format ${format} in ${formatPath(walk.path)}`;
    walk.errors.push(withoutField(walk.path, detail));
  }
}

function checkRange(node: SchemaNode, value: number, walk: Walk): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = node.schema;
  const refuse = (detail: string) => walk.errors.push(invalidInBody(walk.path, value, detail));
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    refuse(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  }
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    refuse(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }
}

/** 0.3 is a multiple of 0.1 although their floating-point quotient is not whole. */
function isMultiple(value: number, factor: number): boolean {
  const quotient = value / factor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.max(1, Math.abs(quotient));
}

function checkList(node: SchemaNode, list: Json[], walk: Walk): void {
  const { minItems, maxItems } = node.schema;
  if (maxItems !== undefined && list.length > maxItems) walk.errors.push(tooMany(walk.path, list.length, maxItems));
  if (minItems !== undefined && list.length < minItems) {
    walk.errors.push(invalidInBody(walk.path, list.length, `should have at least ${minItems} items`));
  }
  const { items } = node;
  if (items) {
    for (let index = 0; index < list.length; index++) {
      walk.path.push(index);
      validate(items, list[index], walk);
      walk.path.pop();
    }
  }
  checkUnique(node, list, walk);
}

function checkUnique(node: SchemaNode, list: Json[], walk: Walk): void {
  const kind = node.schema['x-kubernetes-list-type'];
  if (kind !== 'set' && kind !== 'map') return;
  if (kind === 'map' && !list.every((item) => item === null || isObject(item))) return;
  const seen = new Map<string, number>();
  list.forEach((item, index) => {
    const identity = kind === 'set' ? item : listMapKey(node, item);
    const text = canonical(identity);
    const times = seen.get(text) ?? 0;
    seen.set(text, times + 1);
    // However often a value is repeated, the API server tells of it once.
    if (times === 1) walk.errors.push(duplicate([...walk.path, index], identity));
  });
}

/** The key properties of a list-map item. Keys are required or have a default, so both are there in a valid item. */
export function listMapKey(node: SchemaNode, item: Json): Record<string, Json> {
  return Object.fromEntries(node.mapKeys.map((name) => [name, item?.[name] ?? null]));
}

/** JSON with sorted keys, so that equal values have equal texts. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}

function checkObject(node: SchemaNode, object: Record<string, Json>, walk: Walk): void {
  const { minProperties, maxProperties, required: names } = node.schema;
  for (const name of names ?? []) {
    if (!Object.hasOwn(object, name)) walk.errors.push(required([...walk.path, name]));
  }
  if (minProperties !== undefined || maxProperties !== undefined) checkSize(object, minProperties, maxProperties, walk);
  for (const key of Object.keys(object)) {
    const child = childNode(node, key);
    if (!child) continue;
    walk.path.push(key);
    validate(child, object[key], walk);
    walk.path.pop();
  }
  if (node.schema['x-kubernetes-embedded-resource']) checkResource(object, walk);
}

function checkSize(
  object: Record<string, Json>,
  minimum: number | undefined,
  maximum: number | undefined,
  walk: Walk,
): void {
  const count = Object.keys(object).length;
  if (maximum !== undefined && count > maximum) walk.errors.push(tooMany(walk.path, count, maximum));
  if (minimum !== undefined && count < minimum) {
    walk.errors.push(invalidInBody(walk.path, count, `should have at least ${minimum} properties`));
  }
}

function checkResource(object: Record<string, Json>, walk: Walk): void {
  for (const name of ['apiVersion', 'kind']) {
    const value = object[name];
    if (value === undefined || value === '') walk.errors.push(required([...walk.path, name], 'must not be empty'));
    else if (typeof value !== 'string') walk.errors.push(typeInvalid([...walk.path, name], 'string', typeName(value)));
  }
  if (object.metadata !== undefined && !isObject(object.metadata)) {
    walk.errors.push(typeInvalid([...walk.path, 'metadata'], 'object', typeName(object.metadata)));
  }
}

function checkCombinations(node: SchemaNode, value: Json, walk: Walk): void {
  const name = () => JSON.stringify(formatPath(walk.path));
  const refuse = (detail: string) => walk.errors.push(withoutField(walk.path, detail));
  if (node.allOf.length > 0) checkAllOf(node.allOf, value, walk);
  if (node.anyOf.length > 0) {
    const attempts = tryAll(node.anyOf, value, walk);
    if (attempts.every((errors) => errors.length > 0)) {
      refuse(`${name()} must validate at least one schema (anyOf)`);
      walk.errors.push(...shortest(attempts));
    }
  }
  if (node.oneOf.length > 0) {
    const attempts = tryAll(node.oneOf, value, walk);
    const valid = attempts.filter((errors) => errors.length === 0).length;
    if (valid !== 1) {
      const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
      refuse(`${name()} must validate one and only one schema (oneOf). ${found}`);
      if (valid === 0) walk.errors.push(...shortest(attempts));
    }
  }
  if (node.not && tryAll([node.not], value, walk)[0]?.length === 0)
    refuse(`${name()} must not validate the schema (not)`);
}

function checkAllOf(parts: readonly SchemaNode[], value: Json, walk: Walk): void {
  const attempts = tryAll(parts, value, walk);
  const failed = attempts.filter((errors) => errors.length > 0);
  if (failed.length === 0) return;
  walk.errors.push(...failed.flat());
  const none = failed.length === parts.length ? '. None validated' : '';
  const name = JSON.stringify(formatPath(walk.path));
  walk.errors.push(withoutField(walk.path, `${name} must validate all the schemas (allOf)${none}`));
}

function tryAll(parts: readonly SchemaNode[], value: Json, walk: Walk): FieldError[][] {
  return parts.map((part) => {
    const attempt: Walk = { path: walk.path, errors: [] };
    validate(part, value, attempt);
    return attempt.errors;
  });
}

function shortest(attempts: FieldError[][]): FieldError[] {
  return attempts.reduce((best, errors) => (errors.length < best.length ? errors : best));
}
