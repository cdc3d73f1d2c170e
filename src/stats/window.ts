import { LatencyHistogram, nearestRank } from './histogram.js';

/**
 * One probe's look at the system.
 *
 * Latency, honestly: a sample has one when it waited for an answer to the end. That is a success, or a failure that
 * used up its whole timeout, which then counts with at least that timeout. A quick refusal or a quick error page has
 * none: it would make the percentiles look better the more the system fails. Such failures show in the success rate.
 */
export interface Sample {
  /** When it was meant to be sent, in milliseconds on a monotonic clock. */
  at: number;
  ok: boolean;
  /** From the intended send time to the end of the answer, in milliseconds. */
  latencyMilliseconds?: number;
  /** An error of our own (sent late, evaluation cut off): it counts as neither success nor failure. */
  own?: boolean;
  /** It was not even tried, which tells less than any error of one that was. */
  untried?: boolean;
  /** What went wrong, for people. */
  detail?: string;
}

/** What a window of samples amounts to. */
export interface WindowSummary {
  /** Successes and failures; our own errors are not among them. */
  samples: number;
  succeeded: number;
  /** Samples that we failed to take. */
  ownErrors: number;
  /** 0 to 100; 0 when there are no samples. */
  successRate: number;
  /** How many samples have a latency; the percentiles are over these. When it is left out, `succeeded` is taken. */
  latencySamples?: number;
  latencyP50Milliseconds?: number;
  latencyP95Milliseconds?: number;
  latencyP99Milliseconds?: number;
  /** The longest row of failures, in the order of the intended send times. */
  consecutiveFailures: number;
  /** The latest failure, for people. */
  lastFailure?: string;
}

/** The samples of one probe in one stage, in constant memory. */
export class SampleWindow {
  readonly #latencies = new LatencyHistogram();
  #succeeded = 0;
  #failed = 0;
  #ownErrors = 0;
  #failuresInARow = 0;
  #mostFailuresInARow = 0;
  #lastFailure: string | undefined;
  #lastOwnError: string | undefined;
  #firstFailureAt: number | undefined;

  /** Adds a sample. They must come in the order of their intended send times, or rows of failures are miscounted. */
  add(sample: Sample): void {
    if (sample.own) {
      this.#ownErrors += 1;
      if (!sample.untried || this.#lastOwnError === undefined) this.#lastOwnError = sample.detail;
      return;
    }
    if (sample.latencyMilliseconds !== undefined) this.#latencies.record(sample.latencyMilliseconds);
    if (sample.ok) {
      this.#succeeded += 1;
      this.#failuresInARow = 0;
      return;
    }
    this.#failed += 1;
    this.#failuresInARow += 1;
    this.#mostFailuresInARow = Math.max(this.#mostFailuresInARow, this.#failuresInARow);
    this.#lastFailure = sample.detail;
    this.#firstFailureAt ??= sample.at;
  }

  /** How many samples in a row have failed up to now. */
  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  /** When the first failed sample was meant to be sent, on the clock of the samples. */
  get firstFailureAt(): number | undefined {
    return this.#firstFailureAt;
  }

  /** The latest error of our own, for people; of one that was tried, if there is one. */
  get lastOwnError(): string | undefined {
    return this.#lastOwnError;
  }

  /** What the samples amount to so far. */
  summary(): WindowSummary {
    return summarize({
      succeeded: this.#succeeded,
      failed: this.#failed,
      ownErrors: this.#ownErrors,
      consecutiveFailures: this.#mostFailuresInARow,
      lastFailure: this.#lastFailure,
      latencySamples: this.#latencies.total,
      quantile: (quantile) => this.#latencies.quantile(quantile),
    });
  }
}

/**
 * The newest samples of a probe, exactly: the steady state is back when these keep the expectation. Our own errors are
 * left out, so that a window spans as many real samples as it says.
 */
export class SlidingWindow {
  readonly #size: number;
  readonly #samples: Sample[] = [];

  /** Holds the newest `size` samples, at least 1. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Adds a sample and forgets the oldest one when there are too many. */
  add(sample: Sample): void {
    if (sample.own) return;
    this.#samples.push(sample);
    if (this.#samples.length > this.#size) this.#samples.shift();
  }

  /** Whether it holds as many samples as it can. */
  get full(): boolean {
    return this.#samples.length === this.#size;
  }

  /** When the oldest sample it holds was meant to be sent, on the clock of the samples. */
  get firstAt(): number | undefined {
    return this.#samples[0]?.at;
  }

  /** When the newest sample it holds was meant to be sent, on the clock of the samples. */
  get lastAt(): number | undefined {
    return this.#samples.at(-1)?.at;
  }

  /** What the samples it holds amount to. */
  summary(): WindowSummary {
    const latencies = this.#samples
      .flatMap(({ latencyMilliseconds }) => (latencyMilliseconds === undefined ? [] : [latencyMilliseconds]))
      .sort((a, b) => a - b);
    const succeeded = this.#samples.filter(({ ok }) => ok).length;
    return summarize({
      succeeded,
      failed: this.#samples.length - succeeded,
      ownErrors: 0,
      consecutiveFailures: longestFailure(this.#samples),
      lastFailure: this.#samples.findLast(({ ok }) => !ok)?.detail,
      latencySamples: latencies.length,
      quantile: (quantile) => latencies[nearestRank(quantile, latencies.length) - 1],
    });
  }
}

function longestFailure(samples: readonly Sample[]): number {
  let longest = 0;
  let row = 0;
  for (const { ok } of samples) {
    row = ok ? 0 : row + 1;
    longest = Math.max(longest, row);
  }
  return longest;
}

interface Counts {
  succeeded: number;
  failed: number;
  ownErrors: number;
  consecutiveFailures: number;
  lastFailure: string | undefined;
  latencySamples: number;
  quantile: (quantile: number) => number | undefined;
}

function summarize(counts: Counts): WindowSummary {
  const samples = counts.succeeded + counts.failed;
  return withoutUndefined({
    samples,
    succeeded: counts.succeeded,
    ownErrors: counts.ownErrors,
    successRate: successRate(counts.succeeded, samples),
    latencySamples: counts.latencySamples,
    latencyP50Milliseconds: counts.quantile(0.5),
    latencyP95Milliseconds: counts.quantile(0.95),
    latencyP99Milliseconds: counts.quantile(0.99),
    consecutiveFailures: counts.consecutiveFailures,
    lastFailure: counts.lastFailure,
  });
}

/** The share of successes, 0 to 100; 0 when there are no samples. */
function successRate(succeeded: number, samples: number): number {
  return samples === 0 ? 0 : (100 * succeeded) / samples;
}

/**
 * One summary for a stage that was watched in two parts, because the controller was restarted in between: `earlier` is
 * the checkpoint, `later` the window after it. Counts add up; percentiles can't be merged exactly, so the worse one
 * stands; rows of failures are not joined over the gap, in which nobody looked.
 */
export function mergeSummaries(earlier: WindowSummary, later: WindowSummary): WindowSummary {
  const samples = earlier.samples + later.samples;
  const succeeded = earlier.succeeded + later.succeeded;
  return withoutUndefined({
    samples,
    succeeded,
    ownErrors: earlier.ownErrors + later.ownErrors,
    successRate: successRate(succeeded, samples),
    latencySamples: latencySamples(earlier) + latencySamples(later),
    latencyP50Milliseconds: worse(earlier.latencyP50Milliseconds, later.latencyP50Milliseconds),
    latencyP95Milliseconds: worse(earlier.latencyP95Milliseconds, later.latencyP95Milliseconds),
    latencyP99Milliseconds: worse(earlier.latencyP99Milliseconds, later.latencyP99Milliseconds),
    consecutiveFailures: Math.max(earlier.consecutiveFailures, later.consecutiveFailures),
    lastFailure: later.lastFailure ?? earlier.lastFailure,
  });
}

/** How many samples of a summary have a latency. */
export function latencySamples(summary: WindowSummary): number {
  return summary.latencySamples ?? summary.succeeded;
}

function worse(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

function withoutUndefined(summary: { [K in keyof WindowSummary]: WindowSummary[K] | undefined }): WindowSummary {
  return Object.fromEntries(
    Object.entries(summary).filter(([, value]) => value !== undefined),
  ) as unknown as WindowSummary;
}
