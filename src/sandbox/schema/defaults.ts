import { childNode, type SchemaNode } from './node.js';
import { copyJson, isObject, type Json, setKey } from './types.js';

/**
 * Fills in defaults in place, as the API server does on every read and write. A null where the schema is not nullable
 * is dropped first, so it takes the default too.
 */
export function applyDefaults(node: SchemaNode, value: Json): void {
  if (Array.isArray(value)) applyToList(node, value);
  else if (isObject(value)) applyToObject(node, value);
}

function applyToList(node: SchemaNode, list: Json[]): void {
  const { items } = node;
  if (!items) return;
  for (let index = 0; index < list.length; index++) {
    if (list[index] === null && takesDefault(items)) list[index] = copyJson(items.schema.default);
    applyDefaults(items, list[index]);
  }
}

function applyToObject(node: SchemaNode, object: Record<string, Json>): void {
  dropNulls(node, object);
  if (node.properties) {
    for (const [key, child] of node.properties) {
      if (!Object.hasOwn(object, key) && child.schema.default !== undefined)
        setKey(object, key, copyJson(child.schema.default));
    }
  }
  for (const key of Object.keys(object)) {
    const child = childNode(node, key);
    if (child && !(node.resource && key === 'metadata')) applyDefaults(child, object[key]);
  }
}

function dropNulls(node: SchemaNode, object: Record<string, Json>): void {
  for (const key of Object.keys(object)) {
    if (object[key] !== null) continue;
    const child = childNode(node, key);
    if (!child || child.nullable) continue;
    if (node.properties?.has(key) || !takesDefault(child)) delete object[key];
    else object[key] = copyJson(child.schema.default);
  }
}

function takesDefault(node: SchemaNode): boolean {
  return !node.nullable && node.schema.default !== undefined;
}
