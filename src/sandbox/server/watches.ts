import { expired } from '../api-error.js';
import type { ResourceName } from '../store/types.js';

/** An open watch, as far as others can do something to it. */
export interface OpenWatch {
  drop(): void;
  hang(): void;
  fail(status: unknown): void;
  finish(): void;
}

/** The watches that are open on a server. */
export class WatchRegistry {
  private readonly open = new Map<OpenWatch, ResourceName>();

  /** Registers a watch; returns what to call when it closes. */
  add(resource: ResourceName, watch: OpenWatch): () => void {
    this.open.set(watch, resource);
    return () => this.open.delete(watch);
  }

  /** Cuts the connections of all watches, or of those on a resource. Returns how many. */
  drop(resource?: ResourceName): number {
    return this.each(resource, (watch) => watch.drop());
  }

  /** Silences all watches, or those on a resource. Returns how many. */
  hang(resource?: ResourceName): number {
    return this.each(resource, (watch) => watch.hang());
  }

  /** Ends all watches, or those on a resource, with a 410. Returns how many. */
  expire(resource?: ResourceName): number {
    const status = expired('too old resource version').toStatus();
    return this.each(resource, (watch) => watch.fail(status));
  }

  /** Ends all watches, or those on a resource, in good order. Returns how many. */
  finish(resource?: ResourceName): number {
    return this.each(resource, (watch) => watch.finish());
  }

  private each(resource: ResourceName | undefined, act: (watch: OpenWatch) => void): number {
    const chosen = [...this.open].filter(([, of]) => resource === undefined || of === resource);
    for (const [watch] of chosen) {
      act(watch);
    }
    return chosen.length;
  }
}
