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
  // The IPv6 address of the AWS metadata service.
  ['fd00:ec2::254', 128, 'ipv6'],
]);
/** Metadata services that are not link-local: of Alibaba Cloud, and the platform of Azure. */
const metadata = blockList([
  ['100.100.100.200', 32, 'ipv4'],
  ['168.63.129.16', 32, 'ipv4'],
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
  if (isIP(name) === 0) return undefined;
  const inside = embedded(name);
  if (inside !== undefined && whyBlocked(inside, port, policy) !== undefined)
    return `${where} leads to ${inside}, which probes may not reach`;
  const family = isIP(name) === 6 ? 'ipv6' : 'ipv4';
  if (linkLocal.check(name, family)) return `${where} is link-local, which probes may not reach`;
  if (metadata.check(name, family)) return `${where} is a metadata service, which probes may not reach`;
  if (unspecified.check(name, family)) return `${where} is no address of a target`;
  if (policy.blockLoopback && loopback.check(name, family)) {
    return `${where} is the controller's own loopback, which probes may not reach`;
  }
  return undefined;
}

/** The IPv4 address that an IPv6 address may be translated to: mapped or compatible (RFC 4291), NAT64 (6052), 6to4 (3056). */
function embedded(name: string): string | undefined {
  if (isIP(name) !== 6) return undefined;
  const groups = hextets(name);
  const [first, second] = groups;
  const isZero = (from: number, to: number) => groups.slice(from, to).every((group) => group === 0);
  const ofGroups = (high = 0, low = 0) => [high >> 8, high & 255, low >> 8, low & 255].join('.');
  if (first === 0x2002) return ofGroups(second, groups[2]);
  const isTranslated = first === 0x64 && second === 0xff9b;
  const isMapped = isZero(0, 5) && (groups[5] === 0 || groups[5] === 0xffff) && groups[6] !== 0;
  return isTranslated || isMapped ? ofGroups(groups[6], groups[7]) : undefined;
}

/** The eight numbers of an IPv6 address; the URL parser writes an IPv4 ending in hexadecimal. */
function hextets(address: string): number[] {
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const numbers = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [numbers(head), numbers(tail ?? '')];
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
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
