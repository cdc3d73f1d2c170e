/**
 * What is to be looked at, and when, in milliseconds since the epoch. A key may stand in it several times for different
 * reasons, which follow after a `#`.
 */
export class SimulatedQueue {
  readonly #due = new Map<string, number>();

  /** Asks for a look at that time, or sooner. */
  add(key: string, when: number): void {
    this.#due.set(key, Math.min(when, this.#due.get(key) ?? Infinity));
  }

  /** The keys that are due. */
  due(now: number): string[] {
    return [...this.#due].flatMap(([key, when]) => (when <= now ? [keyOf(key)] : []));
  }

  /** Takes a key out, for all reasons that are due. */
  take(key: string, now: number): void {
    for (const [each, when] of [...this.#due]) if (keyOf(each) === key && when <= now) this.#due.delete(each);
  }

  /** All that is to be looked at, and when. */
  entries(): [key: string, when: number][] {
    return [...this.#due].map(([key, when]) => [keyOf(key), when]);
  }

  /** When the next key is due; infinite when there is none. */
  get next(): number {
    return Math.min(Infinity, ...this.#due.values());
  }
}

function keyOf(key: string): string {
  return key.split('#')[0] ?? key;
}
