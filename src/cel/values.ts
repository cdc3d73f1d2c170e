import { Environment } from '@marcbachmann/cel-js';

/** What cel-js makes of a duration: seconds and nanoseconds of the same sign. */
export interface CelDuration {
  readonly seconds: bigint;
  readonly nanos: number;
}

type DurationConstructor = new (seconds: bigint, nanos: number) => CelDuration;

// cel-js does not export its Duration, and its type check accepts no other class.
const Duration = new Environment().evaluate('duration("0s")').constructor as DurationConstructor;

const UNITS: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const SECOND = 1_000_000_000n;

/**
 * A Go duration such as `1h30m` or `-250ms`. cel-js' own parser takes cubic time on a long row of digits.
 * @throws when the text is no duration
 */
export function parseDuration(text: string): CelDuration {
  const body = /^[+-]/.test(text) ? text.slice(1) : text;
  if (text.length > 64 || !/^(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/.test(body))
    throw new Error("type conversion error from 'string' to 'google.protobuf.Duration'");
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of body.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const scale = UNITS[unit] ?? 0n;
    nanos += BigInt(whole || '0') * scale + (BigInt(fraction || '0') * scale) / 10n ** BigInt(fraction.length);
  }
  if (text.startsWith('-')) nanos = -nanos;
  return new Duration(nanos / SECOND, Number(nanos % SECOND));
}

/** A duration as CEL prints it: in seconds, such as `90s` or `-0.25s`. */
export function printDuration({ seconds, nanos }: CelDuration): string {
  const total = seconds * SECOND + BigInt(nanos);
  const size = total < 0n ? -total : total;
  const fraction = (size % SECOND).toString().padStart(9, '0').replace(/0+$/, '');
  return `${total < 0n ? '-' : ''}${size / SECOND}${fraction === '' ? '' : `.${fraction}`}s`;
}

/** A timestamp as CEL prints it: RFC 3339 in UTC, with no more digits than it needs. */
export function printTimestamp(time: Date): string {
  return time.toISOString().replace(/\.?0+Z$/, 'Z');
}

const MAX_INT = 2 ** 63;

/**
 * The CEL value of parsed JSON of which no schema is known. JSON has one type of number, CEL has two that do not mix: as
 * in the API server, a whole number is an int. Objects become maps, since a key such as `constructor` has a meaning to
 * an object of JavaScript.
 */
export function fromJson(json: unknown): unknown {
  if (typeof json === 'number') return Number.isInteger(json) && Math.abs(json) < MAX_INT ? BigInt(json) : json;
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== 'object' || json === null) return json;
  return new Map(Object.entries(json).map(([key, value]) => [key, fromJson(value)]));
}

/** Whether a CEL value is a duration. */
export function isDuration(value: unknown): value is CelDuration {
  return value instanceof Duration;
}

/** Equality of CEL values: structural for lists, maps and objects, numeric across int and double. */
export function equalCel(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
    // biome-ignore lint/suspicious/noDoubleEquals: 1n and 1 are equal in CEL
    return isNumber(left) && isNumber(right) && left == right;
  }
  if (left instanceof Set || right instanceof Set) return equalSets(left, right);
  if (isMap(left) && isMap(right)) return equalMaps(left, right);
  if (left.constructor !== right.constructor) return false;
  if (left instanceof Date) return left.getTime() === (right as Date).getTime();
  if (isDuration(left))
    return left.seconds === (right as CelDuration).seconds && left.nanos === (right as CelDuration).nanos;
  return equalStructures(left as Record<string, unknown>, right as Record<string, unknown>);
}

function equalSets(left: object, right: object): boolean {
  const [first, second] = [[...(left as Iterable<unknown>)], [...(right as Iterable<unknown>)]];
  return first.length === second.length && first.every((item) => second.some((other) => equalCel(item, other)));
}

/** A map is a Map when it comes from JSON, and a plain object when it is a literal of the expression. */
function isMap(value: object): value is Map<unknown, unknown> | Record<string, unknown> {
  return value instanceof Map || value.constructor === Object;
}

function equalMaps(left: object, right: object): boolean {
  const [first, second] = [left, right].map((map) => (map instanceof Map ? map : new Map(Object.entries(map))));
  if (first === undefined || second === undefined || first.size !== second.size) return false;
  return [...first].every(([key, value]) => second.has(key) && equalCel(value, second.get(key)));
}

function isNumber(value: unknown): boolean {
  return typeof value === 'bigint' || typeof value === 'number';
}

function equalStructures(left: Record<string, unknown>, right: Record<string, unknown>): boolean {
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && equalCel(left[key], right[key]))
  );
}
