import { columns } from '../src/cli/text.js';

/** One thing that was measured, beside what it is compared with. */
export interface Figure {
  /** What was measured. */
  what: string;
  /** What it is compared with. */
  against: string;
  unit: 'ms' | 'MiB' | 'calls';
  /** One value per round. */
  ours: readonly number[];
  /** The values of the same rounds, in the same order. */
  floor: readonly number[];
  /** What the figure is made of, in lines that are printed below all figures. */
  parts?: readonly string[];
}

/** A set of figures that share a setting, under the name it is run by. */
export interface Benchmark {
  name: string;
  /** Measures everything anew; takes up to about a minute. */
  run(): Promise<Figure[]>;
}

/** The middle and the ends of some values. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** A figure as it is printed. The ratio is that of each round: what slows both alike leaves it as it is. */
export interface Summary {
  benchmark: string;
  what: string;
  against: string;
  unit: Figure['unit'];
  rounds: number;
  ours: Spread;
  floor: Spread;
  ratio: Spread;
  parts?: readonly string[];
}

/** Sums up the rounds of a figure. */
export function summarize(benchmark: string, { what, against, unit, ours, floor, parts }: Figure): Summary {
  const ratios = ours.map((value, round) => value / (floor[round] ?? Number.NaN));
  return {
    benchmark,
    what,
    against,
    unit,
    rounds: ours.length,
    ours: spreadOf(ours),
    floor: spreadOf(floor),
    ratio: spreadOf(ratios),
    ...(parts && { parts }),
  };
}

/** A table for people: a line per figure, medians with the ends in brackets. Below it, what some of them are made of. */
export function table(summaries: readonly Summary[]): string {
  const header = ['BENCHMARK', 'WHAT', 'OURS', 'AGAINST', 'FLOOR', 'RATIO', 'ROUNDS'];
  const parts = summaries.flatMap(({ what, parts = [] }) => (parts.length > 0 ? ['', `${what}:`, ...parts] : []));
  return [...columns([header, ...summaries.map(rowOf)]), ...parts].join('\n');
}

function rowOf({ benchmark, what, against, unit, rounds, ours, floor, ratio }: Summary): string[] {
  return [benchmark, what, words(ours, unit), against, words(floor, unit), words(ratio, ''), String(rounds)];
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

function words({ median, min, max }: Spread, unit: string): string {
  return `${rounded(median)}${unit && ` ${unit}`} (${rounded(min)}–${rounded(max)})`;
}

function rounded(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
