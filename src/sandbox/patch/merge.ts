import { cloneJson, isRecord, setMember } from '../json.js';
import type { Json } from '../store/types.js';

/** Applies a JSON merge patch (RFC 7386): members are merged, null removes, anything else replaces. */
export function applyMergePatch(target: Json, patch: Json): Json {
  if (!isRecord(patch)) {
    return cloneJson(patch);
  }
  const result = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      delete result[key];
    } else {
      setMember(result, key, applyMergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value));
    }
  }
  return result;
}
