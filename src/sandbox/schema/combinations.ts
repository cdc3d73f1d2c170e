import { compilePattern } from '../../cel/patterns.js';
import { forbidden, invalid, required } from './errors.js';
import type { FieldError, Json, JsonSchema } from './types.js';

/** Where what is wrong with a schema is collected. */
export type Problems = FieldError[];
/** A place inside a schema, such as `spec.validation.openAPIV3Schema.properties[spec]`. */
export type At = string;

/** What may not be below allOf, anyOf, oneOf and not, and how the API server puts it. */
const FORBIDDEN: Record<string, string> = {
  additionalProperties: 'must be undefined',
  default: 'must be undefined',
  description: 'must be empty',
  nullable: 'must be false',
  title: 'must be empty',
  type: 'must be empty',
  'x-kubernetes-embedded-resource': 'must be false',
  'x-kubernetes-int-or-string': 'must be false',
  'x-kubernetes-list-map-keys': 'must be empty',
  'x-kubernetes-list-type': 'must be undefined',
  'x-kubernetes-map-type': 'must be undefined',
  'x-kubernetes-preserve-unknown-fields': 'must be false',
  'x-kubernetes-validations': 'must be empty',
};

/** The place of an entry of a keyword's map or list. */
export function child(at: At, keyword: string, key: string | number): At {
  return `${at}.${keyword}[${key}]`;
}

/** A pattern must be one that Go's regexp has. */
export function checkPattern(pattern: Json, at: At, problems: Problems): void {
  try {
    compilePattern(String(pattern));
  } catch (error) {
    const detail = `must be a valid regular expression, but isn't: ${(error as Error).message}`;
    problems.push(invalid(`${at}.pattern`, pattern, detail));
  }
}

/** Logical combinations may only restrict values, not say what they are. */
export function checkCombinations(schema: JsonSchema, at: At, problems: Problems): void {
  const intOrString = schema['x-kubernetes-int-or-string'] === true;
  for (const [path, part] of combinations(schema, at)) checkValueValidation(part, intOrString, path, problems);
}

function combinations(schema: JsonSchema, at: At): [At, JsonSchema][] {
  const lists = ['allOf', 'anyOf', 'oneOf'].flatMap((keyword) =>
    ((schema[keyword] ?? []) as JsonSchema[]).map((part, index): [At, JsonSchema] => [child(at, keyword, index), part]),
  );
  return schema.not ? [...lists, [`${at}.not`, schema.not]] : lists;
}

function checkValueValidation(schema: JsonSchema, intOrString: boolean, at: At, problems: Problems): void {
  for (const [keyword, detail] of Object.entries(FORBIDDEN)) {
    // controller-gen writes the two types of int-or-string in an anyOf, which the API server lets pass.
    if (keyword === 'type' && intOrString) continue;
    if (schema[keyword]) problems.push(forbidden(`${at}.${keyword}`, `${detail} to be structural`));
  }
  if (schema.pattern !== undefined) checkPattern(schema.pattern, at, problems);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const path = child(at, 'properties', name);
    if (name === 'metadata') problems.push(forbidden(path, 'must not be specified in a nested context'));
    checkValueValidation(property, false, path, problems);
  }
  if (schema.items) checkValueValidation(schema.items, false, `${at}.items`, problems);
  for (const [path, part] of combinations(schema, at)) checkValueValidation(part, intOrString, path, problems);
}

/**
 * What a combination at the root names must be in `structure` too. The API server asks this of the root only, though
 * KEP-2335 asks it of every node.
 */
export function checkCompleteness(
  schema: JsonSchema,
  structure: JsonSchema,
  at: At,
  structureAt: At,
  problems: Problems,
): void {
  for (const [path, part] of combinations(schema, at)) checkNamed(part, structure, path, structureAt, problems);
}

function checkNamed(part: JsonSchema, structure: JsonSchema, at: At, structureAt: At, problems: Problems): void {
  checkCompleteness(part, structure, at, structureAt, problems);
  const names = Object.entries(part.properties ?? {}).map(([name, schema]) => ({
    path: child(at, 'properties', name),
    structurePath: child(structureAt, 'properties', name),
    schema,
    beside: structure.properties?.[name],
  }));
  if (part.items) {
    names.push({
      path: `${at}.items`,
      structurePath: `${structureAt}.items`,
      schema: part.items,
      beside: structure.items,
    });
  }
  for (const { path, structurePath, schema, beside } of names) {
    if (beside) checkNamed(schema, beside, path, structurePath, problems);
    else problems.push(required(structurePath, `because it is defined in ${path}`));
  }
}
