/** The middle, the mean and the end of some delays, in milliseconds. */
export interface DelayFigures {
  mean: number;
  p50: number;
  p99: number;
  deviation: number;
}

/** Sums up delays. */
export function delayFigures(milliseconds: readonly number[]): DelayFigures {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  const mean = sorted.reduce((sum, each) => sum + each, 0) / sorted.length;
  const squares = sorted.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  return { mean, p50: at(0.5), p99: at(0.99), deviation: Math.sqrt(squares / sorted.length) };
}

/**
 * The share of `hits` in `trials` with its confidence interval, by Wilson's score (E. B. Wilson, 1927).
 *
 * @param z how many standard deviations wide to each side; 1.96 is 95 %, 3.29 is 99.9 %
 */
export function shareFigures(hits: number, trials: number, z = 1.96): { share: number; low: number; high: number } {
  const share = hits / trials;
  const weight = 1 / (1 + z ** 2 / trials);
  const middle = weight * (share + z ** 2 / (2 * trials));
  const half = weight * z * Math.sqrt((share * (1 - share)) / trials + z ** 2 / (4 * trials ** 2));
  return { share, low: middle - half, high: middle + half };
}
