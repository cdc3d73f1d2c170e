import {
  type Comparison,
  type ComparisonUnit,
  compare,
  formatComparison,
  formatMeasured,
  parseComparison,
} from './comparison.js';
import { latencySamples, type WindowSummary } from './window.js';

/** What a hypothesis expects of a probe: limits as they are written in an experiment. */
export interface Expectation {
  /** The share of samples that succeed, such as `>= 99%`. */
  successRate?: string;
  /** Percentiles of the latency, such as `< 300ms`. */
  latencyP50?: string;
  latencyP95?: string;
  latencyP99?: string;
  /** The longest row of failures, such as `<= 3`. */
  consecutiveFailures?: string;
  /** CEL on the object(s) read; a sample succeeds when it is true. Evaluated where samples are taken, not here. */
  that?: string;
}

/** Whether an expectation held, and what spoke against it. */
export interface Judgement {
  /** Undefined when there are not enough samples to tell. */
  held: boolean | undefined;
  /** A sentence per limit that was not kept, with the value and the limit. */
  violations: string[];
}

/** A limit that can't be read, and where it is. */
export interface ExpectationProblem {
  field: keyof Expectation;
  message: string;
}

type LimitField = Exclude<keyof Expectation, 'that'>;

const limitUnits: Record<LimitField, ComparisonUnit> = {
  successRate: 'percent',
  latencyP50: 'milliseconds',
  latencyP95: 'milliseconds',
  latencyP99: 'milliseconds',
  consecutiveFailures: 'count',
};

const everySample: Comparison = { operator: '==', limit: 100, unit: 'percent' };

/** The limits of an expectation that can't be read or that can't be judged; none when it is sound. */
export function checkExpectation(expect: Expectation): ExpectationProblem[] {
  return Object.entries(limitUnits).flatMap(([name, unit]) => {
    const field = name as LimitField;
    const text = expect[field];
    const message = text === undefined ? undefined : problemWith(field, text, unit);
    return message === undefined ? [] : [{ field, message }];
  });
}

function problemWith(field: LimitField, text: string, unit: ComparisonUnit): string | undefined {
  try {
    const { operator } = parseComparison(text, unit);
    return field === 'consecutiveFailures' && !operator.startsWith('<')
      ? `'${text}' is not a limit for failures in a row: expected < or <= and a whole number, such as '<= 3'`
      : undefined;
  } catch (error) {
    return (error as RangeError).message;
  }
}

/**
 * Judges a window by an expectation. Nothing is concluded from fewer than `minimum` samples (for percentiles: samples
 * that have a latency), with one exception: a row of failures that is too long stays too long whatever follows.
 *
 * When there is no limit at all, or only `that`, every sample must succeed. With percentiles alone only these are
 * judged; a service that refuses everything then has no latency, and the answer is "can't tell", never "held".
 *
 * @throws RangeError when a limit can't be read; `checkExpectation` finds these beforehand
 */
export function judge(expect: Expectation, summary: WindowSummary, { minimum }: { minimum: number }): Judgement {
  const findings = [
    judgeRow(expect, summary),
    judgeRate(expect, summary, minimum),
    ...judgePercentiles(expect, summary, minimum),
  ];
  const violations = findings.flatMap(({ violation }) => (violation === undefined ? [] : [violation]));
  if (violations.length > 0) return { held: false, violations };
  return { held: findings.every(({ known }) => known) ? true : undefined, violations };
}

/** What one limit says: `known` when there is enough to tell. */
interface Finding {
  known: boolean;
  violation?: string | undefined;
}

function judgeRow(expect: Expectation, summary: WindowSummary): Finding {
  if (expect.consecutiveFailures === undefined) return { known: true };
  const limit = parseComparison(expect.consecutiveFailures, 'count');
  if (compare(summary.consecutiveFailures, limit)) return { known: true };
  const last = summary.lastFailure ? ` (last: ${summary.lastFailure})` : '';
  return {
    known: true,
    violation: `${summary.consecutiveFailures} samples in a row failed, expected ${formatComparison(limit)}${last}`,
  };
}

function judgeRate(expect: Expectation, summary: WindowSummary, minimum: number): Finding {
  if (summary.samples < Math.max(minimum, 1)) return { known: false };
  const limit = rateLimit(expect);
  const rate = (100 * summary.succeeded) / summary.samples;
  if (limit === undefined || compare(rate, limit)) return { known: true };
  const last = summary.lastFailure ? ` (last failure: ${summary.lastFailure})` : '';
  const counted = `${summary.succeeded} of ${summary.samples} samples succeeded`;
  return {
    known: true,
    violation: `success rate was ${formatMeasured(rate, limit)}, expected ${formatComparison(limit)}: ${counted}${last}`,
  };
}

/** The limit on the success rate: the one given, or "every sample" where nothing else says when a sample is bad. */
function rateLimit(expect: Expectation): Comparison | undefined {
  if (expect.successRate !== undefined) return parseComparison(expect.successRate, 'percent');
  if (expect.consecutiveFailures !== undefined) return undefined;
  const hasPercentile = [expect.latencyP50, expect.latencyP95, expect.latencyP99].some((limit) => limit !== undefined);
  return expect.that !== undefined || !hasPercentile ? everySample : undefined;
}

function judgePercentiles(expect: Expectation, summary: WindowSummary, minimum: number): Finding[] {
  return [
    judgePercentile('p50', expect.latencyP50, summary.latencyP50Milliseconds, summary, minimum),
    judgePercentile('p95', expect.latencyP95, summary.latencyP95Milliseconds, summary, minimum),
    judgePercentile('p99', expect.latencyP99, summary.latencyP99Milliseconds, summary, minimum),
  ];
}

function judgePercentile(
  name: string,
  text: string | undefined,
  value: number | undefined,
  summary: WindowSummary,
  minimum: number,
): Finding {
  if (text === undefined) return { known: true };
  if (value === undefined || latencySamples(summary) < minimum) return { known: false };
  const limit = parseComparison(text, 'milliseconds');
  if (compare(value, limit)) return { known: true };
  return {
    known: true,
    violation: `${name} latency was ${formatMeasured(value, limit)}, expected ${formatComparison(limit)}`,
  };
}
