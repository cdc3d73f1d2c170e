import type { Place } from '../place.js';
import { listTable, nft } from '../traffic/kernel.js';

/**
 * An empty nft table that tells a sidecar that another one takes its fault back: the two share a network namespace and
 * nothing else.
 */
export class Tombstone {
  readonly #place: Place;
  readonly #name: string;

  /** @param id of the fault's first step */
  constructor(place: Place, id: string) {
    this.#place = place;
    this.#name = `squall_stop_${id}`;
  }

  /** Leaves it, unless it is there. */
  async leave(): Promise<void> {
    await nft(this.#place, `add table inet ${this.#name}\n`);
  }

  /** Whether it is there. */
  async isLeft(): Promise<boolean> {
    return (await listTable(this.#place, 'inet', this.#name)) !== undefined;
  }

  /** Takes it away, if it is there. */
  async remove(): Promise<void> {
    await nft(this.#place, `add table inet ${this.#name}\ndelete table inet ${this.#name}\n`);
  }
}
