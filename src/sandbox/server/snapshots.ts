import { randomUUID } from 'node:crypto';
import { badRequest, expired } from '../api-error.js';
import type { KubeObject } from '../store/types.js';

/** As etcd's compaction: how long the pages of a list can still be asked for. */
const LIFETIME_MS = 5 * 60_000;
const MAX_SNAPSHOTS = 100;

interface Snapshot {
  objects: readonly KubeObject[];
  version: number;
  /** What was listed; a token is of no use for anything else. */
  scope: string;
  expires: number;
}

/** One page of a list. */
export interface Page {
  objects: readonly KubeObject[];
  version: number;
  /** Asks for the next page; absent on the last one. */
  token?: string;
  remaining: number;
}

/** Lists that are being read page by page. Objects never change in place, so a list of references is a snapshot. */
export class Snapshots {
  private readonly held = new Map<string, Snapshot>();

  /** The first page of a list that was just taken. */
  first(objects: readonly KubeObject[], version: number, scope: string, limit: number): Page {
    if (objects.length <= limit) {
      return { objects, version, remaining: 0 };
    }
    this.drop((snapshot) => snapshot.expires < performance.now());
    if (this.held.size >= MAX_SNAPSHOTS) {
      this.held.delete(this.held.keys().next().value!);
    }
    const id = randomUUID();
    const snapshot = { objects, version, scope, expires: performance.now() + LIFETIME_MS };
    this.held.set(id, snapshot);
    return page(id, snapshot, 0, limit);
  }

  /** The page a token asks for. Throws 400 for a token that is none, 410 for one that is too old. */
  next(token: string, scope: string, limit: number): Page {
    const { id, start } = parseToken(token);
    const snapshot = this.held.get(id);
    if (snapshot === undefined || snapshot.expires < performance.now()) {
      throw expired(
        'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
      );
    }
    if (snapshot.scope !== scope) {
      throw badRequest('continue key is not valid: it belongs to another list');
    }
    return page(id, snapshot, start, limit === 0 ? Number.POSITIVE_INFINITY : limit);
  }

  /** Forgets all snapshots, so that every token is a 410. */
  clear(): void {
    this.held.clear();
  }

  private drop(isOver: (snapshot: Snapshot) => boolean): void {
    for (const [id, snapshot] of this.held) {
      if (isOver(snapshot)) {
        this.held.delete(id);
      }
    }
  }
}

function page(id: string, { objects, version }: Snapshot, start: number, limit: number): Page {
  const end = Math.min(start + limit, objects.length);
  const remaining = objects.length - end;
  const token = remaining > 0 ? Buffer.from(`${id}/${end}`).toString('base64url') : undefined;
  return { objects: objects.slice(start, end), version, token, remaining };
}

function parseToken(token: string): { id: string; start: number } {
  const match = /^([0-9a-f-]{36})\/(\d+)$/.exec(Buffer.from(token, 'base64url').toString());
  if (match === null) {
    throw badRequest('continue key is not valid');
  }
  return { id: match[1]!, start: Number(match[2]) };
}
