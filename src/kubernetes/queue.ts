import { type BackoffLimits, backoffDelay, systemTiming, type Timing } from './timing.js';

/** When to look at a key again. */
export interface ReconcileResult {
  /** In so many milliseconds. */
  after?: number;
}

/** Settings of a {@link WorkQueue}. */
export interface WorkQueueOptions {
  /** How many keys are worked on at once. */
  workers: number;
  /** Brings one object closer to what it should be; a throw means: again, later. */
  reconcile: (key: string) => Promise<ReconcileResult | undefined> | Promise<void>;
  /** Delays of a key whose reconcile throws. Default 100 ms to 30 s. */
  backoff?: BackoffLimits;
  clock?: Timing;
  /** Told what a reconcile threw, before the key is tried again. */
  onError?: (key: string, error: unknown) => void;
}

/**
 * Works on keys: several at once, but never one key twice at once. Keys that are added while they wait or run are
 * coalesced, a key whose reconcile throws comes back with a growing delay of its own.
 *
 * What it remembers is bounded by the keys that wait, run or fail; a key that succeeded is forgotten.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #timing: Timing;
  readonly #backoff: BackoffLimits;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  /** Keys added while they ran. */
  readonly #again = new Set<string>();
  readonly #later = new Map<string, { due: number; cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  #idleWaiters: (() => void)[] = [];
  #progressAt: number;
  #dispatching = false;
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#timing = options.clock ?? systemTiming;
    this.#backoff = options.backoff ?? { baseMs: 100, maxMs: 30_000 };
    this.#progressAt = this.#timing.now();
  }

  /**
   * Has a key worked on as soon as a worker is free, also when it was to come later. One that is backing off is brought
   * forward to the shortest delay, no more: its failures may well be what adds it.
   */
  add(key: string): void {
    if (this.#failures.has(key) && !this.#running.has(key)) this.addAfter(key, this.#backoff.baseMs);
    else this.#enqueue(key);
  }

  /** Has a key worked on in so many milliseconds; of several such wishes the earliest wins. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#stopped) return;
    if (milliseconds <= 0) {
      this.#enqueue(key);
      return;
    }
    if (this.#waiting.has(key) || this.#again.has(key)) return;
    const due = this.#timing.now() + milliseconds;
    const planned = this.#later.get(key);
    if (planned && planned.due <= due) return;
    this.#cancelLater(key);
    const cancel = this.#timing.schedule(milliseconds, () => {
      this.#later.delete(key);
      this.#enqueue(key);
    });
    this.#later.set(key, { due, cancel });
  }

  /** How many keys wait or run now; those planned for later do not count. */
  get length(): number {
    return this.#waiting.size + this.#running.size;
  }

  /**
   * Monotonic milliseconds (of the clock) at which the queue last showed that it lives: now while there is nothing to
   * do, otherwise when a reconcile last began or ended. Old when all workers hang.
   */
  lastProgress(): number {
    if (this.length === 0) this.#progressAt = this.#timing.now();
    return this.#progressAt;
  }

  /** Resolves when no key waits or runs. */
  idle(): Promise<void> {
    if (this.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Takes no more keys, forgets those that wait, and resolves when the running ones are done. */
  stop(): Promise<void> {
    this.#stopped = true;
    for (const key of [...this.#later.keys()]) this.#cancelLater(key);
    this.#waiting.clear();
    this.#again.clear();
    this.#failures.clear();
    const drained = this.idle();
    this.#wakeIdle();
    return drained;
  }

  #enqueue(key: string): void {
    if (this.#stopped) return;
    this.#cancelLater(key);
    if (this.#running.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.length === 0) this.#progressAt = this.#timing.now();
    this.#waiting.add(key);
    if (this.#dispatching) return;
    this.#dispatching = true;
    // In a later turn, so that all events of one chunk of a watch are one reconcile.
    setImmediate(() => {
      this.#dispatching = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.workers) return;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    this.#progressAt = this.#timing.now();
    try {
      const result = await this.#options.reconcile(key);
      this.#failures.delete(key);
      if (result?.after !== undefined) this.addAfter(key, result.after);
    } catch (error) {
      this.#fail(key, error);
    } finally {
      this.#progressAt = this.#timing.now();
      this.#running.delete(key);
      if (this.#again.delete(key)) this.add(key);
      this.#dispatch();
      this.#wakeIdle();
    }
  }

  #fail(key: string, error: unknown): void {
    const failures = this.#failures.get(key) ?? 0;
    if (!this.#stopped) this.#failures.set(key, failures + 1);
    this.addAfter(key, backoffDelay(this.#backoff, failures));
    try {
      this.#options.onError?.(key, error);
    } catch {
      // Whoever listens to errors must not stop the worker.
    }
  }

  #cancelLater(key: string): void {
    this.#later.get(key)?.cancel();
    this.#later.delete(key);
  }

  #wakeIdle(): void {
    if (this.length > 0) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }
}
