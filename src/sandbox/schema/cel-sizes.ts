import { escapeProperty } from './cel-types.js';
import type { SchemaNode } from './node.js';
import type { JsonSchema } from './types.js';

/** The most bytes of a request, and so of any value in it: what an unbounded field may grow to. */
const REQUEST_BYTES = 3 * 1024 * 1024;

/** The most a value may be, as far as the schema or the expression says. */
export interface Shape {
  /** Characters, items or entries; 1 for scalars. */
  size: number;
  node?: SchemaNode;
  /** What a list holds when no schema says it. */
  items?: Shape;
}

/** A number or a boolean. */
export const SCALAR: Shape = { size: 1 };
/** A value nothing bounds but the size of a request. */
export const UNKNOWN: Shape = { size: REQUEST_BYTES };

/** How many times a schema may occur in one object when some list or map above it is unbounded. */
export function maxCardinality(node: SchemaNode): number {
  return Math.floor(REQUEST_BYTES / (minimumBytes(node.schema) + 1));
}

/** The most a value of a schema may be. */
export function shapeOf(node: SchemaNode): Shape {
  return { size: maximumSize(node), node };
}

function maximumSize({ schema, items, additional }: SchemaNode): number {
  if (schema['x-kubernetes-int-or-string']) return REQUEST_BYTES - 2;
  if (schema.type === 'string') return maximumLength(schema);
  if (schema.type === 'array')
    return schema.maxItems ?? (REQUEST_BYTES - 2) / ((items ? minimumBytes(items.schema) : 1) + 1);
  if (additional) return schema.maxProperties ?? (REQUEST_BYTES - 2) / (minimumBytes(additional.schema) + 6);
  return schema.type === undefined || schema['x-kubernetes-preserve-unknown-fields'] ? REQUEST_BYTES : 1;
}

function maximumLength(schema: JsonSchema): number {
  if (schema.enum) return Math.max(1, ...schema.enum.map((value) => String(value).length));
  if (schema.format === 'date-time' || schema.format === 'duration' || schema.format === 'date') return 32;
  // maxLength counts characters, the budget bytes.
  return schema.maxLength === undefined ? REQUEST_BYTES - 2 : schema.maxLength * 4;
}

function minimumBytes(schema: JsonSchema): number {
  if (schema['x-kubernetes-int-or-string']) return 1;
  switch (schema.type) {
    case 'string':
    case 'array':
      return 2;
    case 'boolean':
      return 4;
    case 'object':
      return (schema.required ?? []).reduce(
        (sum, name) => sum + name.length + 4 + minimumBytes(schema.properties?.[name] ?? {}),
        2,
      );
    default:
      return 1;
  }
}

/** The items of a list. */
export function itemShape(shape: Shape): Shape {
  if (shape.items) return shape.items;
  if (shape.node?.items) return shapeOf(shape.node.items);
  return UNKNOWN;
}

/** What a comprehension variable takes: the items of a list, the keys of a map (whose length the API server ignores). */
export function elementShape(shape: Shape): Shape {
  return shape.node?.additional ? SCALAR : itemShape(shape);
}

/** A field, item or entry of a value. */
export function memberShape(shape: Shape, name: string | undefined): Shape {
  const { node } = shape;
  if (!node) return shape.items ?? UNKNOWN;
  if (node.additional) return shapeOf(node.additional);
  if (node.items) return shapeOf(node.items);
  for (const [property, child] of node.properties ?? []) {
    if (escapeProperty(property) === name) return shapeOf(child);
  }
  return node.resource && name === 'metadata' ? { size: 1 } : UNKNOWN;
}
