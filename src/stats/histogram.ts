/** The largest relative error of a quantile. */
export const relativeError = 0.01;

const gamma = (1 + relativeError) / (1 - relativeError);
const logGamma = Math.log(gamma);
/** A microsecond and an hour, in milliseconds: what is measured lies between. */
const smallest = 1e-3;
const largest = 3_600_000;
const lowestIndex = Math.ceil(Math.log(smallest) / logGamma);
const buckets = Math.ceil(Math.log(largest) / logGamma) - lowestIndex + 1;

/**
 * A histogram of times in milliseconds whose buckets grow by a constant factor, so that every quantile is within 1 %
 * of the true value whatever was recorded (DDSketch: Masson, Rim, Lee, VLDB 2019). It takes 4.5 KB, and no more.
 * Values below a microsecond count as a microsecond, those above an hour as an hour.
 */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(buckets);
  #total = 0;
  #lowest = Number.POSITIVE_INFINITY;
  #highest = 0;

  /** How many values were recorded. */
  get total(): number {
    return this.#total;
  }

  /** Records one time in milliseconds. */
  record(milliseconds: number): void {
    const value = Math.min(Math.max(milliseconds, smallest), largest);
    const index = Math.ceil(Math.log(value) / logGamma) - lowestIndex;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total += 1;
    this.#lowest = Math.min(this.#lowest, value);
    this.#highest = Math.max(this.#highest, value);
  }

  /**
   * The value that a share of the recorded ones does not exceed (nearest rank), in milliseconds; `quantile` is above 0
   * and at most 1. Undefined when nothing was recorded.
   */
  quantile(quantile: number): number | undefined {
    if (this.#total === 0) return undefined;
    const rank = nearestRank(quantile, this.#total);
    let seen = 0;
    let index = -1;
    while (seen < rank) {
      index += 1;
      seen += this.#counts[index] ?? 0;
    }
    const middle = (2 * gamma ** (index + lowestIndex)) / (gamma + 1);
    return Math.min(Math.max(middle, this.#lowest), this.#highest);
  }
}

/** The 1-based place of a quantile among `total` values in order, by the nearest-rank definition. */
export function nearestRank(quantile: number, total: number): number {
  // 0.55 × 100 is 55.00000000000001 in doubles: without the allowance the rank would be one too high.
  return Math.max(1, Math.ceil(quantile * total - 1e-9));
}
