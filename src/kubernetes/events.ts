import { randomBytes } from 'node:crypto';
import type { Client } from './client.js';
import { ApiError } from './errors.js';
import { TokenBucket } from './rate-limit.js';
import { events, type KubeObject } from './resource.js';
import { systemTiming, type Timing } from './timing.js';

/** The object an event is about; `kubectl describe` finds events by kind, name and UID. */
export interface ObjectReference {
  apiVersion: string;
  kind: string;
  name: string;
  namespace?: string;
  uid?: string;
}

/** The reference of a pod for an event. */
export function podReference(pod: { namespace: string; name: string; uid: string }): ObjectReference {
  return { apiVersion: 'v1', kind: 'Pod', namespace: pod.namespace, name: pod.name, uid: pod.uid };
}

const apiVersions: Record<string, string> = { Pod: 'v1', Node: 'v1' };

/** The reference of a target for an event; without a kind it is a pod, and what is neither pod nor node is of `apps/v1`. */
export function targetReference(target: {
  kind?: string;
  namespace: string;
  name: string;
  uid: string;
}): ObjectReference {
  const { kind = 'Pod', namespace, name, uid } = target;
  return { apiVersion: apiVersions[kind] ?? 'apps/v1', kind, name, uid, ...(namespace !== '' && { namespace }) };
}

/** One thing that happened to an object. */
export interface EventInput {
  object: ObjectReference;
  type: 'Normal' | 'Warning';
  /** PascalCase constant such as `TargetsSelected`. */
  reason: string;
  /** A sentence for people; cut after 1024 bytes, which is the API server's limit. */
  message: string;
}

/** Settings of an {@link EventRecorder}. */
export interface EventRecorderOptions {
  client: Client;
  /** Who reports: `squall-controller`. */
  component: string;
  /** Which instance: the pod's name. */
  instance: string;
  /** Told what could not be written; events never fail their caller. */
  onError?: (error: unknown) => void;
  clock?: Timing;
}

/** As client-go's spam filter: 25 events at once about one object, then one in five minutes. */
const objectBurst = 25;
const objectPerSecond = 1 / 300;
/** Bounds of what is remembered; the longest unused goes first. */
const maxObjects = 1_000;
const maxRemembered = 2_000;
const maxPending = 1_000;
const maxMessageBytes = 1_024;

interface Pending {
  input: EventInput;
  count: number;
  first: string;
  last: string;
}

interface Written {
  namespace: string;
  name: string;
  count: number;
}

/**
 * Writes core/v1 Events, in the background and without floods: the same event about the same object again raises a
 * count, each object has a budget, and what waits and what is remembered is bounded.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #timing: Timing;
  readonly #pending = new Map<string, Pending>();
  readonly #written = new Map<string, Written>();
  readonly #budgets = new Map<string, TokenBucket>();
  #writing: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#timing = options.clock ?? systemTiming;
  }

  /** Notes an event; it is written soon. Never throws. */
  record(input: EventInput): void {
    const { object, type, reason, message } = input;
    const objectKey = [object.kind, object.namespace, object.name, object.uid].join('/');
    const key = [objectKey, type, reason, message].join('\n');
    const now = this.#options.client.clock.time();
    const waiting = this.#pending.get(key);
    if (waiting) {
      waiting.count += 1;
      waiting.last = now;
      return;
    }
    if (this.#pending.size >= maxPending || !this.#budget(objectKey).tryTake()) return;
    this.#pending.set(key, { input, count: 1, first: now, last: now });
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when all that was noted is written, or has failed, or after `timeoutMs`. */
  async flush(timeoutMs = 5_000): Promise<void> {
    if (!this.#writing) return;
    let cancel = (): void => {};
    const timeout = new Promise<void>((resolve) => {
      cancel = this.#timing.schedule(timeoutMs, resolve);
    });
    await Promise.race([this.#writing, timeout]);
    cancel();
  }

  #budget(objectKey: string): TokenBucket {
    const budget = this.#budgets.get(objectKey) ?? new TokenBucket(objectPerSecond, objectBurst, this.#timing);
    remember(this.#budgets, objectKey, budget, maxObjects);
    return budget;
  }

  async #writeAll(): Promise<void> {
    // Begins in a later turn, so that equal events of one turn are one write.
    await Promise.resolve();
    for (const [key, pending] of this.#pending) {
      this.#pending.delete(key);
      await this.#write(key, pending).catch((error: unknown) => this.#options.onError?.(error));
    }
    this.#writing = undefined;
  }

  async #write(key: string, pending: Pending): Promise<void> {
    const known = this.#written.get(key);
    const raised = known ? await this.#raise(known, pending) : undefined;
    remember(this.#written, key, raised ?? (await this.#create(pending)), maxRemembered);
  }

  /** Raises the count of an event; undefined when the API server has forgotten it (events live an hour). */
  async #raise(known: Written, { count, last }: Pending): Promise<Written | undefined> {
    const raised = { ...known, count: known.count + count };
    try {
      await this.#options.client.patch(events, known.namespace, known.name, {
        count: raised.count,
        lastTimestamp: last,
      });
      return raised;
    } catch (error) {
      if (error instanceof ApiError && error.isNotFound) return undefined;
      throw error;
    }
  }

  async #create({ input, count, first, last }: Pending): Promise<Written> {
    const { client, component, instance } = this.#options;
    const { object, type, reason } = input;
    // Events about cluster-scoped objects live in `default`: the API server insists.
    const namespace = object.namespace ?? 'default';
    const name = `${object.name.slice(0, 230)}.${randomBytes(8).toString('hex')}`;
    const event: KubeObject = {
      metadata: { name, namespace },
      involvedObject: object,
      type,
      reason,
      message: cut(input.message),
      count,
      firstTimestamp: first,
      lastTimestamp: last,
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
    };
    await client.create(events, event);
    return { namespace, name, count };
  }
}

/** Sets an entry as the newest of a map and drops the oldest beyond `limit`. */
function remember<V>(map: Map<string, V>, key: string, value: V, limit: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= limit) return;
    map.delete(oldest);
  }
}

function cut(message: string): string {
  if (Buffer.byteLength(message) <= maxMessageBytes) return message;
  const bytes = Buffer.from(message).subarray(0, maxMessageBytes - 3);
  // A character cut in half decodes to the replacement character, which is dropped.
  return `${bytes.toString('utf8').replace(/\uFFFD+$/, '')}…`;
}
