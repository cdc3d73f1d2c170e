import { type Protocol, protocols } from '../../api/peers.js';
import type { TrafficMatch } from '../../faults/step.js';
import type { Endpoint, Inputs } from '../handler.js';
import { type AddressRange, type AddressSets, addressSets, mergeRanges, parseRange, rangesMeet } from './addresses.js';

/** Which packets a fault means, without its exceptions; `undefined`: all addresses, all ports. */
export interface Meant {
  peers?: AddressSets;
  ports?: readonly { protocol: Protocol; from: number; to: number }[];
}

/** What a step means, as far as it is known now. */
export function meantBy(match: TrafficMatch, inputs: Inputs): Meant {
  return {
    ...(match.peers && { peers: addressSets(inputs.peers ?? { ranges: [], endpoints: [] }) }),
    ...(match.ports && {
      ports: match.ports.map(({ port, endPort, protocol }) => ({
        protocol: protocol ?? 'TCP',
        from: port,
        to: endPort ?? port,
      })),
    }),
  };
}

/** What the fault means that made this table, read back from nft's listing of it. */
export function meantByTable(listing: string): Meant {
  const sets = new Map<string, string[]>();
  for (const [, name, content] of listing.matchAll(/\bset (\w+) \{(.*?)\n\t\}/gs)) {
    const [, elements = ''] = content!.match(/elements = \{(.*)\}/s) ?? [];
    sets.set(
      name!,
      elements.split(',').flatMap((element) => element.trim() || []),
    );
  }
  const both = (name: string): string[] => [...(sets.get(`${name}4`) ?? []), ...(sets.get(`${name}6`) ?? [])];
  const ports = protocols.flatMap((protocol) =>
    (sets.get(`${protocol.toLowerCase()}_ports`) ?? []).map((element) => {
      const [from, to = from] = element.split('-').map(Number);
      return { protocol, from: from!, to: to! };
    }),
  );
  return {
    ...(sets.has('peer4') && {
      peers: { ranges: mergeRanges(both('peer').map(rangeOf)), endpoints: both('peer_endpoint').map(endpointOf) },
    }),
    ...(ports.length > 0 && { ports }),
  };
}

function rangeOf(element: string): AddressRange {
  const [from, to = from] = element.split('-') as [string, string?];
  return { ...parseRange(from), to: parseRange(to).to };
}

function endpointOf(element: string): Endpoint {
  const [address, protocol, port] = element.split(' . ') as [string, string, string];
  return { address, protocol: protocol.toUpperCase() as Protocol, port: Number(port) };
}

/**
 * Whether a packet can be meant by both: they have an address in common, with a port in common. Exceptions are not looked
 * at, nor is that a packet has two ports, of which each may be meant by one of them.
 */
export function overlap(one: Meant, other: Meant): boolean {
  if (!one.peers && !other.peers) return portsMeet(one, other);
  if (!one.peers || !other.peers) {
    const [limited, free] = one.peers ? [one, other] : [other, one];
    return (
      limited.peers!.endpoints.some((endpoint) => hasPort(free, endpoint)) ||
      (limited.peers!.ranges.length > 0 && portsMeet(one, other))
    );
  }
  return (
    (portsMeet(one, other) && rangesMeet(one.peers.ranges, other.peers.ranges)) ||
    one.peers.endpoints.some((endpoint) => means(other, endpoint)) ||
    other.peers.endpoints.some((endpoint) => means(one, endpoint))
  );
}

function portsMeet(one: Meant, other: Meant): boolean {
  if (!one.ports || !other.ports) return true;
  return one.ports.some((a) => other.ports!.some((b) => a.protocol === b.protocol && a.from <= b.to && b.from <= a.to));
}

function hasPort({ ports }: Meant, { port, protocol }: Endpoint): boolean {
  return (
    ports === undefined || ports.some((range) => range.protocol === protocol && range.from <= port && port <= range.to)
  );
}

function means(meant: Meant, endpoint: Endpoint): boolean {
  const inRange = hasPort(meant, endpoint) && rangesMeet([parseRange(endpoint.address)], meant.peers?.ranges ?? []);
  return (
    inRange ||
    (meant.peers?.endpoints ?? []).some(
      ({ address, port, protocol }) =>
        port === endpoint.port &&
        protocol === endpoint.protocol &&
        rangesMeet([parseRange(address)], [parseRange(endpoint.address)]),
    )
  );
}
