import type { HypothesisProbe, ProbeStage } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import type { ProbeWindow, RunObserved } from '../domain/observed.js';
import { mergeSummaries, SampleWindow, SlidingWindow, type WindowSummary } from '../stats/window.js';

/** How one probe fares: when samples fail, in milliseconds since the start of the simulation. */
export interface ProbeProcess {
  interval: number;
  bad: { from: number; to: number }[];
  /** Samples fail while fewer pods than this are Ready. */
  minReady: number;
}

interface Session {
  probe: HypothesisProbe;
  process: ProbeProcess;
  lastAt: number;
  windows: Partial<Record<Exclude<ProbeStage, 'After'>, SampleWindow>>;
  carried: WindowSummary | undefined;
  newest: SlidingWindow;
}

/** Samples made of nothing, kept in windows like the controller does; all of it is lost with the process. */
export class SimulatedProber {
  #stage: ProbeStage | undefined;
  #sessions: Session[] = [];
  #afterSince = Infinity;

  constructor(
    readonly processes: Readonly<Record<string, ProbeProcess>>,
    readonly start: number,
  ) {}

  /** Brings the probes into a stage; undefined: they stop, and what they measured is forgotten. */
  ensure(run: ExperimentRun, stage: ProbeStage | undefined, now: number): void {
    if (stage === this.#stage) return;
    this.#stage = stage;
    if (!stage) {
      this.#sessions = [];
      return;
    }
    if (this.#sessions.length === 0) this.#sessions = this.#begin(run, now);
    if (stage === 'After') this.#afterSince = now;
    else for (const session of this.#sessions) session.windows[stage] = new SampleWindow();
  }

  #begin(run: ExperimentRun, now: number): Session[] {
    return (run.spec.template.hypothesis ?? []).flatMap((probe) => {
      const process = this.processes[probe.name];
      if (!process) return [];
      const newest = new SlidingWindow(probe.minSamples ?? 3);
      return [{ probe, process, lastAt: now, windows: {}, carried: carriedOver(run, probe.name), newest }];
    });
  }

  /** Takes all samples that are due. */
  advance(now: number, ready: number): void {
    for (const session of this.#sessions) {
      const { interval, bad, minReady } = session.process;
      while (session.lastAt + interval <= now) {
        session.lastAt += interval;
        const since = session.lastAt - this.start;
        const ok = ready >= minReady && !bad.some(({ from, to }) => since >= from && since < to);
        const sample = { at: session.lastAt, ok, ...(!ok && { detail: 'refused' }) };
        if (this.#stage === 'After') session.newest.add(sample);
        else if (this.#stage) session.windows[this.#stage]?.add(sample);
      }
    }
  }

  windows(now: number): RunObserved['windows'] {
    return Object.fromEntries(this.#sessions.map((session) => [session.probe.name, this.#measured(session, now)]));
  }

  #measured(session: Session, now: number): Partial<Record<ProbeStage, ProbeWindow>> {
    const { windows, carried, newest, probe, process } = session;
    const minSamples = probe.minSamples ?? 3;
    const common = { minSamples, samplingMilliseconds: minSamples * process.interval + 2_000 };
    const measured: Partial<Record<ProbeStage, ProbeWindow>> = {};
    if (windows.Before) measured.Before = { summary: windows.Before.summary(), settled: true, ...common };
    if (windows.During) {
      const summary = windows.During.summary();
      const settled = this.#stage === 'After' && now >= this.#afterSince + 300;
      measured.During = { summary: carried ? mergeSummaries(carried, summary) : summary, settled, ...common };
    }
    if (this.#stage === 'After') {
      const { firstAt } = newest;
      const summary = newest.summary();
      measured.After = { summary, settled: true, ...common, ...(firstAt !== undefined && { firstAt }) };
    }
    return measured;
  }
}

function carriedOver(run: ExperimentRun, name: string): WindowSummary | undefined {
  const stages = run.status?.probes?.find((each) => each.name === name)?.stages;
  const result = stages?.find(({ stage }) => stage === 'During');
  if (!result) return undefined;
  const { samples, ownErrors, successRate = 0, consecutiveFailures } = result;
  const succeeded = Math.round((samples * successRate) / 100);
  return { samples, succeeded, ownErrors, successRate, consecutiveFailures };
}
