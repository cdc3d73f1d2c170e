import type { Client } from './client.js';
import { ApiError } from './errors.js';
import { type KubeObject, leases } from './resource.js';
import { sleep, systemTiming, type Timing } from './timing.js';

/** `coordination.k8s.io/v1` Lease. */
export interface Lease extends KubeObject {
  spec?: LeaseSpec;
}

/** The record of who leads; times are MicroTime of the holder's view of the API server's clock. */
export interface LeaseSpec {
  /** `''` when it was released. */
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  /** How often the holder changed. */
  leaseTransitions?: number;
}

/** Settings of a {@link LeaderElector}. */
export interface LeaderElectorOptions {
  client: Client;
  namespace: string;
  /** Name of the Lease, `squall-controller`. */
  name: string;
  /** Unique to this process: a process that starts again under the same name must be told apart from its predecessor. */
  identity: string;
  /** A record that did not change for this long is nobody's. Default 15 s. */
  leaseDurationMs?: number;
  /** Default 5 s. */
  renewEveryMs?: number;
  /** After this long without a renewal we do not lead any more; shorter than `leaseDurationMs`. Default 10 s. */
  renewDeadlineMs?: number;
  /** False stops renewing: the run loop makes no progress, so others should lead. */
  canRenew: () => boolean;
  /**
   * We lead from now on. `continued`: this process led before and nobody else did since.
   */
  onAcquired: (event: { continued: boolean }) => void;
  /** We do not lead any more. */
  onLost: () => void;
  /** Told every failed try; the elector goes on by itself. */
  onError?: (error: unknown) => void;
  clock?: Timing;
}

/**
 * Leader election with a Lease, as client-go does it: clocks of different machines are never compared. A candidate
 * takes over after it has seen the same record for a lease duration on its own monotonic clock; the leader stops
 * leading by its own clock earlier than that.
 */
export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  readonly #timing: Timing;
  readonly #durationMs: number;
  readonly #everyMs: number;
  readonly #deadlineMs: number;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  /** The Lease as last read or written; `undefined` when it must be read. */
  #lease: Lease | undefined;
  #seenRecord = '';
  #seenAt = 0;
  /** When the request of the last successful renewal was sent: others count from then at the earliest. */
  #renewedAt = Number.NEGATIVE_INFINITY;
  #leading = false;
  /** `leaseTransitions` of our last time as leader. */
  #ledTransition: number | undefined;
  #cancelExpiry: () => void = () => {};

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.#timing = options.clock ?? systemTiming;
    this.#durationMs = options.leaseDurationMs ?? 15_000;
    this.#everyMs = options.renewEveryMs ?? 5_000;
    this.#deadlineMs = options.renewDeadlineMs ?? 10_000;
    if (this.#deadlineMs >= this.#durationMs || this.#everyMs >= this.#deadlineMs) {
      throw new Error('A lease needs renewEveryMs < renewDeadlineMs < leaseDurationMs, or two could lead at once.');
    }
  }

  /** Begins to try; returns at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** True while we lead, by the monotonic clock: also false as soon as the last renewal is too old. */
  isLeader(): boolean {
    return this.#leading && this.#timing.now() - this.#renewedAt < this.#deadlineMs;
  }

  /** Stops leading, and releases the Lease so that another one need not wait. Call it when nothing acts any more. */
  async stop(): Promise<void> {
    const led = this.isLeader();
    this.#abort.abort();
    await this.#running;
    this.#lose();
    if (led) await this.#release().catch((error: unknown) => this.#report(error));
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const succeeded = await this.#try().catch((error: unknown) => {
        // What is there now is unknown: it must be read again.
        this.#lease = undefined;
        if (!signal.aborted) this.#report(error);
        return false;
      });
      // Candidates look more often than leaders renew, so that a released Lease is taken soon.
      const pause = succeeded ? this.#everyMs : this.#everyMs * (0.2 + Math.random() / 5);
      await sleep(pause, this.#timing, signal);
    }
  }

  /** One attempt to renew or acquire; false when somebody else leads, or we may not. */
  async #try(): Promise<boolean> {
    if (!this.#options.canRenew()) return false;
    const lease = this.#leading && this.#lease ? this.#lease : await this.#read();
    const spec = lease?.spec ?? {};
    const ours = this.#isOurs(spec);
    if (!ours && this.#leading) this.#lose();
    if (!ours && !this.#isFree(spec)) return false;
    const sentAt = this.#timing.now();
    this.#lease = await this.#write(lease, this.#record(spec, ours));
    this.#renewed(sentAt, this.#lease.spec?.leaseTransitions ?? 0, ours);
    return true;
  }

  /** Ours is only what this process wrote; a predecessor under the same name is waited out like anybody else. */
  #isOurs(spec: LeaseSpec): boolean {
    return spec.holderIdentity === this.#options.identity && spec.leaseTransitions === this.#ledTransition;
  }

  #isFree(spec: LeaseSpec): boolean {
    if (!spec.holderIdentity) return true;
    const theirs = (spec.leaseDurationSeconds ?? 0) * 1000;
    return this.#timing.now() - this.#seenAt >= Math.max(this.#durationMs, theirs);
  }

  #record(previous: LeaseSpec, ours: boolean): LeaseSpec {
    const now = this.#options.client.clock.microTime();
    const transitions = previous.leaseTransitions ?? 0;
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.ceil(this.#durationMs / 1000),
      acquireTime: ours ? (previous.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: ours || previous.holderIdentity === undefined ? transitions : transitions + 1,
    };
  }

  async #read(): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options;
    const lease = await client.get<Lease>(leases, namespace, name, this.#call()).catch((error: unknown) => {
      if (error instanceof ApiError && error.isNotFound) return undefined;
      throw error;
    });
    const record = JSON.stringify(lease?.spec ?? {});
    if (record !== this.#seenRecord) {
      this.#seenRecord = record;
      this.#seenAt = this.#timing.now();
    }
    return lease;
  }

  /** Fails with a conflict when the Lease changed since it was read. */
  async #write(previous: Lease | undefined, spec: LeaseSpec): Promise<Lease> {
    const { client, namespace, name } = this.#options;
    if (!previous) return client.create<Lease>(leases, { metadata: { name, namespace }, spec }, this.#call());
    return client.replace<Lease>(leases, { ...previous, spec: { ...previous.spec, ...spec } }, this.#call());
  }

  #renewed(sentAt: number, transition: number, continued: boolean): void {
    this.#renewedAt = sentAt;
    this.#cancelExpiry();
    this.#cancelExpiry = this.#timing.schedule(sentAt + this.#deadlineMs - this.#timing.now(), () => this.#lose());
    if (this.#leading) return;
    this.#leading = true;
    this.#ledTransition = transition;
    this.#guard(() => this.#options.onAcquired({ continued }));
  }

  #lose(): void {
    this.#cancelExpiry();
    if (!this.#leading) return;
    this.#leading = false;
    this.#lease = undefined;
    this.#guard(() => this.#options.onLost());
  }

  async #release(): Promise<void> {
    const { client, namespace, name } = this.#options;
    const call = { timeoutMs: 2_000, priority: 'high' as const };
    const lease = await client.get<Lease>(leases, namespace, name, call);
    if (!this.#isOurs(lease.spec ?? {})) return;
    const now = client.clock.microTime();
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now };
    await client.replace<Lease>(leases, { ...lease, spec }, call);
  }

  /** A hung request must leave time for another one before the deadline. */
  #call(): { timeoutMs: number; priority: 'high'; signal: AbortSignal } {
    return { timeoutMs: this.#deadlineMs / 2, priority: 'high', signal: this.#abort.signal };
  }

  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.#options.onError?.(error);
  }
}
