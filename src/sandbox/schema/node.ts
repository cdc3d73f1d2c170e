import { isObject, type JsonSchema } from './types.js';

/** A schema with its children looked up once, so that walking an object costs no more than the object. */
export interface SchemaNode {
  schema: JsonSchema;
  /** The value types allowed; undefined allows every type. */
  types: readonly string[] | undefined;
  properties: ReadonlyMap<string, SchemaNode> | undefined;
  /** The schema of map values. */
  additional: SchemaNode | undefined;
  /** Unknown fields are kept: `x-kubernetes-preserve-unknown-fields` or `additionalProperties: true`. */
  open: boolean;
  /** Holds apiVersion, kind and metadata even when the schema does not list them. */
  resource: boolean;
  items: SchemaNode | undefined;
  nullable: boolean;
  enums: ReadonlySet<unknown> | undefined;
  allOf: readonly SchemaNode[];
  anyOf: readonly SchemaNode[];
  oneOf: readonly SchemaNode[];
  not: SchemaNode | undefined;
  /** The JSON type names of list-map keys with their defaults, for correlation and uniqueness. */
  mapKeys: readonly string[];
}

/** Prepares a schema. `root` marks the top of a custom resource. */
export function buildNode(schema: JsonSchema, root = false): SchemaNode {
  const { additionalProperties } = schema;
  return {
    schema,
    types: typesOf(schema),
    properties:
      schema.properties && new Map(Object.entries(schema.properties).map(([name, child]) => [name, buildNode(child)])),
    additional: isObject(additionalProperties) ? buildNode(additionalProperties) : undefined,
    open: schema['x-kubernetes-preserve-unknown-fields'] === true || additionalProperties === true,
    resource: root || schema['x-kubernetes-embedded-resource'] === true,
    items: schema.items && buildNode(schema.items),
    nullable: schema.nullable === true,
    enums: scalarSet(schema.enum),
    allOf: (schema.allOf ?? []).map((child) => buildNode(child)),
    anyOf: isIntOrStringMarker(schema) ? [] : (schema.anyOf ?? []).map((child) => buildNode(child)),
    oneOf: (schema.oneOf ?? []).map((child) => buildNode(child)),
    not: schema.not && buildNode(schema.not),
    mapKeys: schema['x-kubernetes-list-type'] === 'map' ? (schema['x-kubernetes-list-map-keys'] ?? []) : [],
  };
}

function typesOf(schema: JsonSchema): string[] | undefined {
  if (schema['x-kubernetes-int-or-string']) return ['integer', 'string'];
  return schema.type === undefined ? undefined : [schema.type];
}

/** controller-gen writes this beside `x-kubernetes-int-or-string`; it says nothing the marker does not. */
function isIntOrStringMarker(schema: JsonSchema): boolean {
  return schema['x-kubernetes-int-or-string'] === true;
}

function scalarSet(values: readonly unknown[] | undefined): Set<unknown> | undefined {
  return values?.every((value) => typeof value !== 'object' || value === null) ? new Set(values) : undefined;
}

/** The schema of a property, be it listed or a map value. */
export function childNode(node: SchemaNode, key: string): SchemaNode | undefined {
  return node.properties?.get(key) ?? node.additional;
}

/** The JSON type of a value by its OpenAPI name. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
