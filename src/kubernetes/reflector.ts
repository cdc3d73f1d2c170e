import type { Client, ListOptions } from './client.js';
import { ApiError } from './errors.js';
import { ObjectCache } from './object-cache.js';
import { type KubeObject, keyOf, type Resource } from './resource.js';
import { type BackoffLimits, backoffDelay, sleep, systemTiming } from './timing.js';

export type { ChangeListener } from './object-cache.js';

import type { ChangeListener } from './object-cache.js';

/** Settings of a {@link Reflector}. */
export interface ReflectorOptions<T> extends Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'> {
  client: Client;
  resource: Resource;
  /** What is kept of an object; the rest is not held in memory. */
  project: (object: KubeObject) => T;
  /** Objects per page of a list. Default 500. */
  pageSize?: number;
  /** Milliseconds of silence after which a watch is opened anew. Default 35 s: the server ends each within 30. */
  watchdogMs?: number;
  /** Delays after a list or watch that failed or ended soon. Default 250 ms to 8 s. */
  backoff?: BackoffLimits;
  /** Told every failure; the reflector goes on by itself. */
  onError?: (error: unknown) => void;
}

/** A watch that lived this long was a success, and the next failure starts with the shortest delay. */
const steadyMs = 5_000;

/** A watch that has not failed for this long after a failure has been told what was missed. */
const settledMs = 1_000;

/** A watch lives for this long, up to half as much again: what has fallen silent is then noticed soon. */
const watchSeconds = 20;

/** After so many refused watches in a row the resource version itself is doubted, as after a restored backup. */
const refusalsUntilRelist = 3;

/**
 * Keeps a projection of all objects of a selection, by a paged list and a watch that goes on where it ended. It lists
 * anew only when the server says that the version has expired (410).
 */
export class Reflector<T> {
  /** Resolves when the first list is complete; rejects when the reflector is stopped before that. */
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  readonly #cache: ObjectCache<T>;
  readonly #backoff: BackoffLimits;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #version = '';
  #refusals = 0;
  /** When the present watch was opened, if one is; and whether one failed and nothing was heard since. */
  #watchingSince: number | undefined;
  #isTroubled = false;
  #resolveSynced: () => void = () => {};
  #rejectSynced: (error: Error) => void = () => {};

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#backoff = options.backoff ?? { baseMs: 250, maxMs: 8_000 };
    this.#cache = new ObjectCache(options.project, (error) => this.#report(error));
    this.synced = new Promise((resolve, reject) => {
      this.#resolveSynced = resolve;
      this.#rejectSynced = reject;
    });
    this.synced.catch(() => {});
  }

  /** Begins to list and watch; returns at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the watch; what is cached stays readable. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#rejectSynced(
      new Error(`The reflector of ${this.#options.resource.plural} was stopped before its first list was complete.`),
    );
  }

  /** The projection of one object. */
  get(namespace: string | undefined, name: string): T | undefined {
    return this.#cache.get(keyOf(namespace, name));
  }

  /** All projections. */
  list(): T[] {
    return this.#cache.values();
  }

  /**
   * Whether what is cached is up to date, as far as can be told: false before the first list, and from the failure of a
   * watch until a new one has had time to tell what was missed.
   */
  get isCurrent(): boolean {
    if (this.#version === '') return false;
    if (!this.#isTroubled) return true;
    return this.#watchingSince !== undefined && systemTiming.now() - this.#watchingSince >= settledMs;
  }

  /** How many objects are cached. */
  get size(): number {
    return this.#cache.size;
  }

  /** Has a listener told every change; returns how to end that. */
  onChange(listener: ChangeListener<T>): () => void {
    return this.#cache.onChange(listener);
  }

  /**
   * Puts the answer to a write of our own into the cache, so that the next look sees it. It must match the selectors.
   * What the watch has already got beyond is ignored, and an older event does not undo it.
   */
  upsert(object: KubeObject): void {
    this.#cache.overlay(object);
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let attempt = 0;
    while (!signal.aborted) {
      const startedAt = systemTiming.now();
      const ended = await this.#listAndWatch();
      const isSteady = systemTiming.now() - startedAt >= steadyMs;
      if (isSteady) attempt = 0;
      // The server ended it in order, as it was asked to: nothing is to be waited for.
      if (isSteady && ended) continue;
      await sleep(backoffDelay(this.#backoff, attempt), systemTiming, signal);
      attempt += 1;
    }
  }

  /** Whether the watch ended in order. */
  async #listAndWatch(): Promise<boolean> {
    try {
      if (this.#version === '') await this.#relist();
      await this.#watch();
      return true;
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#fail(error);
      return false;
    }
  }

  async #relist(): Promise<void> {
    const { client, resource, pageSize } = this.#options;
    const list = this.#cache.startList();
    let version = '';
    const options = { ...this.#selection(), ...(pageSize === undefined ? {} : { limit: pageSize }) };
    for await (const page of client.listAll(resource, options)) {
      list.take(page);
      version = page.resourceVersion;
    }
    list.finish();
    this.#version = version;
    this.#refusals = 0;
    this.#isTroubled = false;
    this.#resolveSynced();
  }

  async #watch(): Promise<void> {
    const { client, resource, watchdogMs } = this.#options;
    const events = client.watch(resource, {
      ...this.#selection(),
      resourceVersion: this.#version,
      // Spread, so that not all watches end together when the server comes back.
      timeoutSeconds: watchSeconds + Math.floor((Math.random() * watchSeconds) / 2),
      watchdogMs: watchdogMs ?? (2 * watchSeconds - 5) * 1_000,
    });
    this.#watchingSince = systemTiming.now();
    try {
      for await (const { type, object } of events) {
        this.#refusals = 0;
        this.#cache.apply(type, object);
        this.#version = object.metadata.resourceVersion ?? this.#version;
      }
    } finally {
      this.#watchingSince = undefined;
    }
  }

  #fail(error: unknown): void {
    this.#isTroubled = true;
    if (error instanceof ApiError) this.#refusals += 1;
    if ((error instanceof ApiError && error.isExpired) || this.#refusals >= refusalsUntilRelist) this.#version = '';
    this.#report(error);
  }

  #report(error: unknown): void {
    try {
      this.#options.onError?.(error);
    } catch {
      // Whoever listens to errors must not stop the watch.
    }
  }

  #selection(): ListOptions {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return { namespace, labelSelector, fieldSelector, signal: this.#abort.signal };
  }
}
