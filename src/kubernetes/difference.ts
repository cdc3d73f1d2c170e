import type { Json } from './resource.js';

/**
 * The merge patch (RFC 7386) that turns one object into another; undefined when they are equal. Lists are replaced
 * whole, and `null` removes a field.
 */
export function difference(from: Json, to: Json): Json | undefined {
  if (!isRecord(from) || !isRecord(to)) return isSame(from, to) ? undefined : to;
  const patch: Record<string, Json> = {};
  for (const key of keysOf(from, to)) {
    if (to[key] === undefined) {
      if (from[key] !== undefined) patch[key] = null;
      continue;
    }
    const part = difference(from[key], to[key]);
    if (part !== undefined) patch[key] = part;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** Equal as JSON: a field that is undefined is one that is missing. */
function isSame(a: Json, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  }
  if (!isRecord(a) || !isRecord(b)) return a === b;
  return keysOf(a, b).every((key) => isSame(a[key], b[key]));
}

function keysOf(a: Record<string, Json>, b: Record<string, Json>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])];
}

function isRecord(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
