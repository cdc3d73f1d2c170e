import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Injection } from '../../api/injection.js';
import { LABEL_EXPERIMENT } from '../../api/labels.js';
import { holdingOf } from '../../domain/reservations.js';
import type { Holding, Reservation } from '../../domain/survey.js';
import { isDisruptive } from '../../faults/fault.js';
import { faults } from '../../faults/index.js';
import type { Caches } from '../caches.js';

/** What the ledger looks at of what is stored. */
export interface LedgerCaches {
  injections: Pick<Caches['injections'], 'list'>;
  runs: Pick<Caches['runs'], 'get'>;
}

/**
 * What every run holds. A decision takes effect here in the same turn of the event loop in which it was made, before any
 * of its writes is under way, so that two runs can't both count on the same room; what an earlier process has left is read
 * from the injections.
 */
export class Ledger {
  readonly #held = new Map<string, Reservation>();

  constructor(readonly caches: LedgerCaches) {}

  /** Records what a run holds from now on. */
  set({ metadata }: ExperimentRun, holding: Holding): void {
    const { namespace = '', name, uid } = metadata;
    this.#held.set(uid, { run: { namespace, name, uid }, ...madeFrom(metadata), ...holding });
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
    const left = new Map<string, Injection[]>();
    for (const injection of this.caches.injections.list()) {
      const { run } = injection.spec;
      if (run.uid === uid || this.#held.has(run.uid)) continue;
      left.set(run.uid, [...(left.get(run.uid) ?? []), injection]);
    }
    const decided = [...this.#held].flatMap(([holder, reservation]) => (holder === uid ? [] : [reservation]));
    return [...decided, ...[...left.values()].map((own) => this.#reservation(own))];
  }

  /** What a run holds that this process has not decided on, by its injections. */
  #reservation(injections: readonly Injection[]): Reservation {
    const run = injections[0]?.spec.run ?? { namespace: '', name: '', uid: '' };
    const cached = this.caches.runs.get(run.namespace, run.name);
    const live = cached?.uid === run.uid && !cached.finished ? cached.run : undefined;
    const facts = Object.fromEntries(injections.map(({ spec }) => [spec.step, effectsOf(spec)]));
    // Its status may be anybody's; without it, everything counts that is not certainly off.
    const status = live ? {} : { finishTime: 'over' };
    const made = live ? madeFrom(live.metadata) : {};
    return { run, ...made, ...holdingOf({ method: live?.spec.template.method ?? [], status, facts }, injections) };
  }
}

function madeFrom({ labels }: ExperimentRun['metadata']): { experiment?: string } {
  const experiment = labels?.[LABEL_EXPERIMENT];
  return experiment === undefined ? {} : { experiment };
}

/** What a fault costs; of one that this version does not know, the most. */
function effectsOf(spec: Injection['spec']): { oneShot: boolean; disrupts: boolean } {
  const fault = faults.find(({ name }) => (spec as unknown as Record<string, unknown>)[name] !== undefined);
  const params = (spec as unknown as Record<string, unknown>)[fault?.name ?? ''];
  return { oneShot: fault?.oneShot ?? false, disrupts: !fault || isDisruptive(fault, params) };
}
