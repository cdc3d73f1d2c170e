import { RefusedError } from '../handler.js';
import type { Place } from '../place.js';
import type { Destination } from './connection.js';
import type { Listening } from './proxy.js';
import {
  destinationsIn,
  endScript,
  type Family,
  type RedirectSettings,
  redirectScript,
  redirects,
  refreshScript,
  tableOf,
  tablesIn,
} from './redirect.js';

/** The nft tables of one fault in one place. */
export class Redirects {
  readonly #place: Place;
  readonly #settings: RedirectSettings;

  constructor(place: Place, settings: RedirectSettings) {
    this.#place = place;
    this.#settings = settings;
  }

  /**
   * Redirects to these listeners and to no others.
   * @throws RefusedError when the kernel refuses it
   */
  async put(listening: readonly Listening[]): Promise<void> {
    const { code, stderr } = await this.#nft(redirectScript(this.#settings, listening));
    if (code !== 0) throw new RefusedError(`nft can't redirect connections to the proxy: ${stderr.trim()}`);
  }

  /**
   * Goes on redirecting, to these listeners and to no others.
   * @throws Error saying that what was put there is not there any more
   */
  async refresh(listening: readonly Listening[]): Promise<void> {
    const table = tableOf(this.#settings.id);
    for (const family of this.#settings.families) {
      const { code, stdout, stderr } = await this.#nft(refreshScript(this.#settings.id, family, listening));
      if (code !== 0) throw new Error(`the nft table ${family} ${table} is gone or changed: ${stderr.trim()}`);
      if (!redirects(stdout)) throw new Error(`the nft table ${family} ${table} does not redirect any more`);
    }
  }

  /** New connections go directly from now on. What is not there is left out. */
  async end(): Promise<void> {
    for (const family of await this.#present()) {
      const { code, stderr } = await this.#nft(endScript(this.#settings.id, family));
      if (code !== 0) throw new Error(`nft could not end the redirection: ${stderr.trim()}`);
    }
  }

  /** @throws Error naming a table that is still there */
  async remove(): Promise<void> {
    for (const family of await this.#present()) {
      await this.#place.run('nft', ['delete', 'table', family, tableOf(this.#settings.id)]);
    }
    const [left] = await this.#present();
    if (left) throw new Error(`the nft table ${left} ${tableOf(this.#settings.id)} could not be deleted`);
  }

  /** One of these destinations that another proxy on the same target delays; both would be one. */
  async takenByOthers(destinations: readonly Destination[]): Promise<Destination | undefined> {
    for (const { family, name } of await this.#tables()) {
      if (name === tableOf(this.#settings.id)) continue;
      const { code, stdout } = await this.#place.run('nft', ['-j', 'list', 'map', family, name, 'listeners']);
      // Other faults have tables of ours too, without such a map.
      const theirs = code === 0 ? destinationsIn(stdout) : [];
      const shared = destinations.find((one) => theirs.some((other) => isSame(one, other)));
      if (shared) return shared;
    }
    return undefined;
  }

  async #present(): Promise<Family[]> {
    const tables = await this.#tables();
    const name = tableOf(this.#settings.id);
    return this.#settings.families.filter((family) =>
      tables.some((table) => table.family === family && table.name === name),
    );
  }

  async #tables(): Promise<{ family: string; name: string }[]> {
    const { code, stdout, stderr } = await this.#place.run('nft', ['-j', 'list', 'tables']);
    if (code !== 0) throw new Error(`nft could not list tables: ${stderr.trim()}`);
    return tablesIn(stdout);
  }

  #nft(script: string) {
    return this.#place.run('nft', ['-f', '-'], { input: `${script}\n` });
  }
}

function isSame(one: Destination, other: Destination): boolean {
  return one.address === other.address && one.port === other.port;
}
