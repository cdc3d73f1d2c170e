import { normalisedRange } from '../api/cidr.js';
import { type Addresses, type Endpoint, MAX_PEER_ADDRESSES, type Peers } from '../api/peers.js';
import { RefusedError } from '../api/refused-error.js';
import { selectorText } from '../api/selector.js';
import type { Client } from './client.js';
import { pods } from './resource.js';
import { endpointsOf } from './service-endpoints.js';

const PAGE = 500;

/**
 * The addresses that peers stand for now, but for those of hosts, which are looked up where the fault is.
 * @param namespace of peers that name none: the run's
 * @throws RefusedError when what is named is not there or stands for too many addresses, and other errors when nobody
 * can say
 */
export async function peerAddresses(client: Client, namespace: string, peers: Peers): Promise<Addresses> {
  const { services = [], cidrs = [] } = peers;
  const parts = await Promise.all([
    podAddresses(client, namespace, peers.pods),
    ...services.map((service) => endpointsOf(client, service.namespace ?? namespace, service.name)),
  ]);
  return mergedAddresses([{ ranges: cidrs, endpoints: [] }, ...parts]);
}

/**
 * All of these addresses, each once and in the one form and order that stands for them.
 * @throws RefusedError when one is none, or they are too many
 */
export function mergedAddresses(parts: readonly Addresses[]): Addresses {
  const ranges = [...new Set(parts.flatMap((part) => part.ranges.map(range)))].sort();
  const endpoints = uniqueEndpoints(parts.flatMap((part) => part.endpoints));
  const count = ranges.length + endpoints.length;
  if (count > MAX_PEER_ADDRESSES) {
    throw new RefusedError(
      `the peers stand for ${count} addresses, and at most ${MAX_PEER_ADDRESSES} are possible: name ranges (cidrs) instead`,
    );
  }
  return { ranges, endpoints };
}

async function podAddresses(client: Client, namespace: string, named: Peers['pods']): Promise<Addresses> {
  const ranges: string[] = [];
  if (!named) return { ranges, endpoints: [] };
  const pages = client.listAll(pods, {
    namespace: named.namespace ?? namespace,
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

function range(text: string): string {
  const normalised = normalisedRange(text);
  if (normalised === undefined) throw new RefusedError(`'${text}' is no range of addresses such as 10.0.0.0/8`);
  return normalised;
}

function uniqueEndpoints(endpoints: readonly Endpoint[]): Endpoint[] {
  const byKey = new Map(endpoints.map((one) => [`${one.address} ${one.port} ${one.protocol}`, one]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
