import { MAX_PEER_ADDRESSES, type Peers } from '../api/peers.js';
import { selectorText } from '../api/selector.js';
import type { Client } from '../kubernetes/client.js';
import { pods } from '../kubernetes/resource.js';
import type { Timing } from '../kubernetes/timing.js';
import { normalisedRange } from './cidr.js';
import { type Addresses, type Endpoint, RefusedError } from './handler.js';
import { type LookUp, lookUp } from './host-names.js';
import { endpointsOf } from './service-endpoints.js';

/** As often as an agent of a cluster's DNS would; a record that lives longer is kept for its time. */
const FRESH_MILLISECONDS = 5_000;
/** Whoever asks for addresses that are known does not wait longer than this for newer ones. */
const PATIENCE_MILLISECONDS = 1_000;
const PAGE = 500;

/** How {@link PeerAddresses} are made. */
export interface PeerOptions {
  client: Client;
  /** The namespace of peers that name none: the run's. */
  namespace: string;
  timing: Timing;
  /** Told, once per sentence, what could not be brought up to date; the addresses known before stay. */
  onProblem: (message: string) => void;
  lookUp?: LookUp;
}

interface KnownHost {
  addresses: string[];
  expires: number;
}

/** Finds the addresses that named peers stand for, and keeps them up to date for as long as somebody asks. */
export class PeerAddresses {
  readonly #options: PeerOptions;
  readonly #peers: Peers;
  readonly #hosts = new Map<string, KnownHost>();
  #addresses: Addresses | undefined;
  #freshUntil = Number.NEGATIVE_INFINITY;
  #finding: Promise<Addresses> | undefined;
  readonly #told = new Set<string>();

  constructor(peers: Peers, options: PeerOptions) {
    this.#peers = peers;
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
    const { services = [], cidrs = [], hosts = [] } = this.#peers;
    const parts = await Promise.all([
      this.#podAddresses(),
      ...services.map(({ name, namespace }) =>
        endpointsOf(this.#options.client, namespace ?? this.#options.namespace, name),
      ),
      ...hosts.map((host) => this.#hostAddresses(host)),
    ]);
    const ranges = unique([...cidrs.map(range), ...parts.flatMap((part) => part.ranges.map(range))]);
    const endpoints = uniqueEndpoints(parts.flatMap((part) => part.endpoints));
    const count = ranges.length + endpoints.length;
    if (count > MAX_PEER_ADDRESSES) {
      throw new RefusedError(
        `the peers stand for ${count} addresses, and at most ${MAX_PEER_ADDRESSES} are possible: name ranges (cidrs) instead`,
      );
    }
    this.#addresses = { ranges, endpoints };
    this.#freshUntil = this.#options.timing.now() + FRESH_MILLISECONDS;
    return this.#addresses;
  }

  async #podAddresses(): Promise<Addresses> {
    const { pods: named } = this.#peers;
    const ranges: string[] = [];
    if (!named) return { ranges, endpoints: [] };
    const pages = this.#options.client.listAll(pods, {
      namespace: named.namespace ?? this.#options.namespace,
      labelSelector: selectorText(named.selector),
      limit: PAGE,
      // What the API server has in memory is good enough, and costs etcd nothing.
      resourceVersion: '0',
    });
    for await (const { items, restarted } of pages) {
      if (restarted) ranges.length = 0;
      for (const { status } of items) {
        if (status?.phase === 'Succeeded' || status?.phase === 'Failed') continue;
        ranges.push(...(status?.podIPs ?? []).map(({ ip }: { ip: string }) => ip));
      }
    }
    return { ranges, endpoints: [] };
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
      if (!known) throw new RefusedError(message);
      this.#tell(`${message}; the last known ones are used`);
      return { ranges: known.addresses, endpoints: [] };
    }
  }
}

function range(text: string): string {
  const normalised = normalisedRange(text);
  if (normalised === undefined) throw new RefusedError(`'${text}' is no range of addresses such as 10.0.0.0/8`);
  return normalised;
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

function uniqueEndpoints(endpoints: readonly Endpoint[]): Endpoint[] {
  const byKey = new Map(endpoints.map((one) => [`${one.address} ${one.port} ${one.protocol}`, one]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
