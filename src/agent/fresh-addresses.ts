import { mergedAddresses } from '../kubernetes/peer-addresses.js';
import type { Timing } from '../kubernetes/timing.js';
import { type Addresses, RefusedError } from './handler.js';
import { type LookUp, lookUp } from './host-names.js';

/** As often as an agent of a cluster's DNS would; a record that lives longer is kept for its time. */
const FRESH_MILLISECONDS = 5_000;
/** Whoever asks for addresses that are known does not wait longer than this for newer ones. */
const PATIENCE_MILLISECONDS = 1_000;

/** How {@link FreshAddresses} are made. */
export interface FreshOptions {
  /** Finds the addresses of all that is named but hosts. */
  find(): Promise<Addresses>;
  timing: Timing;
  /** Told, once per sentence, what could not be brought up to date; the addresses known before stay. */
  onProblem: (message: string) => void;
  lookUp?: LookUp;
}

interface KnownHost {
  addresses: string[];
  expires: number;
}

/** Keeps addresses, those of hosts among them, up to date for as long as somebody asks. */
export class FreshAddresses {
  readonly #options: FreshOptions;
  readonly #names: readonly string[];
  readonly #hosts = new Map<string, KnownHost>();
  #addresses: Addresses | undefined;
  #freshUntil = Number.NEGATIVE_INFINITY;
  #finding: Promise<Addresses> | undefined;
  readonly #told = new Set<string>();

  constructor(hosts: readonly string[], options: FreshOptions) {
    this.#names = hosts;
    this.#options = options;
  }

  /**
   * The addresses as of some seconds ago at most; later ones when these can't be found.
   * @throws RefusedError when what is named is not there or stands for too many addresses, and other errors when nobody
   * can say; only before the first success
   */
  async current(): Promise<Addresses> {
    const { timing } = this.#options;
    if (this.#addresses && timing.now() < this.#freshUntil) return this.#addresses;
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    if (!this.#addresses) return this.#finding;
    return this.#orKnown(this.#finding, this.#addresses);
  }

  async #orKnown(finding: Promise<Addresses>, known: Addresses): Promise<Addresses> {
    const { timing } = this.#options;
    let cancel = () => {};
    const patience = new Promise<Addresses>((resolve) => {
      cancel = timing.schedule(PATIENCE_MILLISECONDS, () => resolve(known));
    });
    const found = finding.catch((error: Error) => {
      this.#freshUntil = timing.now() + FRESH_MILLISECONDS;
      this.#tell(error.message);
      return known;
    });
    return Promise.race([found, patience]).finally(cancel);
  }

  #tell(problem: string): void {
    if (this.#told.has(problem)) return;
    this.#told.add(problem);
    this.#options.onProblem(problem);
  }

  async #find(): Promise<Addresses> {
    const parts = await Promise.all([this.#options.find(), ...this.#names.map((host) => this.#hostAddresses(host))]);
    this.#addresses = mergedAddresses(parts);
    this.#freshUntil = this.#options.timing.now() + FRESH_MILLISECONDS;
    return this.#addresses;
  }

  async #hostAddresses(host: string): Promise<Addresses> {
    const { timing } = this.#options;
    const known = this.#hosts.get(host);
    if (known && timing.now() < known.expires) return { ranges: known.addresses, endpoints: [] };
    try {
      const { addresses, timeToLiveSeconds } = await (this.#options.lookUp ?? lookUp)(host);
      const milliseconds = Math.max(FRESH_MILLISECONDS, timeToLiveSeconds * 1000);
      this.#hosts.set(host, { addresses, expires: timing.now() + milliseconds });
      return { ranges: addresses, endpoints: [] };
    } catch (error) {
      const { code = (error as Error).message } = error as NodeJS.ErrnoException;
      const message = `the DNS, as the agent sees it, has no address for '${host}' (${code})`;
      if (!known) throw new RefusedError(`${message}: mend the name, or give addresses as \`cidrs\``);
      this.#tell(`${message}; the last known ones are used`);
      return { ranges: known.addresses, endpoints: [] };
    }
  }
}
