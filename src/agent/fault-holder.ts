import type { Logger } from 'pino';
import type { Timing } from '../kubernetes/timing.js';
import { Holder, type HoldTimes } from './holder.js';
import type { InjectionWork } from './injection-work.js';
import type { TargetFault } from './target-fault.js';

/** A status in which only counters differ is not written more often than this. */
export const COUNTERS_MILLISECONDS = 5_000;
/** A fault that can't be looked at this often in a row is not claimed to be on. */
const FAILED_LOOKS = 2;

/** How a {@link FaultHolder} is made. */
export interface FaultHolderOptions {
  times: HoldTimes;
  timing: Timing;
  log: Logger;
  /** Has an injection looked at, now or in so many milliseconds. */
  wake(key: string, milliseconds?: number): void;
}

interface Held {
  work: InjectionWork;
  fault: TargetFault;
  /** How often in a row it could not be looked at. */
  failures: number;
}

/** Keeps faults on while they are wanted, and notes what is seen of them. */
export class FaultHolder {
  readonly #options: FaultHolderOptions;
  readonly #held = new Map<TargetFault, Held>();
  readonly #holder: Holder<Held>;
  #isStopped = false;

  constructor(options: FaultHolderOptions) {
    this.#options = options;
    this.#holder = new Holder(options.times, options.timing, (held) => this.#look(held));
  }

  /** How many faults are held. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Begins to hold a fault, unless it is held.
   * @param isFresh it has just been put on; otherwise nobody knows when it was refreshed last
   */
  hold(work: InjectionWork, fault: TargetFault, isFresh: boolean): void {
    if (this.#isStopped || this.#held.has(fault)) return;
    const held = { work, fault, failures: 0 };
    this.#held.set(fault, held);
    this.#holder.add(held, isFresh);
  }

  /** Holds it no more. */
  release(fault: TargetFault): void {
    const held = this.#held.get(fault);
    if (!held) return;
    this.#held.delete(fault);
    this.#holder.remove(held);
  }

  /** Refreshes all once more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#holder.stop();
  }

  async #look(held: Held): Promise<void> {
    const { work, fault } = held;
    const { uid } = fault.target;
    if (!work.inputs) return;
    try {
      const look = await fault.hold(work.inputs);
      held.failures = 0;
      if (look === 'unknown') return;
      if (look === 'gone') work.gone.add(uid);
      const hasEnded = look === 'gone' || look.seen.drift !== undefined;
      const wasEffective = work.sightings.get(uid)?.effective;
      if (look !== 'gone') work.sightings.set(uid, look.seen);
      if (hasEnded) this.release(fault);
      const isNews = hasEnded || work.sightings.get(uid)?.effective !== wasEffective;
      this.#options.wake(work.key, isNews ? undefined : COUNTERS_MILLISECONDS);
    } catch (error) {
      this.#failed(held, error instanceof Error ? error.message : String(error));
    }
  }

  #failed(held: Held, message: string): void {
    const { work, fault } = held;
    const { uid, namespace, name } = fault.target;
    this.#options.log.warn(
      { injection: work.name, pod: `${namespace}/${name}`, err: message },
      'Could not look at a fault',
    );
    held.failures += 1;
    if (held.failures < FAILED_LOOKS) return;
    work.sightings.set(uid, { drift: `it can't be looked at: ${message}`, evidence: {}, effective: false });
    this.release(fault);
    this.#options.wake(work.key);
  }
}
