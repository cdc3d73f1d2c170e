import type { Page } from './client.js';
import { type KubeObject, keyOf } from './resource.js';

/** Told of a change: `next` is missing when the object is gone, `previous` when it is new. */
export type ChangeListener<T> = (key: string, next: T | undefined, previous: T | undefined) => void;

interface Entry<T> {
  version: string;
  value: T;
}

/** A list in progress; what it has not seen when it is finished is gone. */
export interface ListInProgress {
  /** Takes a page; with `restarted` the pages before are forgotten. */
  take(page: Page): void;
  finish(): void;
}

/**
 * True when `a` is certainly newer than `b`. Resource versions are opaque by contract, but all servers that are known
 * count; since Kubernetes 1.35 comparing them as numbers is documented (KEP-5504). Others compare as not newer.
 */
export function isNewer(a: string, b: string): boolean {
  const numeric = /^\d+$/;
  if (!numeric.test(a) || !numeric.test(b)) return false;
  return a.length === b.length ? a > b : BigInt(a) > BigInt(b);
}

/** Projections by key, fed by lists, watches, and the answers to our own writes; the newest version wins. */
export class ObjectCache<T> {
  readonly #project: (object: KubeObject) => T;
  readonly #report: (error: unknown) => void;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #listeners = new Set<ChangeListener<T>>();
  /** Up to where lists and watches have told everything; `''` before the first list. */
  #seen = '';

  /** @param report told what a listener or projection threw */
  constructor(project: (object: KubeObject) => T, report: (error: unknown) => void) {
    this.#project = project;
    this.#report = report;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  values(): T[] {
    return Array.from(this.#entries.values(), ({ value }) => value);
  }

  onChange(listener: ChangeListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes an event of a watch. */
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: KubeObject): void {
    const version = object.metadata.resourceVersion ?? '';
    this.#seen = version;
    if (type === 'BOOKMARK') return;
    const key = keyOfObject(object);
    const present = this.#entries.get(key);
    if (present && isNewer(present.version, version)) return;
    if (type === 'DELETED') this.#remove(key);
    else this.#set(key, object, version);
  }

  /** Takes the answer to a write of our own, unless the watch has already been there: then the object may be gone again. */
  overlay(object: KubeObject): void {
    const version = object.metadata.resourceVersion ?? '';
    const key = keyOfObject(object);
    const present = this.#entries.get(key);
    if (version === this.#seen || isNewer(this.#seen, version)) return;
    if (present && (present.version === version || isNewer(present.version, version))) return;
    this.#set(key, object, version);
  }

  /** Begins a list; objects are taken as they come, and what is missing goes when it is finished. */
  startList(): ListInProgress {
    let listed = new Set<string>();
    let listVersion = '';
    // A server that went back (a restored backup) is right all the same: then nothing cached counts as newer.
    const keeps = (cached: string, version: string): boolean =>
      isNewer(cached, version) && !isNewer(this.#seen, listVersion);
    return {
      take: ({ items, restarted, resourceVersion }) => {
        if (restarted) listed = new Set();
        listVersion = resourceVersion;
        for (const item of items) {
          const key = keyOfObject(item);
          const version = item.metadata.resourceVersion ?? '';
          const present = this.#entries.get(key);
          listed.add(key);
          if (!present || !(present.version === version || keeps(present.version, version)))
            this.#set(key, item, version);
        }
      },
      finish: () => {
        for (const [key, entry] of this.#entries) {
          // Our own create may be newer than the list.
          if (!listed.has(key) && !keeps(entry.version, listVersion)) this.#remove(key);
        }
        this.#seen = listVersion;
      },
    };
  }

  #set(key: string, object: KubeObject, version: string): void {
    const previous = this.#entries.get(key);
    let value: T;
    try {
      value = this.#project(object);
    } catch (error) {
      this.#report(error);
      return;
    }
    this.#entries.set(key, { version, value });
    this.#notify(key, value, previous?.value);
  }

  #remove(key: string): void {
    const previous = this.#entries.get(key);
    if (!previous) return;
    this.#entries.delete(key);
    this.#notify(key, undefined, previous.value);
  }

  #notify(key: string, next: T | undefined, previous: T | undefined): void {
    for (const listener of this.#listeners) {
      try {
        listener(key, next, previous);
      } catch (error) {
        this.#report(error);
      }
    }
  }
}

function keyOfObject({ metadata }: KubeObject): string {
  return keyOf(metadata.namespace, metadata.name ?? '');
}
