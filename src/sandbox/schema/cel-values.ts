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

function isDuration(value: unknown): value is CelDuration {
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
