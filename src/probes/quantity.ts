/**
 * A Kubernetes quantity (`500m`, `1.5Gi`, `2e3`), as in the API server's CEL library. Exact: a count of thousandths of
 * thousandths (nano units), so that `0.1` and `100m` are equal.
 */
export class Quantity {
  readonly nano: bigint;

  constructor(nano: bigint) {
    this.nano = nano;
  }

  /** @throws RangeError when the text is not a quantity */
  static parse(text: string): Quantity {
    const [, sign, whole = '', fraction = '', suffix = ''] = shape.exec(text) ?? [];
    if (whole + fraction === '') {
      throw new RangeError(
        `'${text.slice(0, 64)}' is not a quantity: expected a number and a suffix, such as 500m or 1Gi`,
      );
    }
    const { multiplier, divisor } = scaleOf(suffix);
    const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
    const denominator = 10n ** BigInt(fraction.length) * divisor;
    return new Quantity((digits * multiplier * nanos) / denominator);
  }

  /** -1, 0 or 1. */
  compareTo(other: Quantity): bigint {
    if (this.nano === other.nano) return 0n;
    return this.nano < other.nano ? -1n : 1n;
  }
}

const nanos = 1_000_000_000n;
// Lengths are bounded: BigInt arithmetic on long input is quadratic.
const shape = /^([+-]?)(\d{0,30})(?:\.(\d{0,30}))?((?:[eE][+-]?\d{1,2})|[a-zA-Z]{0,2})$/;

const decimal: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const binary: readonly string[] = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

function scaleOf(suffix: string): { multiplier: bigint; divisor: bigint } {
  const power = binary.indexOf(suffix) + 1;
  if (power > 0) return { multiplier: 1024n ** BigInt(power), divisor: 1n };
  const exponent = /^[eE]/.test(suffix) && suffix.length > 1 ? Number(suffix.slice(1)) : decimal[suffix];
  if (exponent === undefined) {
    throw new RangeError(
      `'${suffix}' is not the suffix of a quantity: expected one of n u m k M G T P E Ki Mi Gi Ti Pi Ei`,
    );
  }
  const scale = 10n ** BigInt(Math.abs(exponent));
  return exponent < 0 ? { multiplier: 1n, divisor: scale } : { multiplier: scale, divisor: 1n };
}
