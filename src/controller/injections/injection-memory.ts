import type { Injection } from '../../api/injection.js';
import type { Attempt, Preparation, Sighting, Undone } from '../../domain/injection-observed.js';

/** A target is not looked at more often than this for whatever happens. */
const OFTEN_MILLISECONDS = 1_000;

/** What this process remembers of an injection between two looks. */
export interface InjectionMemory {
  uid: string;
  /** By the target's UID, what our own attempts came to. */
  outcomes: Map<string, Attempt>;
  /** Whether nothing but that can have been done: we saw it before any intent, and every attempt was answered. */
  certain: boolean;
  /** UIDs of the targets whose last attempt had no answer. */
  unanswered: Set<string>;
  /** By the target's UID, what was read of what is there before the effect, until it is recorded. */
  prepared: Map<string, Preparation>;
  /** By the target's UID, the step that has to be prepared anew, and all after it. */
  changedFrom: Map<string, number>;
  /** By the target's UID, what our own attempts to take it back came to in this look. */
  undone: Map<string, Undone>;
  /** By the target's UID, what looks have shown that are not too old, and when they were, in API-server time. */
  sightings: Map<string, Sighting & { at: number }>;
  /** By the target's UID, which of its steps have more to do. */
  unfinished: Map<string, readonly number[]>;
}

/** What this process remembers of all injections. All of it may be lost at any time. */
export class InjectionMemories {
  readonly #memories = new Map<string, InjectionMemory>();

  get size(): number {
    return this.#memories.size;
  }

  /** What is remembered of an injection; nothing yet when another one had the key before. */
  of(key: string, { metadata, status }: Injection): InjectionMemory {
    const known = this.#memories.get(key);
    if (known?.uid === metadata.uid) return known;
    const fresh: InjectionMemory = {
      uid: metadata.uid,
      outcomes: new Map(),
      certain: (status?.targets ?? []).length === 0,
      unanswered: new Set(),
      prepared: new Map(),
      changedFrom: new Map(),
      undone: new Map(),
      sightings: new Map(),
      unfinished: new Map(),
    };
    this.#memories.set(key, fresh);
    return fresh;
  }

  forget(key: string): void {
    this.#memories.delete(key);
  }

  clear(): void {
    this.#memories.clear();
  }
}

/**
 * Forgets what may not be true any more. What makes us look again before it is time may have changed a target; it is
 * looked at for that, but not more often than once a second, and not before a step has to be gone on with.
 *
 * @param now in API-server time
 */
export function beginLook({ undone, sightings, unfinished }: InjectionMemory, now: number): void {
  undone.clear();
  for (const [uid, sighting] of sightings) {
    const isGoingOn = (unfinished.get(uid)?.length ?? 0) > 0;
    const due = isGoingOn ? sighting.wakeAt : Math.min(sighting.wakeAt, sighting.at + OFTEN_MILLISECONDS);
    if (due <= now) sightings.delete(uid);
    else sightings.set(uid, { ...sighting, wakeAt: due });
  }
}

/** Forgets what was read of what is there before the effect: it is recorded now, or has to be read anew. */
export function forgetPrepared({ prepared, outcomes, changedFrom }: InjectionMemory): void {
  for (const uid of prepared.keys()) {
    if (outcomes.get(uid)?.result === 'changed') outcomes.delete(uid);
    changedFrom.delete(uid);
  }
  prepared.clear();
}
