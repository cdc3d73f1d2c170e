import {
  AGENT_LEASE_PREFIX,
  ANNOTATION_ABILITIES,
  ANNOTATION_BOOT,
  ANNOTATION_NODE,
  LABEL_PART_OF,
  PART_OF,
} from '../api/labels.js';
import { nodeMark } from '../api/node-mark.js';
import type { Abilities } from '../faults/abilities.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { type KubeObject, leases } from '../kubernetes/resource.js';
import { sleep, type Timing } from '../kubernetes/timing.js';

/** How long an agent counts as alive after a heartbeat, and how often there is one. Milliseconds. */
export interface HeartbeatTimes {
  duration: number;
  every: number;
}

/** Four heartbeats may be lost, or a DaemonSet's pod replaced. */
export const heartbeatTimes: HeartbeatTimes = { duration: 40_000, every: 10_000 };

/** How a {@link Heartbeat} is made. */
export interface HeartbeatOptions {
  client: Client;
  namespace: string;
  node: string;
  /** Unique to this process. */
  identity: string;
  bootId: string;
  times: HeartbeatTimes;
  timing: Timing;
  abilities(): Promise<Abilities>;
  onError(error: unknown): void;
}

/** Says on a Lease of the node, for as long as it runs, that its agent is ready and what it can do. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** Begins; returns at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends. The Lease is left to expire, as the next agent of the node will renew it. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { times, timing, onError } = this.#options;
    while (!signal.aborted) {
      const succeeded = await this.#beat().then(
        () => true,
        (error: unknown) => {
          if (!signal.aborted) onError(error);
          return false;
        },
      );
      await sleep(succeeded ? times.every : times.every / 4, timing, signal);
    }
  }

  async #beat(): Promise<void> {
    const { client, namespace, times } = this.#options;
    const lease = await this.#lease();
    const call = { timeoutMs: times.every / 2, priority: 'high' as const, signal: this.#abort.signal };
    const { name = '', ...metadata } = lease.metadata;
    try {
      await client.patch(leases, namespace, name, { metadata, spec: lease.spec }, call);
    } catch (error) {
      if (!(error instanceof ApiError && error.isNotFound)) throw error;
      await client.create(leases, { ...lease, metadata: { ...lease.metadata, namespace } }, call);
    }
  }

  async #lease(): Promise<KubeObject> {
    const { client, node, identity, bootId, times, abilities } = this.#options;
    return {
      metadata: {
        name: `${AGENT_LEASE_PREFIX}${nodeMark(node)}`,
        labels: { [LABEL_PART_OF]: PART_OF, 'app.kubernetes.io/component': 'agent' },
        annotations: {
          [ANNOTATION_NODE]: node,
          [ANNOTATION_BOOT]: bootId,
          [ANNOTATION_ABILITIES]: JSON.stringify(await abilities()),
        },
      },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(times.duration / 1000),
        renewTime: client.clock.microTime(),
      },
    };
  }
}
