import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import { believed } from '../domain/belief.js';
import { keyOf } from '../kubernetes/resource.js';
import type { Plans } from './agent-plans.js';
import type { Caches } from './caches.js';

/** What this process remembers of a run between two looks. All of it can be lost: the status and the injections say enough. */
export interface RunMemory {
  uid: string;
  /** The status we last decided on. While we lead it is the truth, whatever someone wrote into the object. */
  status: RunStatus | undefined;
  /** When the status was last written, on the monotonic clock. */
  writtenAt: number;
  /** When this process saw the run first, on the monotonic clock. */
  knownSince: number;
  /** What speaks against the template, which never changes. */
  problems: string[];
  /** What the API server refused us to do for it. */
  refusal?: string;
  /** The nodes that the last decision has asked for. */
  nodes: readonly string[];
  /** What agents can't do of the method, by what they and the namespace allow. */
  plans: Map<string, Plans>;
}

/** The runs that are under way, with the status that may be trusted. */
export class RunRecords {
  readonly #memory = new Map<string, RunMemory>();

  constructor(readonly caches: Caches) {}

  /** How many runs are remembered. */
  get size(): number {
    return this.#memory.size;
  }

  /** By `namespace/name`. */
  memory(key: string): RunMemory | undefined {
    return this.#memory.get(key);
  }

  remember(key: string, memory: RunMemory): void {
    this.#memory.set(key, memory);
  }

  forget(key: string): void {
    this.#memory.delete(key);
  }

  entries(): [key: string, memory: RunMemory][] {
    return [...this.#memory];
  }

  /** A run that needs the controller, with the status it really has; undefined when it is over or gone. */
  run(namespace: string | undefined, name: string): ExperimentRun | undefined {
    const cached = this.caches.runs.get(namespace, name);
    if (!cached || cached.finished) return undefined;
    const { run, uid } = cached;
    const memory = this.#memory.get(keyOf(namespace, name));
    const known = memory?.uid === uid ? memory.status : undefined;
    const status = known ?? believed(run, this.caches.injectionsOf(uid));
    const { status: _written, ...rest } = run;
    return { ...rest, ...(status && { status }) };
  }
}
