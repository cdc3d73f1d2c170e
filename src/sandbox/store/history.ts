import type { ResourceName, StoreEvent } from './types.js';

/** A commit of one resource, with the version it gave the object. */
export interface HistoryEntry {
  version: number;
  event: StoreEvent;
}

/** The last commits of each resource, from which watches catch up. Older ones are forgotten: their readers get a 410. */
export class History {
  private readonly logs = new Map<ResourceName, { entries: HistoryEntry[]; forgotten: number }>();
  private compacted = 0;

  /** @param limit how many commits of each resource are held */
  constructor(private readonly limit: number) {}

  append(resource: ResourceName, entry: HistoryEntry): void {
    const log = this.log(resource);
    log.entries.push(entry);
    // Trimming at twice the limit makes the cost of each append constant on average.
    if (log.entries.length >= this.limit * 2) {
      this.keep(log, this.limit);
    }
  }

  /** Commits with a version above `version`, oldest first; undefined when some of them are forgotten. */
  since(resource: ResourceName, version: number): HistoryEntry[] | undefined {
    const log = this.log(resource);
    if (version < log.forgotten) {
      return undefined;
    }
    let low = 0;
    let high = log.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (log.entries[middle]!.version <= version) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return log.entries.slice(low);
  }

  /** Forgets all commits up to and including `version`, the newest one, as the compaction of etcd does. */
  compact(version: number): void {
    this.compacted = version;
    for (const log of this.logs.values()) {
      log.entries = [];
      log.forgotten = version;
    }
  }

  private keep(log: { entries: HistoryEntry[]; forgotten: number }, count: number): void {
    const cut = log.entries.length - count;
    log.forgotten = log.entries[cut - 1]!.version;
    log.entries = log.entries.slice(cut);
  }

  private log(resource: ResourceName) {
    let log = this.logs.get(resource);
    if (log === undefined) {
      log = { entries: [], forgotten: this.compacted };
      this.logs.set(resource, log);
    }
    return log;
  }
}
