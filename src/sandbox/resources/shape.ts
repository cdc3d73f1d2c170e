import { isRecord } from '../json.js';
import { BUILT_IN_SHAPES } from './built-in-shapes.js';

/**
 * The type of a field of a built-in kind. Strategic merge patch reads `mergeKey` and `mergeSet`, decoding reads the
 * rest.
 */
export type Shape =
  | { type: 'string' | 'integer' | 'boolean' | 'quantity' | 'intOrString' | 'time' | 'microTime' | 'bytes' | 'any' }
  | { type: 'map'; values: Shape }
  /** `mergeKey` is the member that identifies an item; `mergeSet` marks a list of scalars that merges as a set. */
  | { type: 'list'; items: Shape; mergeKey?: string; mergeSet?: boolean }
  | { type: 'object'; name: string; replace?: boolean };

/** What decoding found: fields of the wrong type are errors, unknown ones are dropped or refused as the caller asks. */
export interface ShapeReport {
  /** One sentence for each field of a wrong type. */
  errors: string[];
  /** Dotted paths of unknown fields. */
  unknown: string[];
}

const SCALARS: Record<string, Shape> = {
  s: { type: 'string' },
  i: { type: 'integer' },
  b: { type: 'boolean' },
  q: { type: 'quantity' },
  x: { type: 'intOrString' },
  t: { type: 'time' },
  m: { type: 'microTime' },
  y: { type: 'bytes' },
  any: { type: 'any' },
};

const parsed = new Map<string, Record<string, Shape>>();

/** The fields of a named shape, such as `PodSpec` or the kind `Pod`; undefined when the name is not known. */
export function fieldsOf(name: string): Record<string, Shape> | undefined {
  const source = BUILT_IN_SHAPES[name];
  if (source === undefined) {
    return undefined;
  }
  let fields = parsed.get(name);
  if (fields === undefined) {
    const entries = source.trim().split(/\s+/).filter(Boolean);
    fields = Object.fromEntries(entries.map(parseField));
    parsed.set(name, fields);
  }
  return fields;
}

function parseField(entry: string): [string, Shape] {
  const colon = entry.indexOf(':');
  return [entry.slice(0, colon), parseShape(entry.slice(colon + 1))];
}

/** `s`, `[s]`, `[s+]` (a set), `{s}` (a map), `Name`, `[Name]`, `[Name/key]`, `Name!` (patches replace it whole). */
function parseShape(text: string): Shape {
  if (text.startsWith('{')) {
    return { type: 'map', values: parseShape(text.slice(1, -1)) };
  }
  if (text.startsWith('[')) {
    const [item, mergeKey] = text.slice(1, -1).split('/');
    const mergeSet = item!.endsWith('+');
    return { type: 'list', items: parseShape(mergeSet ? item!.slice(0, -1) : item!), mergeKey, mergeSet };
  }
  const replace = text.endsWith('!');
  return SCALARS[text] ?? { type: 'object', name: replace ? text.slice(0, -1) : text, replace };
}

/** Compares an object with the shape of its kind. Kinds without a shape are taken as they are. */
export function checkShape(kind: string, object: unknown): ShapeReport {
  const report: ShapeReport = { errors: [], unknown: [] };
  if (fieldsOf(kind) !== undefined) {
    checkValue({ type: 'object', name: kind }, object, '', report);
  }
  return report;
}

/** Removes the fields that a report calls unknown, in place. */
export function dropUnknown(kind: string, object: unknown): void {
  dropFrom({ type: 'object', name: kind }, object);
}

function checkValue(shape: Shape, value: unknown, path: string, report: ShapeReport): void {
  if (value === null || value === undefined) {
    return;
  }
  if (shape.type === 'object') {
    checkObject(shape.name, value, path, report);
  } else if (shape.type === 'map') {
    checkMap(shape.values, value, path, report);
  } else if (shape.type === 'list') {
    checkList(shape.items, value, path, report);
  } else if (!isScalar(shape.type, value)) {
    report.errors.push(`${path}: expected ${shape.type}, got ${describe(value)}`);
  }
}

function checkObject(name: string, value: unknown, path: string, report: ShapeReport): void {
  if (!isRecord(value)) {
    report.errors.push(`${path}: expected object, got ${describe(value)}`);
    return;
  }
  const fields = fieldsOf(name);
  if (fields === undefined) {
    return;
  }
  for (const [key, member] of Object.entries(value)) {
    const memberPath = path === '' ? key : `${path}.${key}`;
    const shape = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (shape === undefined) {
      report.unknown.push(memberPath);
    } else {
      checkValue(shape, member, memberPath, report);
    }
  }
}

function checkMap(values: Shape, value: unknown, path: string, report: ShapeReport): void {
  if (!isRecord(value)) {
    report.errors.push(`${path}: expected map, got ${describe(value)}`);
    return;
  }
  for (const [key, member] of Object.entries(value)) {
    checkValue(values, member, `${path}.${key}`, report);
  }
}

function checkList(items: Shape, value: unknown, path: string, report: ShapeReport): void {
  if (!Array.isArray(value)) {
    report.errors.push(`${path}: expected list, got ${describe(value)}`);
    return;
  }
  value.forEach((item, index) => {
    if (item === null && items.type !== 'any') {
      report.errors.push(`${path}[${index}]: expected ${items.type}, got null`);
    }
    checkValue(items, item, `${path}[${index}]`, report);
  });
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
/** `metav1.MicroTime` wants exactly six digits of fraction: clients that send three are refused by a real server too. */
const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/;
const QUANTITY = /^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;
const BASE64 = /^[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*$/;

const SCALAR_CHECKS: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string',
  integer: Number.isSafeInteger,
  boolean: (value) => typeof value === 'boolean',
  quantity: (value) => typeof value === 'number' || (typeof value === 'string' && QUANTITY.test(value)),
  intOrString: (value) => typeof value === 'string' || Number.isSafeInteger(value),
  time: (value) => typeof value === 'string' && RFC3339.test(value),
  microTime: (value) => typeof value === 'string' && MICRO_TIME.test(value),
  bytes: (value) => typeof value === 'string' && BASE64.test(value),
};

function isScalar(type: string, value: unknown): boolean {
  return SCALAR_CHECKS[type]?.(value) ?? true;
}

function describe(value: unknown): string {
  if (isRecord(value) || Array.isArray(value)) {
    return Array.isArray(value) ? 'list' : 'object';
  }
  return `${typeof value} ${JSON.stringify(value)?.slice(0, 64)}`;
}

function dropFrom(shape: Shape, value: unknown): void {
  if (shape.type === 'list' && Array.isArray(value)) {
    for (const item of value) {
      dropFrom(shape.items, item);
    }
  } else if (shape.type === 'map' && isRecord(value)) {
    for (const member of Object.values(value)) {
      dropFrom(shape.values, member);
    }
  } else if (shape.type === 'object' && isRecord(value)) {
    dropFromObject(shape.name, value);
  }
}

function dropFromObject(name: string, value: Record<string, unknown>): void {
  const fields = fieldsOf(name);
  if (fields === undefined) {
    return;
  }
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(fields, key)) {
      dropFrom(fields[key]!, value[key]);
    } else {
      delete value[key];
    }
  }
}
