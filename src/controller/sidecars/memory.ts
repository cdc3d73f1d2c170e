import type { Injection } from '../../api/injection.js';
import type { Outcome } from '../../domain/injection-observed.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import type { SidecarView } from './container.js';
import type { KnownStep } from './order.js';

/** After this long no request of ours that got no answer, nor one of the controller before, can still arrive. */
const ARRIVAL_MILLISECONDS = 30_000;

/** What this process remembers of one target between two looks. All times on the monotonic clock. */
export interface TargetMemory {
  /** The pod as it was read last. */
  pod?: KubeObject;
  view?: SidecarView;
  /** When its object was found to be gone. */
  goneSince?: number;
  /** What came of our own attempts to put the fault on, when they were refused. */
  refused?: Outcome;
  /** The same of the last attempt to take it back. */
  notUndone?: Outcome | undefined;
  /** When an attempt was made that got no answer. */
  unansweredAt?: number;
  /** Ends the watch for the last words of a pod that is on its way out. */
  stopWatching?: () => void;
}

/** What this process remembers of one injection that sidecars carry out. All of it can be lost. */
export class SidecarMemory {
  readonly uid: string;
  readonly targets = new Map<string, TargetMemory>();
  /** The steps with the addresses of their peers, found once for all targets. */
  steps: Promise<KnownStep[]> | undefined;
  backSince: number | undefined;
  /** Until when containers may not be read from logs, as the right to is missing. */
  muteUntil = Number.NEGATIVE_INFINITY;
  readonly #since: number;
  readonly #isFirst: boolean;

  constructor({ metadata, status }: Injection, now: number) {
    this.uid = metadata.uid;
    this.#since = now;
    this.#isFirst = (status?.targets ?? []).length === 0;
  }

  of(uid: string): TargetMemory {
    const known = this.targets.get(uid) ?? {};
    this.targets.set(uid, known);
    return known;
  }

  /** Whether nothing can have been asked for a target that is not to be seen on its pod. */
  isCertain(uid: string, now: number): boolean {
    const { unansweredAt = Number.NEGATIVE_INFINITY } = this.of(uid);
    const known = this.#isFirst ? Number.NEGATIVE_INFINITY : this.#since;
    return now - Math.max(unansweredAt, known) > ARRIVAL_MILLISECONDS;
  }

  /** When this process began to look after it. */
  get since(): number {
    return this.#since;
  }

  /** Ends what goes on in the background. */
  end(): void {
    for (const { stopWatching } of this.targets.values()) stopWatching?.();
  }
}
