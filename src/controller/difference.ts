import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../kubernetes/resource.js';

/**
 * The merge patch (RFC 7386) that turns one object into another; undefined when they are equal. Lists are replaced
 * whole, and `null` removes a field.
 */
export function difference(from: Json, to: Json): Json | undefined {
  if (isDeepStrictEqual(from, to)) return undefined;
  if (!isRecord(from) || !isRecord(to)) return to;
  const patch: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    if (to[key] === undefined) {
      if (from[key] !== undefined) patch[key] = null;
      continue;
    }
    const part = difference(from[key], to[key]);
    if (part !== undefined) patch[key] = part;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

function isRecord(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
