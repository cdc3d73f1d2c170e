import { formatPath } from './errors.js';
import { buildNode, childNode, type SchemaNode } from './node.js';
import { copyJson, isObject, type Json, setKey } from './types.js';

/** Knows no field. */
const NOTHING = buildNode({});
const RESOURCE_FIELDS = new Set(['apiVersion', 'kind', 'metadata']);

/**
 * A deep copy without the fields the schema does not know, as the API server stores it; their paths go to `unknown`.
 */
export function prune(node: SchemaNode, value: Json, path: (string | number)[], unknown: (string | number)[][]): Json {
  if (Array.isArray(value)) return pruneList(node, value, path, unknown);
  if (isObject(value)) return pruneObject(node, value, path, unknown);
  return value;
}

function pruneList(node: SchemaNode, list: Json[], path: (string | number)[], unknown: (string | number)[][]): Json[] {
  // A list where none is expected is refused later; until then nothing in it is known.
  const items = node.items ?? (node.open ? undefined : NOTHING);
  if (!items) return copyJson(list);
  return list.map((item, index) => {
    path.push(index);
    const copy = prune(items, item, path, unknown);
    path.pop();
    return copy;
  });
}

function pruneObject(
  node: SchemaNode,
  value: Record<string, Json>,
  path: (string | number)[],
  unknown: (string | number)[][],
): Json {
  const copy: Record<string, Json> = {};
  for (const key of Object.keys(value)) {
    const known = childNode(node, key);
    path.push(key);
    if (known && !(node.resource && key === 'metadata')) setKey(copy, key, prune(known, value[key], path, unknown));
    else if (node.open || (node.resource && RESOURCE_FIELDS.has(key))) setKey(copy, key, copyJson(value[key]));
    else unknown.push([...path]);
    path.pop();
  }
  return copy;
}

/** The text form of pruned paths, as in `unknown field "spec.foo"`. */
export function formatUnknown(unknown: (string | number)[][]): string[] {
  return unknown.map(formatPath);
}
