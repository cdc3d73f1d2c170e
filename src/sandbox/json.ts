import type { Json } from './store/types.js';

/** Whether a value is an object that is neither null nor an array. */
export function isRecord(value: unknown): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A deep copy of a JSON value; several times faster than structuredClone. Members that are undefined are left out. */
export function cloneJson<T>(value: T): T {
  if (Array.isArray(value)) {
    return value.map(cloneJson) as T;
  }
  if (!isRecord(value)) {
    return value;
  }
  const copy: Record<string, Json> = {};
  for (const key of Object.keys(value)) {
    if (value[key] !== undefined) {
      setMember(copy, key, cloneJson(value[key]));
    }
  }
  return copy as T;
}

/** A value from a client in a message: text as it is, anything else as JSON. An object may have a `toString` of its own. */
export function shownJson(value: Json): string {
  return typeof value === 'string' ? value : String(JSON.stringify(value));
}

/** Sets an own member, also when its name is `__proto__`. */
export function setMember(object: Record<string, Json>, key: string, value: Json): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[key] = value;
  }
}

/** Whether two JSON values are equal; a member that is undefined counts as absent. */
export function equalJson(left: Json, right: Json): boolean {
  if (left === right) {
    return true;
  }
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) && left.length === right.length && left.every((item, index) => equalJson(item, right[index]))
    );
  }
  return isRecord(left) && isRecord(right) && equalRecords(left, right);
}

function equalRecords(left: Record<string, Json>, right: Record<string, Json>): boolean {
  for (const key of Object.keys(left)) {
    if (!equalJson(left[key], right[key])) {
      return false;
    }
  }
  return Object.keys(right).every((key) => right[key] === undefined || left[key] !== undefined);
}

/** The value at a path of member names, or undefined as soon as one is missing. */
export function valueAt(value: Json, path: readonly string[]): Json {
  let current = value;
  for (const key of path) {
    if (!isRecord(current)) {
      return undefined;
    }
    current = current[key];
  }
  return current;
}
