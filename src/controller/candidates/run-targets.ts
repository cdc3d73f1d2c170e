import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Candidate } from '../../domain/observed.js';
import type { Client } from '../../kubernetes/client.js';
import { watchOf } from './candidate-watch.js';
import type { CandidateWatch } from './watched-candidates.js';

const RETRY_MILLISECONDS = 2_000;

/** The candidates that the steps of active runs name, watched only while a run is active. */
export class RunTargets {
  readonly #runs = new Map<string, Map<string, CandidateWatch>>();

  /** `onChange` gets the UID of a run some of whose candidates have changed. */
  constructor(
    readonly client: Client,
    readonly onChange: (runUid: string) => void,
    readonly onError: (error: unknown) => void,
    /** The node that the controller runs on, where that is known. */
    readonly ownNode?: string,
  ) {}

  /** How many runs have their targets watched. */
  get size(): number {
    return this.#runs.size;
  }

  /** Watches a run's targets from now on. Steps that name the same share a watch. */
  ensure(run: ExperimentRun): void {
    const { uid, namespace = '' } = run.metadata;
    if (this.#runs.has(uid)) return;
    const shared = new Map<string, CandidateWatch>();
    const steps = new Map<string, CandidateWatch>();
    for (const { name, targets } of run.spec.template.method) {
      const { count: _count, percent: _percent, follow: _follow, ...what } = targets;
      const { selector, names, workload, zones } = what.pods ?? {};
      const key = JSON.stringify(what.pods ? { selector, names, workload, zones } : what);
      const { client, onError, ownNode } = this;
      const options = { client, namespace, ownNode, onChange: () => this.onChange(uid), onError };
      const watch = shared.get(key) ?? watchOf(targets, options);
      shared.set(key, watch);
      steps.set(name, watch);
    }
    this.#runs.set(uid, steps);
    for (const watch of shared.values()) void this.#start(uid, watch);
  }

  /** The candidates of every step; undefined while those of one are not known. */
  candidates(runUid: string): Record<string, Candidate[]> | undefined {
    const steps = this.#runs.get(runUid);
    if (!steps) return undefined;
    const known: Record<string, Candidate[]> = {};
    for (const [name, watch] of steps) {
      const listed = watch.list();
      if (!listed) return undefined;
      known[name] = listed;
    }
    return known;
  }

  /** By the step, the nodes beside its candidates that could take pods; see `spareNodes` of a run. */
  spareNodes(runUid: string): Record<string, readonly string[]> {
    const steps = [...(this.#runs.get(runUid) ?? [])];
    return Object.fromEntries(steps.flatMap(([name, watch]) => (watch.spares ? [[name, watch.spares()]] : [])));
  }

  /** Why the candidates of a run can't be known: the controller may not read them. */
  refusal(runUid: string): string | undefined {
    return [...(this.#runs.get(runUid)?.values() ?? [])].find(({ refusal }) => refusal)?.refusal;
  }

  /** The candidates of one step by UID; undefined while they are not known. */
  candidatesOf(runUid: string, step: string): ReadonlyMap<string, Candidate> | undefined {
    return this.#runs.get(runUid)?.get(step)?.byUid();
  }

  stop(runUid: string): void {
    for (const watch of new Set(this.#runs.get(runUid)?.values())) void watch.stop();
    this.#runs.delete(runUid);
  }

  stopAll(): void {
    for (const uid of [...this.#runs.keys()]) this.stop(uid);
  }

  async #start(uid: string, watch: CandidateWatch): Promise<void> {
    while (this.#runs.has(uid)) {
      try {
        await watch.start();
        return;
      } catch (error) {
        if (!this.#runs.has(uid)) return;
        this.onError(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
      }
    }
  }
}
