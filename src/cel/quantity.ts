import type { Environment } from '@marcbachmann/cel-js';

const SYNTAX = /^([+-]?)(\d*)(?:\.(\d*))?(?:(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)|[eE]([+-]?\d{1,2}))?$/;
const DECIMAL: Record<string, number> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Record<string, bigint> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const NANO = 1_000_000_000n;

/** A Kubernetes quantity (`250m`, `1.5Gi`), held in billionths and rounded up to them as the API server does. */
export class Quantity {
  constructor(readonly nanos: bigint) {}
}

/** @throws when the text is no quantity */
export function parseQuantity(text: string): Quantity {
  const match = text.length > 64 ? null : SYNTAX.exec(text);
  const [, sign = '', whole = '', fraction = '', suffix = '', exponent] = match ?? [];
  if (!match || whole + fraction === '')
    throw new Error(
      `'${text.slice(0, 64)}' is not a quantity: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
    );
  const shift = BINARY[suffix];
  const power = shift === undefined ? (DECIMAL[suffix] ?? Number(exponent ?? 0)) : 0;
  const scale = 9 + power - fraction.length;
  const digits = BigInt(whole + fraction) << (shift ?? 0n);
  const nanos = scale >= 0 ? digits * 10n ** BigInt(scale) : roundUp(digits, 10n ** BigInt(-scale));
  return new Quantity(sign === '-' ? -nanos : nanos);
}

function roundUp(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor;
}

function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch {
    return false;
  }
}

/** -1, 0 or 1: how two amounts of billionths order. */
function compare(left: bigint, right: bigint): bigint {
  if (left === right) return 0n;
  return left < right ? -1n : 1n;
}

function toInteger({ nanos }: Quantity): bigint {
  const value = nanos / NANO;
  if (nanos % NANO !== 0n || BigInt.asIntN(64, value) !== value) throw new Error('cannot convert value to integer');
  return value;
}

/** Adds the `quantity()` library of Kubernetes' CEL (kubernetes.io/docs/reference/using-api/cel). */
export function registerQuantity(environment: Environment): void {
  environment
    .registerType('Quantity', { ctor: Quantity, fields: {} })
    .registerFunction('quantity(string): Quantity', parseQuantity, { async: false })
    .registerFunction('isQuantity(string): bool', isQuantity, { async: false })
    .registerFunction('Quantity.isInteger(): bool', ({ nanos }: Quantity) => nanos % NANO === 0n, { async: false })
    .registerFunction('Quantity.asInteger(): int', toInteger, { async: false })
    .registerFunction('Quantity.asApproximateFloat(): double', ({ nanos }: Quantity) => Number(nanos) / 1e9, {
      async: false,
    })
    .registerFunction('Quantity.sign(): int', ({ nanos }: Quantity) => compare(nanos, 0n), { async: false })
    .registerFunction(
      'Quantity.add(Quantity): Quantity',
      (a: Quantity, b: Quantity) => new Quantity(a.nanos + b.nanos),
      { async: false },
    )
    .registerFunction('Quantity.add(int): Quantity', (a: Quantity, b: bigint) => new Quantity(a.nanos + b * NANO), {
      async: false,
    })
    .registerFunction(
      'Quantity.sub(Quantity): Quantity',
      (a: Quantity, b: Quantity) => new Quantity(a.nanos - b.nanos),
      { async: false },
    )
    .registerFunction('Quantity.sub(int): Quantity', (a: Quantity, b: bigint) => new Quantity(a.nanos - b * NANO), {
      async: false,
    })
    .registerFunction('Quantity.compareTo(Quantity): int', (a: Quantity, b: Quantity) => compare(a.nanos, b.nanos), {
      async: false,
    })
    .registerFunction('Quantity.isGreaterThan(Quantity): bool', (a: Quantity, b: Quantity) => a.nanos > b.nanos, {
      async: false,
    })
    .registerFunction('Quantity.isLessThan(Quantity): bool', (a: Quantity, b: Quantity) => a.nanos < b.nanos, {
      async: false,
    })
    .registerOperator('Quantity == Quantity', (a: Quantity, b: Quantity) => a.nanos === b.nanos);
}
