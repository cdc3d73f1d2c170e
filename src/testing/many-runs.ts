import type { ExperimentRun } from '../api/experiment-run.js';
import { runKey, type Stored, type Trial, TrialCluster } from './trial-cluster.js';
import { CallError, TrialProcess } from './trial-process.js';

/** What came of a trial. */
export interface TrialResult {
  runs: ExperimentRun[];
  /** Targets on at the same time by account, at their worst. */
  peaks: Map<string, number>;
  crashes: number;
}

/** After so many moves a trial that has not ended never will. */
const MOST_MOVES = 60_000;

/** Random numbers that a seed repeats (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A trial while it is played: in each move a little happens, and what it is is drawn. */
class Play {
  readonly #random: () => number;
  readonly cluster: TrialCluster;
  crashes = 0;
  #process: TrialProcess;
  #late: (() => void)[] = [];
  #arrived = 0;

  constructor(readonly trial: Trial) {
    this.#random = randomOf(trial.seed);
    this.cluster = new TrialCluster(trial);
    this.#process = new TrialProcess(this.cluster, this.#random);
    this.cluster.onChange = (change) => this.#process.news.push(change);
  }

  isOver(): boolean {
    const isOpen = ({ object }: Stored<ExperimentRun>) =>
      !object.status?.finishTime || (object.metadata.finalizers?.length ?? 0) > 0;
    return this.#arrived === this.trial.runs.length && ![...this.cluster.runs.values()].some(isOpen);
  }

  move(): void {
    const { cluster, trial } = this;
    cluster.now += Math.floor(this.#random() * 40);
    if (this.#happens(trial.arrival)) this.#arrive();
    if (this.#happens(trial.crash)) this.#crash();
    if (this.#happens(trial.churn)) cluster.lose(this.#pick(cluster.pods)?.uid ?? '');
    if (this.#happens(0.1)) this.#deliverLate();
    const news = this.#happens(0.6) ? this.#process.news.shift() : undefined;
    if (news) this.#process.learn(news);
    if (this.#happens(0.5)) this.#workOnInjection();
    else this.#workOnRun();
  }

  #arrive(): void {
    const next = this.trial.runs[this.#arrived];
    if (!next) return;
    this.#arrived += 1;
    this.cluster.write('run', runKey(next.run), structuredClone(next.run));
  }

  /** What was sent and has no answer yet may still be carried out. */
  #crash(): void {
    this.crashes += 1;
    this.#late.push(...[...this.#process.calls.values()].filter(() => this.#happens(0.3)));
    this.#process = new TrialProcess(this.cluster, this.#random);
  }

  #deliverLate(): void {
    const call = this.#pick(this.#late);
    this.#late = this.#late.filter((each) => each !== call);
    try {
      call?.();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
    }
  }

  #workOnInjection(): void {
    const [name, stored] = this.#pick([...this.cluster.injections]) ?? [];
    const { run, step = '' } = stored?.object.spec ?? {};
    const facts = this.trial.runs.find((each) => each.run.metadata.uid === run?.uid)?.facts[step];
    if (name && facts) this.#process.step(name, () => this.#process.reconcileInjection(name, facts));
  }

  #workOnRun(): void {
    const own = this.#pick(this.trial.runs.slice(0, this.#arrived));
    if (own) this.#process.step(runKey(own.run), () => this.#process.reconcileRun(runKey(own.run), own));
  }

  #happens(chance: number): boolean {
    return this.#random() < chance;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }
}

/** Plays a trial to the end of all its runs. */
export function tryOut(trial: Trial): TrialResult {
  const play = new Play(trial);
  for (let move = 0; move < MOST_MOVES && !play.isOver(); move += 1) play.move();
  const runs = [...play.cluster.runs.values()].map(({ object }) => object);
  return { runs, peaks: play.cluster.peaks, crashes: play.crashes };
}
