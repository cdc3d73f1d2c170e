import { isIPv4, SocketAddress } from 'node:net';
import type { PortRange } from '../../api/peers.js';
import { type Addresses, type Endpoint, RefusedError } from '../handler.js';
import type { Destination } from './connection.js';
import { type Family, familyOf } from './redirect.js';

/** At most this many pairs of address and port are delayed: each takes a listener. */
export const MOST_DESTINATIONS = 256;

/**
 * Which connections are delayed: single addresses with each of the ports, and endpoints whose port is one of them.
 *
 * @param ports undefined: endpoints with their own ports only
 * @param families others can't be reached from the target, and are left out
 * @throws RefusedError when the kernel would have to do it
 */
export function destinationsOf(
  ports: readonly PortRange[] | undefined,
  { ranges, endpoints }: Addresses,
  families: readonly Family[],
): Destination[] {
  const found = new Map<string, Destination>();
  const wanted = [...fromEndpoints(ports, endpoints), ...fromRanges(ports, ranges)];
  for (const { address: text, port } of wanted) {
    const address = canonical(text);
    if (families.includes(familyOf(address))) found.set(`${address} ${port}`, { address, port });
  }
  if (found.size > MOST_DESTINATIONS) {
    throw refused(`these are more than ${MOST_DESTINATIONS} pairs of address and port; name fewer peers or ports`);
  }
  return [...found.values()];
}

function fromEndpoints(ports: readonly PortRange[] | undefined, endpoints: readonly Endpoint[]): Destination[] {
  const meant = endpoints.filter(
    ({ port, protocol }) => ports?.some((range) => inRange(range, port, protocol)) ?? true,
  );
  for (const { address, port, protocol } of meant) refuseOtherProtocols(protocol, `port ${port} of ${address}`);
  return meant;
}

function fromRanges(ports: readonly PortRange[] | undefined, ranges: readonly string[]): Destination[] {
  if (ranges.length > 0 && !ports) throw refused('peers other than services need `ports`');
  const each = (ports ?? []).flatMap(({ port, endPort = port, protocol = 'TCP' }) => {
    refuseOtherProtocols(protocol, `port ${port}`);
    // Far too many are refused without counting them all.
    const count = Math.min(endPort - port, MOST_DESTINATIONS) + 1;
    return Array.from({ length: count }, (_, index) => port + index);
  });
  return ranges.flatMap((range) => {
    const address = singleAddress(range);
    return each.map((port) => ({ address, port }));
  });
}

function inRange(range: PortRange, port: number, protocol: string): boolean {
  return (range.protocol ?? 'TCP') === protocol && port >= range.port && port <= (range.endPort ?? range.port);
}

function refuseOtherProtocols(protocol: string, where: string): void {
  if (protocol !== 'TCP') throw refused(`${where} is ${protocol}; only TCP can be delayed here`);
}

function singleAddress(range: string): string {
  const [address = '', bits] = range.split('/');
  if (bits !== undefined && bits !== (isIPv4(address) ? '32' : '128')) {
    throw refused(`${range} is a range of addresses; name single addresses, pods, services or hosts`);
  }
  return address;
}

/** The form in which nft prints an address, so that two can be compared. */
function canonical(address: string): string {
  if (isIPv4(address)) return address;
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(address)) throw refused(`'${address}' is not an address`);
  try {
    const { address: short } = new SocketAddress({ address, family: 'ipv6' });
    // To the kernel a connection to ::ffff:10.0.0.1 is one to 10.0.0.1.
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(short);
    return mapped?.[1] ?? short;
  } catch {
    throw refused(`'${address}' is not an address`);
  }
}

function refused(what: string): RefusedError {
  return new RefusedError(`without netem, connections are delayed by a proxy in userspace: ${what}`);
}
