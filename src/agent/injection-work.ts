import {
  type Ended,
  type Injection,
  type InjectionStatus,
  isCertainlyOff,
  type Target,
  type TargetState,
} from '../api/injection.js';
import {
  type AgentAction,
  type AgentInjectionDecision,
  decideAgentInjection,
  type FaultSighting,
} from '../domain/agent-injection.js';
import type { Outcome } from '../domain/injection-observed.js';
import { isOneShot } from '../faults/index.js';
import { type BackoffLimits, backoffDelay, type Timing } from '../kubernetes/timing.js';
import type { InjectionInputs } from './inputs.js';
import type { TargetFault } from './target-fault.js';

/** Delays before what failed on one target is tried again. */
const RETRY: BackoffLimits = { baseMs: 250, maxMs: 5_000 };

/** Whether a target is in a state in which nothing is on it, nor on its way there. */
export function isOver(state: TargetState): boolean {
  return isCertainlyOff(state) || state === 'Failed';
}

/** What is being done to one target, or will be tried again. */
interface Attempt {
  isRunning: boolean;
  failures: number;
  /** Not before this time, on the monotonic clock. */
  due: number;
}

/** What this process knows of one injection: lives from the first look, or the first undo record, until nothing is left. */
export class InjectionWork {
  ended: Ended | undefined;
  /** There once the injection itself is known. */
  inputs: InjectionInputs | undefined;
  /** When counters were last written, on the monotonic clock. */
  writtenAt = Number.NEGATIVE_INFINITY;
  readonly outcomes = new Map<string, Outcome>();
  readonly undone = new Map<string, Outcome>();
  readonly sightings = new Map<string, FaultSighting>();
  readonly gone = new Set<string>();
  /** By the UID of their targets. */
  readonly faults = new Map<string, TargetFault>();
  readonly #attempts = new Map<string, Attempt>();
  readonly #timing: Timing;
  #wakeSettled = () => {};

  constructor(
    readonly key: string,
    readonly name: string,
    readonly uid: string,
    timing: Timing,
  ) {
    this.#timing = timing;
  }

  /** What to do now. */
  decide(injection: Injection, isStopping: boolean, now: number): AgentInjectionDecision {
    const { ended, outcomes, undone, sightings, gone } = this;
    const oneShot = isOneShot(injection.spec);
    const intended = new Set([...this.faults].filter(([, fault]) => fault.isIntended).map(([uid]) => uid));
    const observed = { injection, oneShot, ended, stopping: isStopping, outcomes, undone, sightings, gone, intended };
    return decideAgentInjection(observed, now);
  }

  /** Whether something is on, or may be soon, that is not known to be taken back for good. */
  get isLive(): boolean {
    if (this.ended) return false;
    return this.isBusy || [...this.faults.values()].some(({ isIntended, isUndone }) => isIntended && !isUndone);
  }

  /** Whether an undo record is open or something is being done. */
  get isOpen(): boolean {
    return this.isBusy || [...this.faults.values()].some(({ isIntended }) => isIntended);
  }

  /** Whether something is being done. */
  get isBusy(): boolean {
    return [...this.#attempts.values()].some(({ isRunning }) => isRunning);
  }

  /** Whether the fault is to be on as far as everybody knows. */
  isWanted({ spec, status, metadata }: Injection): boolean {
    return spec.state === 'Apply' && !status?.ended && !this.ended && !metadata.deletionTimestamp;
  }

  /** What may be on though the status says that it is over, such as after a fault was refused half-way. */
  strays({ status }: Injection): AgentAction[] {
    const over = new Set(status?.targets?.flatMap(({ uid, state }) => (isOver(state) ? [uid] : [])));
    const open = [...this.faults.values()].filter(({ isIntended, isUndone }) => isIntended && !isUndone);
    return open.flatMap(({ target }) => (over.has(target.uid) ? [{ do: 'revert', target }] : []));
  }

  /** Faults whose undo records are of no more use, by what is recorded of their targets. */
  settleable(states: ReadonlyMap<string, TargetState>, oneShot: boolean): TargetFault[] {
    return [...this.faults.values()].filter(({ isIntended, isUndone, target }) => {
      const state = states.get(target.uid);
      if (!isIntended || state === undefined) return false;
      return isUndone ? isOver(state) : oneShot && (state === 'Confirmed' || state === 'Effective');
    });
  }

  /** What a drift made untrue is forgotten once it is written that the fault is put back. */
  forget(before: InjectionStatus, after: InjectionStatus): void {
    const states = new Map(before.targets?.map(({ uid, state }) => [uid, state]));
    for (const { uid, state } of after.targets ?? []) {
      if (state !== 'Applying' || states.get(uid) === 'Applying') continue;
      this.outcomes.delete(uid);
      this.sightings.delete(uid);
    }
  }

  /**
   * Does something to a target in the background, unless that is being done or failed a moment ago.
   * @param work throws when it is to be tried again
   * @returns milliseconds until it may be tried again; undefined when it is being done
   */
  begin(
    what: string,
    { uid }: Target,
    work: () => Promise<void>,
    onDone: (error?: unknown) => void,
  ): number | undefined {
    const key = `${what} ${uid}`;
    const attempt = this.#attempts.get(key) ?? { isRunning: false, failures: 0, due: Number.NEGATIVE_INFINITY };
    if (attempt.isRunning) return undefined;
    const left = attempt.due - this.#timing.now();
    if (left > 0) return left;
    this.#attempts.set(key, { ...attempt, isRunning: true });
    const end = (error?: unknown) => {
      const due = this.#timing.now() + backoffDelay(RETRY, attempt.failures);
      if (error === undefined) this.#attempts.delete(key);
      else this.#attempts.set(key, { isRunning: false, failures: attempt.failures + 1, due });
      onDone(error);
      if (!this.isBusy) this.#wakeSettled();
    };
    work().then(
      () => end(),
      (error: unknown) => end(error ?? new Error('failed')),
    );
    return undefined;
  }

  /** Resolves when nothing is being done, or after so many milliseconds. */
  settled(milliseconds: number): Promise<void> {
    if (!this.isBusy) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#timing.schedule(milliseconds, resolve);
      this.#wakeSettled = () => {
        cancel();
        resolve();
      };
    });
  }
}
