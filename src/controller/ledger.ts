import type { ExperimentRun } from '../api/experiment-run.js';
import type { Target } from '../api/injection.js';
import { heldBy } from '../domain/reservations.js';
import type { Reservation } from '../domain/survey.js';
import type { Caches } from './caches.js';

/**
 * What every run holds. A decision takes effect here in the same turn of the event loop in which it was made, before any
 * of its writes is under way, so that two runs can't both count on the same room; what an earlier process has left is read
 * from the injections.
 */
export class Ledger {
  readonly #held = new Map<string, Reservation>();

  constructor(readonly caches: Caches) {}

  /** Records what a run holds from now on. */
  set({ metadata }: ExperimentRun, targets: readonly Target[]): void {
    const { namespace = '', name, uid } = metadata;
    this.#held.set(uid, { run: { namespace, name, uid }, targets });
  }

  /** Forgets what this process has decided for a run; its injections still count while they are there. */
  release(uid: string): void {
    this.#held.delete(uid);
  }

  reset(): void {
    this.#held.clear();
  }

  /** What all runs but this one hold. */
  others(uid: string): Reservation[] {
    const found = new Map<string, Reservation>();
    for (const injection of this.caches.injections.list()) {
      const { run } = injection.spec;
      if (run.uid === uid || this.#held.has(run.uid)) continue;
      const targets = [...(found.get(run.uid)?.targets ?? []), ...heldBy([injection])];
      found.set(run.uid, { run, targets });
    }
    for (const [holder, reservation] of this.#held) if (holder !== uid) found.set(holder, reservation);
    return [...found.values()];
  }
}
