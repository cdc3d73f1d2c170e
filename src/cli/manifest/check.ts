import { customResourceDefinition, type Kind } from '../../api/kind.js';
import {
  type CompiledSchema,
  compileSchema,
  type FieldError,
  type JsonSchema,
  type Path,
} from '../../sandbox/schema/index.js';
import { checkMetadata, type ObjectProblem } from './metadata.js';
import { suggest } from './suggest.js';

interface Checker {
  schema: JsonSchema;
  compiled: CompiledSchema;
}

const checkers = new WeakMap<Kind, Checker>();

/**
 * Everything that can be said about an object of ours without a cluster: what the API server will answer, in words
 * for people, and what only the kind itself knows.
 */
export function checkObject(object: Record<string, unknown>, kind: Kind): ObjectProblem[] {
  const { schema, compiled } = checkerOf(kind);
  const metadata = checkMetadata(object.metadata, kind);
  const applied = compiled.apply(named(object));
  const unknown = applied.unknownPaths.map((path) => unknownField(path, schema));
  const empty = emptyFields(object.spec, ['spec'], schema);
  const told = [...applied.unknownPaths, ...empty.map(({ path }) => path)];
  const invalid = applied.errors
    .filter((error) => !isConsequence(error, told))
    .flatMap((error) => fieldProblem(error, schema, applied.object, metadata));
  const problems = [...metadata, ...unknown, ...empty, ...invalid];
  // A kind's own checks count on an object that its schema admits.
  if (applied.errors.length > 0) return problems;
  return [...problems, ...(kind.check?.(applied.object.spec) ?? [])];
}

/** The API server makes a name of `generateName` before it looks at rules about names. */
function named(object: Record<string, unknown>): Record<string, unknown> {
  const { metadata } = object;
  if (!isMap(metadata) || metadata.name !== undefined || typeof metadata.generateName !== 'string') return object;
  return { ...object, metadata: { ...metadata, name: `${metadata.generateName}xxxxx` } };
}

/** An object of ours as the API server would store it, with all defaults; `kind` is that of the object. */
export function withDefaults(object: Record<string, unknown>, kind: Kind): Record<string, unknown> {
  return checkerOf(kind).compiled.apply(object).object;
}

function checkerOf(kind: Kind): Checker {
  let checker = checkers.get(kind);
  if (!checker) {
    const [version] = customResourceDefinition(kind).spec.versions;
    const schema = version?.schema.openAPIV3Schema as JsonSchema;
    checker = { schema, compiled: compileSchema(schema) };
    checkers.set(kind, checker);
  }
  return checker;
}

/** What an object lacks is no news when one of its fields is misspelt or has no value. */
function isConsequence({ path, reason }: FieldError, told: readonly Path[]): boolean {
  const owner = reason === 'FieldValueRequired' ? path.slice(0, -1) : path;
  return told.some((known) => known.length === owner.length + 1 && owner.every((step, index) => known[index] === step));
}

/** The API server takes a field without a value for one that was left out, which may mean everything or nothing. */
function emptyFields(value: unknown, path: (string | number)[], root: JsonSchema): ObjectProblem[] {
  if (value === null)
    return schemaAt(root, path) ? [{ path, message: emptyWords(schemaAt(root, path)), part: 'key' }] : [];
  if (!isMap(value)) return [];
  const isList = Array.isArray(value);
  return Object.entries(value).flatMap(([key, entry]) =>
    emptyFields(entry, [...path, isList ? Number(key) : key], root),
  );
}

function emptyWords(schema: JsonSchema | undefined): string {
  const mayBeEmpty = schema?.type === 'object' && !schema.required && !schema['x-kubernetes-validations'];
  return `has no value; ${mayBeEmpty ? 'write {} when it needs none' : 'give it one'}, or remove it`;
}

function unknownField(path: (string | number)[], root: JsonSchema): ObjectProblem {
  const name = String(path.at(-1));
  const fields = Object.keys(schemaAt(root, path.slice(0, -1))?.properties ?? {});
  const near = suggest(name, fields) ?? elsewhere(name, path, root);
  const expected =
    fields.length === 0
      ? 'no field is expected here'
      : `expected ${fields.length > 1 ? 'one of ' : ''}${fields.join(', ')}`;
  return { path, message: `unknown field; ${near === undefined ? expected : `did you mean ${near}?`}`, part: 'key' };
}

/** A field that exists, but a level below or above where it was put. */
function elsewhere(name: string, path: (string | number)[], root: JsonSchema): string | undefined {
  const siblings = schemaAt(root, path.slice(0, -1))?.properties ?? {};
  const below = Object.keys(siblings).find((sibling) => siblings[sibling]?.properties?.[name]);
  if (below !== undefined) return `${below}.${name}`;
  const above = path.slice(0, -2);
  const owner = above.findLast((step) => typeof step === 'string');
  return schemaAt(root, above)?.properties?.[name] && owner !== undefined
    ? `${name} one level up, in ${owner}`
    : undefined;
}

function schemaAt(root: JsonSchema, path: Path): JsonSchema | undefined {
  let schema: JsonSchema | undefined = root;
  for (const step of path) {
    if (typeof step === 'number') schema = schema?.items;
    else schema = schema?.properties?.[step] ?? (schema?.additionalProperties as JsonSchema | undefined);
  }
  return schema;
}

function fieldProblem(
  error: FieldError,
  root: JsonSchema,
  object: unknown,
  metadata: ObjectProblem[],
): ObjectProblem[] {
  // About the object as a whole: a remark that rules were not run, or a rule on the name that is told of already.
  const repeated = error.path.length === 0 && (error.value === null || metadata.length > 0);
  if (repeated) return [];
  const schema = schemaAt(root, error.path);
  const message =
    error.reason === 'FieldValueTypeInvalid'
      ? typeWords(valueAt(object, error.path), schema)
      : words(error, schema, valueAt(object, error.path));
  return [{ path: [...error.path], message }];
}

function words({ reason, detail, value }: FieldError, schema: JsonSchema | undefined, found: unknown): string {
  switch (reason) {
    case 'FieldValueRequired':
      return detail === '' ? withHint('is required', schema) : detail;
    case 'FieldValueNotSupported':
      return notSupported(value, schema);
    case 'FieldValueTooLong':
      return `may have at most ${schema?.maxLength} characters`;
    case 'FieldValueTooMany':
      return `${detail}, has ${value}`;
    case 'FieldValueDuplicate':
      return `${detail}: ${JSON.stringify(value)}`;
    default:
      return invalidWords(detail, found, schema);
  }
}

function typeWords(value: unknown, schema: JsonSchema | undefined): string {
  if (isDuration(schema)) return patternWords(value, schema);
  const found = Array.isArray(value) ? 'a list' : isMap(value) ? 'an object' : JSON.stringify(value);
  const message = `must be ${typeName(schema)}, is ${found}`;
  return schema?.type === 'string' ? withHint(message, schema) : message;
}

const typeNames: Readonly<Record<string, string>> = {
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
};

function typeName({ type = 'object', properties = {}, required = [], items }: JsonSchema = {}): string {
  if (type === 'array') return items?.type === 'object' ? 'a list of objects' : 'a list';
  if (type !== 'object') return typeNames[type] ?? type;
  const named = (required.length > 0 ? required : Object.keys(properties).slice(0, 4))
    .map((field) => `\`${field}\``)
    .join(', ');
  return `an object${named === '' ? '' : ` with ${required.length > 0 ? '' : 'fields such as '}${named}`}`;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function valueAt(object: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => (isMap(value) ? value[step] : undefined), object);
}

function notSupported(value: unknown, schema: JsonSchema | undefined): string {
  const allowed = (schema?.enum ?? []).map(String);
  const near = suggest(String(value), allowed);
  return `${JSON.stringify(value)} is not one of ${allowed.join(', ')}${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function invalidWords(detail: string, value: unknown, schema: JsonSchema | undefined): string {
  if (detail.startsWith('should match')) return patternWords(value, schema);
  if (value === '' || (Array.isArray(value) && value.length === 0)) return withHint('must not be empty', schema);
  if (typeof value !== 'string' && typeof value !== 'number') return detail;
  const message = `${detail}, is ${JSON.stringify(value)}`;
  return detail.endsWith('chars long') ? withHint(message, schema) : message;
}

function patternWords(value: unknown, schema: JsonSchema | undefined): string {
  const found = JSON.stringify(value);
  if (!isDuration(schema)) return withHint(`${found} does not match ${schema?.pattern}`, schema);
  const examples = schema?.pattern?.includes('ms|') ? '250ms, 5m or 1h30m' : '30s, 5m or 1h30m';
  return `must be a duration such as ${examples}, is ${found}`;
}

function isDuration(schema: JsonSchema | undefined): boolean {
  // Both patterns of durations in the API end with these units.
  return schema?.pattern?.endsWith('s|m|h))+$') === true;
}

/** The first sentence of a field's description says what is expected there, often with an example. */
function withHint(message: string, schema: JsonSchema | undefined): string {
  const [sentence] = schema?.description?.split(/(?<=\.)\s/) ?? [];
  return sentence === undefined ? message : `${message} (${sentence.replace(/\.$/, '')})`;
}
