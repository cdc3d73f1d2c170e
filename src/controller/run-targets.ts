import type { ExperimentRun } from '../api/experiment-run.js';
import type { Client } from '../kubernetes/client.js';
import type { KnownPod } from './projections.js';
import { TargetWatch } from './target-watch.js';

const RETRY_MILLISECONDS = 2_000;

/** The pods that the steps of active runs name, watched only while a run is active. */
export class RunTargets {
  readonly #runs = new Map<string, Map<string, TargetWatch>>();

  /** `onChange` gets the UID of a run some of whose pods have changed. */
  constructor(
    readonly client: Client,
    readonly onChange: (runUid: string) => void,
    readonly onError: (error: unknown) => void,
  ) {}

  /** How many runs have their targets watched. */
  get size(): number {
    return this.#runs.size;
  }

  /** Watches a run's targets from now on. Steps that name the same pods share a watch. */
  ensure(run: ExperimentRun): void {
    const { uid, namespace = '' } = run.metadata;
    if (this.#runs.has(uid)) return;
    const shared = new Map<string, TargetWatch>();
    const steps = new Map<string, TargetWatch>();
    for (const { name, targets } of run.spec.template.method) {
      const { selector, names, workload } = targets.pods;
      const key = JSON.stringify({ selector, names, workload });
      const watch =
        shared.get(key) ??
        new TargetWatch(this.client, namespace, targets.pods, () => this.onChange(uid), this.onError);
      shared.set(key, watch);
      steps.set(name, watch);
    }
    this.#runs.set(uid, steps);
    for (const watch of shared.values()) void this.#start(uid, watch);
  }

  /** The pods of every step; undefined while those of one are not known. */
  pods(runUid: string): Record<string, KnownPod[]> | undefined {
    const steps = this.#runs.get(runUid);
    if (!steps) return undefined;
    const known: Record<string, KnownPod[]> = {};
    for (const [name, watch] of steps) {
      const listed = watch.list();
      if (!listed) return undefined;
      known[name] = listed;
    }
    return known;
  }

  /** Why the pods of a run can't be known: the controller may not read them. */
  refusal(runUid: string): string | undefined {
    return [...(this.#runs.get(runUid)?.values() ?? [])].find(({ refusal }) => refusal)?.refusal;
  }

  /** The pods of one step by UID; undefined while they are not known. */
  podsOfStep(runUid: string, step: string): ReadonlyMap<string, KnownPod> | undefined {
    return this.#runs.get(runUid)?.get(step)?.byUid();
  }

  stop(runUid: string): void {
    for (const watch of new Set(this.#runs.get(runUid)?.values())) void watch.stop();
    this.#runs.delete(runUid);
  }

  stopAll(): void {
    for (const uid of [...this.#runs.keys()]) this.stop(uid);
  }

  async #start(uid: string, watch: TargetWatch): Promise<void> {
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
