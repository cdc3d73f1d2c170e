import { type At, checkCombinations, checkCompleteness, checkPattern, child, type Problems } from './combinations.js';
import { forbidden, invalid, notSupported, required } from './errors.js';
import { type FieldError, isObject, type JsonSchema } from './types.js';

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
/** The root's type is checked before, with its own message. */
const ROOT = 'root';

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
  if (schema.additionalProperties !== undefined)
    problems.push(forbidden(`${at}.additionalProperties`, 'must not be used at the root'));
  if (schema.nullable) problems.push(forbidden(`${at}.nullable`, 'nullable cannot be true at the root'));
  checkRootMetadata(schema, at, problems);
  checkNode(schema, at, ROOT, problems);
  checkCompleteness(schema, schema, at, at, problems);
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
  checkCombinations(schema, at, problems);
}

function checkNodeType(schema: JsonSchema, at: At, kind: string, problems: Problems): void {
  const path = `${at}.type`;
  const typeless = schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields'];
  if (schema.type === undefined || schema.type === '') {
    if (!typeless && kind !== ROOT) problems.push(required(path, `must not be empty for specified ${kind}`));
  } else if (!TYPES.includes(schema.type)) {
    problems.push(notSupported(path, schema.type, TYPES));
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
  if (isObject(schema.additionalProperties) && Object.keys(schema.properties ?? {}).length > 0) {
    problems.push(forbidden(`${at}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'));
  }
  if (schema.type === 'array' && schema.items === undefined)
    problems.push(required(`${at}.items`, 'must be specified'));
  if (Array.isArray(schema.items))
    problems.push(forbidden(`${at}.items`, 'items must be a schema object and not an array'));
  if (schema.pattern !== undefined) checkPattern(schema.pattern, at, problems);
  if (schema.enum !== undefined && !Array.isArray(schema.enum))
    problems.push(invalid(`${at}.enum`, schema.enum, 'must be a list'));
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
  if (!schema['x-kubernetes-preserve-unknown-fields'] && Object.keys(schema.properties ?? {}).length === 0) {
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
  if (listType === 'set') checkSetItems(schema.items, at, problems);
  if (listType === 'map') checkMapKeys(schema, keys ?? [], at, problems);
}

function checkSetItems(items: JsonSchema | undefined, at: At, problems: Problems): void {
  const keyword = { object: 'x-kubernetes-map-type', array: 'x-kubernetes-list-type' }[items?.type ?? ''];
  const value = keyword && items?.[keyword];
  // A list is atomic unless it says otherwise, an object only when it says so.
  if (keyword === undefined || value === 'atomic' || (value === undefined && items?.type === 'array')) return;
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  problems.push(invalid(`${at}.items.${keyword}`, value ?? null, detail));
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
