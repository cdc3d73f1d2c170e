import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type AddressPolicy, BlockedAddressError, whyBlocked } from './address-policy.js';
import type { ServiceAddress, Services } from './probe.js';

/** An address to connect to. */
export interface Address {
  address: string;
  family: number;
}

/** Where a host and port of a URL lead. Every address passed the policy. */
export interface Destination {
  /** At least one, in the order to try them. */
  addresses: Address[];
  port: number;
}

/** A name that leads nowhere: the system's fault, not ours. */
export class UnresolvedError extends Error {
  override readonly name = 'UnresolvedError';
}

/** As long as the records of a cluster's DNS live by default. */
const freshFor = 5_000;
/** How long DNS may take for the name of a Service before the API server is asked instead. */
const patience = 300;
const mostNames = 1_000;

interface Found extends ServiceAddress {
  /** The API server knew it, and DNS did not. */
  service?: boolean;
}

interface Entry {
  found: Promise<Found>;
  expires: number;
  turn: number;
}

/** How a resolver is made. `lookupAddresses` asks DNS. */
export interface ResolverOptions {
  services: Pick<Services, 'resolveService'>;
  policy: AddressPolicy;
  now(): number;
  lookupAddresses?: (host: string) => Promise<string[]>;
}

/**
 * Finds the addresses of hosts and checks them. Answers are kept for 5 s and then renewed in the background, so that
 * no sample is charged for a lookup; when nobody can say, the last answer stays good. Names of Services that DNS does
 * not know are looked up in the API server.
 */
export class Resolver {
  readonly #options: Required<ResolverOptions>;
  readonly #entries = new Map<string, Entry>();
  readonly #atServer = new Set<string>();

  constructor(options: ResolverOptions) {
    this.#options = { lookupAddresses: askDns, ...options };
  }

  /**
   * @throws BlockedAddressError when the policy forbids it
   * @throws UnresolvedError when the name leads nowhere
   * @throws Error when nobody could say
   */
  async resolve(host: string, port: number): Promise<Destination> {
    const bare = host.replace(/^\[|\]$/g, '');
    this.#refuse(bare, port);
    if (isIP(bare) !== 0) return { addresses: [{ address: bare, family: isIP(bare) }], port };
    const entry = this.#entry(bare);
    const { addresses, ports } = await entry.found;
    if (addresses.length === 0) throw new UnresolvedError(`Service '${bare}' has no ready endpoints`);
    const realPort = ports?.[port] ?? port;
    for (const address of addresses) this.#refuse(address, realPort);
    entry.turn += 1;
    return {
      addresses: rotate(addresses, entry.turn).map((address) => ({ address, family: isIP(address) })),
      port: realPort,
    };
  }

  /** Whether the API server is being asked for the address of a host, so that it is ours to wait for. */
  isAskingServer(host: string): boolean {
    return this.#atServer.has(host);
  }

  #refuse(host: string, port: number): void {
    const reason = whyBlocked(host, port, this.#options.policy);
    if (reason !== undefined) throw new BlockedAddressError(reason);
  }

  #entry(host: string): Entry {
    const known = this.#entries.get(host);
    if (known === undefined) return this.#ask(host);
    if (this.#options.now() >= known.expires) this.#renewInBackground(host, known);
    return known;
  }

  #ask(host: string): Entry {
    if (this.#entries.size >= mostNames) this.#entries.clear();
    const entry: Entry = { found: this.#find(host), expires: this.#options.now() + freshFor, turn: 0 };
    this.#entries.set(host, entry);
    // A failure is not kept: the name may be there for the next sample.
    entry.found.catch(() => {
      if (this.#entries.get(host) === entry) this.#entries.delete(host);
    });
    return entry;
  }

  #renewInBackground(host: string, known: Entry): void {
    known.expires = Number.POSITIVE_INFINITY;
    known.found
      .then(({ service }) => this.#find(host, service))
      .then(
        (found) => {
          known.found = Promise.resolve(found);
          known.expires = this.#options.now() + freshFor;
        },
        (error) => {
          if (error instanceof UnresolvedError) this.#entries.delete(host);
          else known.expires = this.#options.now() + freshFor;
        },
      );
  }

  /** DNS that did not know a Service is not asked again: where it is out of reach, each question keeps a thread busy. */
  async #find(host: string, skipDns = false): Promise<Found> {
    const service = serviceNamed(host);
    const fromDns = skipDns
      ? Promise.reject(new Error('DNS was not asked'))
      : this.#options.lookupAddresses(host).then((addresses) => ({ addresses }));
    if (service === undefined) return fromDns.catch((error) => Promise.reject(unresolved(host, error)));
    try {
      return await within(patience, fromDns);
    } catch (error) {
      const found = await this.#askServer(host, service);
      if (found === undefined) throw unresolved(host, error);
      return { ...found, service: true };
    }
  }

  async #askServer(host: string, { namespace, name }: { namespace: string; name: string }) {
    this.#atServer.add(host);
    try {
      return await this.#options.services.resolveService(namespace, name);
    } finally {
      this.#atServer.delete(host);
    }
  }
}

function unresolved(host: string, error: unknown): UnresolvedError {
  const code = (error as NodeJS.ErrnoException).code;
  const reason = code === undefined || code === 'ENOTFOUND' ? '' : ` (${code})`;
  return new UnresolvedError(`host name '${host}' is not known${reason}`);
}

async function askDns(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}

/** The Service a host name means: `name.namespace`, also followed by `.svc` and `.svc.cluster.local`. */
export function serviceNamed(host: string): { name: string; namespace: string } | undefined {
  const match = /^([a-z0-9-]{1,63})\.([a-z0-9-]{1,63})(?:\.svc(?:\.cluster\.local)?)?\.?$/.exec(host.toLowerCase());
  const [, name, namespace] = match ?? [];
  return name === undefined || namespace === undefined ? undefined : { name, namespace };
}

function rotate<T>(items: readonly T[], turn: number): T[] {
  const first = turn % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** Rejects when a promise takes longer. */
export function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`took longer than ${milliseconds}ms`)), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
