import type { HypothesisProbe, ProbeStage } from '../api/experiment.js';
import type { ExperimentRun, StageResult } from '../api/experiment-run.js';
import type { ProbeWindow, RunObserved } from '../domain/observed.js';
import { probeOf } from '../probes/index.js';
import type { ProbeRunner } from '../probes/runner.js';
import { mergeSummaries, type Sample, type SampleWindow, SlidingWindow, type WindowSummary } from '../stats/window.js';

/** A timeout of a probe is not known here; a stage is waited for at least this much longer than its samples take. */
const SAMPLING_SLACK_MILLISECONDS = 2_000;

/** After so many intervals without a sample that counts, nobody was looking. */
const GAP_INTERVALS = 3;

/** One probe of one run, sampled without a break from the baseline to the end. */
interface Session {
  id: string;
  probe: HypothesisProbe;
  minSamples: number;
  interval: number;
  windows: Partial<Record<Exclude<ProbeStage, 'After'>, SampleWindow>>;
  /** What an earlier process measured of the fault, read from the status. */
  carried: WindowSummary | undefined;
  newest: SlidingWindow;
  afterSince: number;
  /** Since when samples after the fault have come without a gap, and the latest of them. */
  watchedSince: number | undefined;
  latestAt: number;
}

/** Keeps the probes of all runs sampled in the stage that each run is in. */
export class Prober {
  readonly #runs = new Map<string, { stage: ProbeStage | undefined; sessions: Session[] }>();

  /** `serverNow` is API-server time in milliseconds. */
  constructor(
    readonly runner: ProbeRunner,
    readonly serverNow: () => number,
  ) {}

  /** How many runs have probes. */
  get size(): number {
    return this.#runs.size;
  }

  /** Brings a run's probes into a stage; undefined: none is sampled any more. */
  ensure(run: ExperimentRun, stage: ProbeStage | undefined): void {
    if (!stage) {
      this.stop(run.metadata.uid);
      return;
    }
    const known = this.#runs.get(run.metadata.uid) ?? this.#start(run);
    if (known.stage === stage) return;
    for (const session of known.sessions) this.#enter(session, stage);
    known.stage = stage;
  }

  /** Stops a run's probes and forgets what they measured. */
  stop(uid: string): void {
    for (const { id } of this.#runs.get(uid)?.sessions ?? []) this.runner.stop(id);
    this.#runs.delete(uid);
  }

  /** Stops all probes, such as when another controller has taken over. */
  stopAll(): void {
    for (const uid of [...this.#runs.keys()]) this.stop(uid);
  }

  /** What was measured of a run, by probe and stage. */
  windows(uid: string): RunObserved['windows'] {
    const known = this.#runs.get(uid);
    if (!known) return {};
    return Object.fromEntries(
      known.sessions.map((session) => [session.probe.name, this.#measured(session, known.stage)]),
    );
  }

  #start(run: ExperimentRun): { stage: ProbeStage | undefined; sessions: Session[] } {
    const sessions = (run.spec.template.hypothesis ?? []).map((entry) => this.#startSession(run, entry));
    const known = { stage: undefined, sessions };
    this.#runs.set(run.metadata.uid, known);
    return known;
  }

  #startSession(run: ExperimentRun, entry: HypothesisProbe): Session {
    const { probe, spec } = probeOf(entry);
    const minSamples = entry.minSamples ?? probe.minimumSamples;
    const session: Session = {
      id: `${run.metadata.uid}/${entry.name}`,
      probe: entry,
      minSamples,
      interval: probe.interval(spec),
      windows: {},
      carried: carriedOver(run, entry.name),
      newest: new SlidingWindow(minSamples),
      afterSince: Number.POSITIVE_INFINITY,
      watchedSince: undefined,
      latestAt: Number.NEGATIVE_INFINITY,
    };
    const take = (sample: Sample) => {
      if (sample.at < session.afterSince) return;
      session.newest.add(sample);
      if (!sample.own) noteLook(session, sample.at);
    };
    this.runner.start({ id: session.id, probe: entry, namespace: run.metadata.namespace ?? '' }, take);
    return session;
  }

  /** Samples that are under way stay with the stage in which they were sent; its window is kept for them. */
  #enter(session: Session, stage: ProbeStage): void {
    this.runner.reset(session.id);
    if (stage === 'After') session.afterSince = performance.now();
    else session.windows[stage] = this.runner.window(session.id);
  }

  #measured(session: Session, stage: ProbeStage | undefined): Partial<Record<ProbeStage, ProbeWindow>> {
    const { windows, minSamples, carried } = session;
    const samplingMilliseconds = minSamples * session.interval + SAMPLING_SLACK_MILLISECONDS;
    const common = { minSamples, samplingMilliseconds };
    const settled = stage === 'After' && this.runner.settled(session.id);
    const measured: Partial<Record<ProbeStage, ProbeWindow>> = {};
    if (windows.Before)
      measured.Before = { summary: windows.Before.summary(), settled: true, ...ownError(windows.Before), ...common };
    if (windows.During) {
      const summary = windows.During.summary();
      measured.During = {
        summary: carried ? mergeSummaries(carried, summary) : summary,
        settled,
        ...ownError(windows.During),
        ...common,
      };
    }
    if (stage === 'After') measured.After = { ...this.#after(session), settled: true, ...common };
    return measured;
  }

  #after({ newest, watchedSince }: Session): { summary: WindowSummary; firstAt?: number; watchedSince?: number } {
    const { firstAt } = newest;
    if (firstAt === undefined || watchedSince === undefined) return { summary: newest.summary() };
    const inServerTime = (at: number) => this.serverNow() - (performance.now() - at);
    return { summary: newest.summary(), firstAt: inServerTime(firstAt), watchedSince: inServerTime(watchedSince) };
  }
}

/** A few samples that fail on our side are no gap. */
function noteLook(session: Session, at: number): void {
  const isGap = at - session.latestAt > GAP_INTERVALS * session.interval + SAMPLING_SLACK_MILLISECONDS;
  if (session.watchedSince === undefined || isGap) session.watchedSince = at;
  session.latestAt = Math.max(session.latestAt, at);
}

function ownError({ lastOwnError }: SampleWindow): { ownError?: string } {
  return lastOwnError === undefined ? {} : { ownError: lastOwnError };
}

function carriedOver(run: ExperimentRun, name: string): WindowSummary | undefined {
  const stages = run.status?.probes?.find((each) => each.name === name)?.stages;
  const result = stages?.find(({ stage }) => stage === 'During');
  return result && summaryOf(result);
}

function summaryOf(result: StageResult): WindowSummary {
  const {
    samples,
    ownErrors,
    successRate = 0,
    consecutiveFailures,
    stage: _stage,
    held: _held,
    message,
    ...latencies
  } = result;
  const succeeded = Math.round((samples * successRate) / 100);
  return {
    samples,
    succeeded,
    ownErrors,
    successRate,
    consecutiveFailures,
    ...latencies,
    ...(message && { lastFailure: message }),
  };
}
