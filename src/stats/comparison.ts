import { formatDuration, parseDuration } from './duration.js';

/** What a limit is compared with: a share in percent, a time in milliseconds, or a count. */
export type ComparisonUnit = 'percent' | 'milliseconds' | 'count';

/** The operators a limit may have. */
export type Operator = '<' | '<=' | '>' | '>=' | '==';

/** A limit such as `>= 99%`, `< 300ms` or `<= 3`. */
export interface Comparison {
  operator: Operator;
  /** The limit: 0 to 100 for `percent`, milliseconds for `milliseconds`, a whole number for `count`. */
  limit: number;
  unit: ComparisonUnit;
}

const shape = /^\s*(<=|>=|==|<|>)\s*(\S+)\s*$/;

const expectedShape: Record<ComparisonUnit, string> = {
  percent: "an operator (<, <=, >, >=, ==) and a percentage, such as '>= 99%'",
  milliseconds: "an operator (<, <=, >, >=, ==) and a duration, such as '< 300ms'",
  count: "an operator (<, <=, >, >=, ==) and a whole number, such as '<= 3'",
};

/**
 * Reads a limit. The unit follows from what is judged, so that `successRate: "< 300ms"` is an error.
 *
 * @throws RangeError saying what was expected
 */
export function parseComparison(text: string, unit: ComparisonUnit): Comparison {
  const [, operator, value] = shape.exec(text) ?? [];
  const limit = value === undefined ? undefined : readLimit(value, unit);
  if (operator === undefined || limit === undefined) {
    throw new RangeError(`'${text}' is not a limit: expected ${expectedShape[unit]}`);
  }
  return { operator: operator as Operator, limit, unit };
}

function readLimit(value: string, unit: ComparisonUnit): number | undefined {
  if (unit === 'milliseconds') return readDuration(value);
  if (unit === 'count') return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  const percent = /^\d{1,3}(?:\.\d+)?%$/.test(value) ? Number(value.slice(0, -1)) : Number.NaN;
  return percent <= 100 ? percent : undefined;
}

function readDuration(value: string): number | undefined {
  try {
    return parseDuration(value);
  } catch {
    return undefined;
  }
}

/** Whether a value keeps within a limit. */
export function compare(value: number, { operator, limit }: Comparison): boolean {
  switch (operator) {
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
    case '==':
      return value === limit;
  }
}

/** Writes a limit as it is written in an experiment: `>= 99%`. */
export function formatComparison({ operator, limit, unit }: Comparison): string {
  return `${operator} ${formatLimit(limit, unit)}`;
}

/**
 * Writes a measured value in the unit of its limit, with as many digits as it takes to tell the two apart: 98.996 %
 * against `>= 99%` must not be shown as `99%`.
 */
export function formatMeasured(value: number, { limit, unit }: Comparison): string {
  const format = unit === 'percent' ? formatPercent : formatTime;
  if (unit === 'count') return String(value);
  for (const digits of [1, 2, 3, 6]) {
    const text = format(value, digits);
    if (value === limit || text !== format(limit, digits)) return text;
  }
  return unit === 'percent' ? `${value}%` : `${value}ms`;
}

function formatPercent(value: number, digits: number): string {
  return `${Number(value.toFixed(digits))}%`;
}

function formatTime(milliseconds: number, digits: number): string {
  return digits === 1 ? formatDuration(milliseconds) : `${Number(milliseconds.toFixed(digits))}ms`;
}

function formatLimit(value: number, unit: ComparisonUnit): string {
  if (unit === 'percent') return `${value}%`;
  return unit === 'milliseconds' ? formatDuration(value) : String(value);
}
