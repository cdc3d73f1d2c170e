import { BlockList, isIP } from 'node:net';

/** Where probes must not go. */
export interface AddressPolicy {
  /** Refuse the loopback: right in a cluster, where it is the controller itself; pods of the sandbox live there. */
  blockLoopback: boolean;
  /** The controller's own addresses and the API server: `host` for all ports, or `host:port` (`[::1]:443`). */
  blocked: readonly string[];
}

/** A probe was about to go where it must not. */
export class BlockedAddressError extends Error {
  override readonly name = 'BlockedAddressError';
}

const linkLocal = blockList([
  ['169.254.0.0', 16, 'ipv4'],
  ['fe80::', 10, 'ipv6'],
  // The same addresses behind NAT64 (RFC 6052), and the IPv6 address of the AWS metadata service.
  ['64:ff9b::a9fe:0', 112, 'ipv6'],
  ['fd00:ec2::254', 128, 'ipv6'],
]);
const unspecified = blockList([
  ['0.0.0.0', 8, 'ipv4'],
  ['::', 128, 'ipv6'],
]);
const loopback = blockList([
  ['127.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
]);

function blockList(subnets: [string, number, 'ipv4' | 'ipv6'][]): BlockList {
  const list = new BlockList();
  for (const [address, prefix, family] of subnets) list.addSubnet(address, prefix, family);
  return list;
}

/**
 * Why a connection to this host and port is refused, or undefined. Takes names and addresses; a name is to be checked
 * again by the addresses it resolves to.
 */
export function whyBlocked(host: string, port: number, policy: AddressPolicy): string | undefined {
  const name = normalize(host);
  const where = `'${name}' port ${port}`;
  if (policy.blocked.some((entry) => covers(entry, name, port))) {
    return `${where} belongs to the API server or to the controller itself, which probes may not reach`;
  }
  const family = isIP(name) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(name) === 0) return undefined;
  if (linkLocal.check(name, family)) return `${where} is link-local, which probes may not reach`;
  if (unspecified.check(name, family)) return `${where} is no address of a target`;
  if (policy.blockLoopback && loopback.check(name, family)) {
    return `${where} is the controller's own loopback, which probes may not reach`;
  }
  return undefined;
}

function covers(entry: string, name: string, port: number): boolean {
  const [, host = entry, onPort] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  return sameHost(normalize(host), name) && (onPort === undefined || Number(onPort) === port);
}

function sameHost(entry: string, name: string): boolean {
  const family = isIP(entry);
  if (family === 0 || isIP(name) === 0) return entry === name;
  const list = new BlockList();
  list.addAddress(entry, family === 6 ? 'ipv6' : 'ipv4');
  return list.check(name, isIP(name) === 6 ? 'ipv6' : 'ipv4');
}

/** Without brackets, zone, trailing dot and capitals, so that one host has one spelling. */
function normalize(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/%.*$/, '')
    .replace(/\.$/, '');
}
