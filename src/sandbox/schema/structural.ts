import { forbidden, invalid, notSupported, required } from './errors.js';
import { compilePattern } from './patterns.js';
import { type FieldError, isObject, type Json, type JsonSchema } from './types.js';

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const LIST_TYPES = ['atomic', 'set', 'map'];
const FORBIDDEN = [
  '$ref',
  'definitions',
  'dependencies',
  'discriminator',
  'patternProperties',
  'additionalItems',
  'id',
  'readOnly',
  'writeOnly',
  'xml',
  'deprecated',
];
const FORBIDDEN_IN_VALUE_VALIDATION = [
  'additionalProperties',
  'default',
  'description',
  'nullable',
  'title',
  'type',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-list-type',
  'x-kubernetes-validations',
];

/** The root's type is checked before, with its own message. */
const ROOT = 'root';

type Problems = FieldError[];
/** A place inside a schema, such as `spec.validation.openAPIV3Schema.properties[spec]`. */
type At = string;

/**
 * What KEP-2335 asks of a schema: one type at every node, no references, and logical combinations that only restrict
 * what the structure beside them already names.
 */
export function structuralProblems(schema: JsonSchema, at: At): FieldError[] {
  const problems: Problems = [];
  if (!isObject(schema)) return [required(at, 'schemas are required')];
  if (schema.type !== 'object') {
    const path = `${at}.type`;
    problems.push(
      schema.type === undefined
        ? required(path, 'must not be empty at the root')
        : invalid(path, schema.type, 'must be object at the root'),
    );
  }
  if (schema.nullable) problems.push(forbidden(`${at}.nullable`, 'nullable cannot be true at the root'));
  checkRootMetadata(schema, at, problems);
  checkNode(schema, at, ROOT, problems);
  return problems;
}

function checkRootMetadata(schema: JsonSchema, at: At, problems: Problems): void {
  const metadata = schema.properties?.metadata;
  if (!isObject(metadata)) return;
  const path = child(at, 'properties', 'metadata');
  for (const name of Object.keys(metadata.properties ?? {})) {
    if (name !== 'name' && name !== 'generateName') {
      problems.push(
        forbidden(
          path,
          'must not specify anything other than name and generateName, but metadata is implicitly specified',
        ),
      );
    }
  }
  if (metadata.default !== undefined)
    problems.push(forbidden(`${path}.default`, 'must not be set in top-level metadata'));
}

function child(at: At, keyword: string, key: string | number): string {
  return `${at}.${keyword}[${key}]`;
}

function checkNode(schema: JsonSchema, at: At, kind: string, problems: Problems): void {
  if (!isObject(schema)) {
    problems.push(invalid(at, schema, 'must be a schema'));
    return;
  }
  checkNodeType(schema, at, kind, problems);
  checkKeywords(schema, at, problems);
  checkBounds(schema, at, problems);
  checkExtensions(schema, at, problems);
  checkListType(schema, at, problems);
  checkChildren(schema, at, problems);
  for (const [keyword, parts] of combinations(schema)) {
    parts.forEach((part, index) => {
      const path = keyword === 'not' ? `${at}.not` : child(at, keyword, index);
      checkValueValidation(part, schema, path, problems);
    });
  }
}

function combinations(schema: JsonSchema): [string, JsonSchema[]][] {
  return [
    ['allOf', schema.allOf ?? []],
    ['anyOf', schema.anyOf ?? []],
    ['oneOf', schema.oneOf ?? []],
    ['not', schema.not ? [schema.not] : []],
  ];
}

function checkNodeType(schema: JsonSchema, at: At, kind: string, problems: Problems): void {
  const path = `${at}.type`;
  const typeless = schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields'];
  if (schema.type === undefined || schema.type === '') {
    if (!typeless && kind !== ROOT) problems.push(required(path, `must not be empty for specified ${kind}`));
  } else if (!TYPES.includes(schema.type)) {
    problems.push(notSupported(path, schema.type, TYPES));
  } else if (schema['x-kubernetes-int-or-string']) {
    problems.push(forbidden(path, 'must be empty if x-kubernetes-int-or-string is true'));
  }
}

function checkKeywords(schema: JsonSchema, at: At, problems: Problems): void {
  for (const keyword of FORBIDDEN) {
    if (schema[keyword] !== undefined) problems.push(forbidden(`${at}.${keyword}`, `${keyword} is not supported`));
  }
  if (schema.uniqueItems === true)
    problems.push(
      forbidden(
        `${at}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  if (schema.additionalProperties === false)
    problems.push(forbidden(`${at}.additionalProperties`, 'additionalProperties cannot be set to false'));
  if (schema.additionalProperties !== undefined && schema.properties !== undefined) {
    problems.push(forbidden(`${at}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'));
  }
  if (schema.type === 'array' && schema.items === undefined && !schema['x-kubernetes-preserve-unknown-fields'])
    problems.push(required(`${at}.items`, 'must be specified'));
  if (Array.isArray(schema.items))
    problems.push(forbidden(`${at}.items`, 'items must be a schema object and not an array'));
  if (schema.pattern !== undefined) checkPattern(schema.pattern, at, problems);
  if (schema.enum !== undefined && !Array.isArray(schema.enum))
    problems.push(invalid(`${at}.enum`, schema.enum, 'must be a list'));
}

function checkPattern(pattern: Json, at: At, problems: Problems): void {
  try {
    compilePattern(String(pattern));
  } catch (error) {
    problems.push(
      invalid(`${at}.pattern`, pattern, `must be a valid regular expression, but isn't: ${(error as Error).message}`),
    );
  }
}

function checkBounds(schema: JsonSchema, at: At, problems: Problems): void {
  for (const keyword of ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties']) {
    const bound = schema[keyword];
    if (bound !== undefined && !(Number.isInteger(bound) && bound >= 0))
      problems.push(invalid(`${at}.${keyword}`, bound, 'must be a whole number, 0 or more'));
  }
}

function checkExtensions(schema: JsonSchema, at: At, problems: Problems): void {
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    problems.push(invalid(`${at}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  }
  if (!schema['x-kubernetes-embedded-resource']) return;
  if (schema.type !== 'object')
    problems.push(invalid(`${at}.type`, schema.type, 'must be object if x-kubernetes-embedded-resource is true'));
  if (!schema['x-kubernetes-preserve-unknown-fields'] && !schema.properties) {
    problems.push(
      required(
        `${at}.properties`,
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ),
    );
  }
}

function checkListType(schema: JsonSchema, at: At, problems: Problems): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'];
  const path = `${at}.x-kubernetes-list-type`;
  if (listType === undefined) {
    if (keys !== undefined) problems.push(required(path, 'must be map if x-kubernetes-list-map-keys is non-empty'));
    return;
  }
  if (schema.type !== 'array')
    problems.push(invalid(`${at}.type`, schema.type ?? '', 'must be array if x-kubernetes-list-type is specified'));
  if (!LIST_TYPES.includes(listType)) problems.push(notSupported(path, listType, LIST_TYPES));
  if (listType === 'set' && !isAtomic(schema.items))
    problems.push(forbidden(path, 'items must be scalars or atomic if x-kubernetes-list-type is set'));
  if (listType === 'map') checkMapKeys(schema, keys ?? [], at, problems);
}

function isAtomic(items: JsonSchema | undefined): boolean {
  if (items?.type === 'object') return items['x-kubernetes-map-type'] === 'atomic';
  return (
    items?.type !== 'array' ||
    items['x-kubernetes-list-type'] === undefined ||
    items['x-kubernetes-list-type'] === 'atomic'
  );
}

function checkMapKeys(schema: JsonSchema, keys: string[], at: At, problems: Problems): void {
  const path = `${at}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) problems.push(required(path, 'must not be empty if x-kubernetes-list-type is map'));
  for (const key of keys) {
    const property = schema.items?.properties?.[key];
    if (!property) problems.push(invalid(path, key, 'entries must all be names of item properties'));
    else if (property.type === 'object' || property.type === 'array')
      problems.push(invalid(path, key, 'entries must be of scalar type'));
    else if (property.default === undefined && !schema.items?.required?.includes(key)) {
      problems.push(
        required(
          `${at}.items.properties[${key}].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      );
    }
  }
}

function checkChildren(schema: JsonSchema, at: At, problems: Problems): void {
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    checkNode(property, child(at, 'properties', name), 'object fields', problems);
  if (isObject(schema.items)) checkNode(schema.items, `${at}.items`, 'array items', problems);
  if (isObject(schema.additionalProperties))
    checkNode(schema.additionalProperties, `${at}.additionalProperties`, 'object fields', problems);
}

/** Below allOf, anyOf, oneOf and not: only restrictions, and only of what `structure` names. */
function checkValueValidation(schema: JsonSchema, structure: JsonSchema, at: At, problems: Problems): void {
  const intOrString = structure['x-kubernetes-int-or-string'] === true;
  for (const keyword of FORBIDDEN_IN_VALUE_VALIDATION) {
    if (keyword === 'type' && intOrString) continue;
    if (schema[keyword] !== undefined)
      problems.push(forbidden(`${at}.${keyword}`, 'must be undefined to be structural'));
  }
  if (schema.pattern !== undefined) checkPattern(schema.pattern, at, problems);
  checkNamedOutside(schema, structure, at, problems);
  for (const [keyword, parts] of combinations(schema)) {
    parts.forEach((part, index) => {
      const path = keyword === 'not' ? `${at}.not` : child(at, keyword, index);
      checkValueValidation(part, structure, path, problems);
    });
  }
}

const NAMED_OUTSIDE = 'because it is defined in a logical combination, it must be specified outside of it too';

function checkNamedOutside(schema: JsonSchema, structure: JsonSchema, at: At, problems: Problems): void {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const beside = structure.properties?.[name];
    const path = child(at, 'properties', name);
    if (beside) checkValueValidation(property, beside, path, problems);
    else problems.push(required(path, NAMED_OUTSIDE));
  }
  if (!schema.items) return;
  if (structure.items) checkValueValidation(schema.items, structure.items, `${at}.items`, problems);
  else problems.push(required(`${at}.items`, NAMED_OUTSIDE));
}
