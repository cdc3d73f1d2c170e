import { isIP, isIPv4 } from 'node:net';
import type { Protocol } from '../../api/peers.js';
import type { Addresses, Endpoint } from '../handler.js';
import { RefusedError } from '../handler.js';

/** IP version of an address. */
export type Version = 4 | 6;

/** Addresses of one version from `from` to `to`, both included. */
export interface AddressRange {
  version: Version;
  from: bigint;
  to: bigint;
}

/** Peers in the form in which nft's sets hold them: ranges that are sorted and touch nowhere, endpoints without doubles. */
export interface AddressSets {
  ranges: readonly AddressRange[];
  endpoints: readonly Endpoint[];
}

const bits = { 4: 32n, 6: 128n } as const;

/**
 * Reads `10.0.0.1`, `10.0.0.0/8` or `2001:db8::/32`. Bits behind the prefix are ignored.
 * @throws RefusedError when it is something else: nothing unchecked reaches nft
 */
export function parseRange(text: string): AddressRange {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address) as Version | 0;
  const width = version === 0 ? 0n : bits[version];
  if (version === 0 || rest.length > 0 || !/^\d{1,3}$/.test(prefix ?? '0') || BigInt(prefix ?? 0) > width) {
    throw new RefusedError(`'${text}' is not an address or a range such as 10.0.0.0/8 or 2001:db8::/32`);
  }
  const size = 1n << (width - BigInt(prefix ?? width));
  const from = addressNumber(address) & ~(size - 1n);
  return { version, from, to: from + size - 1n };
}

function addressNumber(address: string): bigint {
  if (isIPv4(address)) return address.split('.').reduce((number, part) => (number << 8n) | BigInt(part), 0n);
  const [head = '', tail] = hexadecimalOnly(address).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(tail === undefined ? 0 : 8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce((number, part) => (number << 16n) | BigInt(`0x${part}`), 0n);
}

/** `::ffff:1.2.3.4` without its dotted end, and without a zone. */
function hexadecimalOnly(address: string): string {
  const [withoutZone = ''] = address.split('%');
  return withoutZone.replace(/[^:]+\.[^:]+$/, (dotted) => {
    const number = addressNumber(dotted);
    return `${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`;
  });
}

/** Writes an address for nft, IPv6 in full length. */
export function formatAddress(version: Version, number: bigint): string {
  const [groups, width, base, separator] = version === 4 ? [4, 8n, 10, '.'] : [8, 16n, 16, ':'];
  const parts = Array.from({ length: groups as number }, (_, index) => {
    const shift = BigInt((groups as number) - 1 - index) * (width as bigint);
    return ((number >> shift) & ((1n << (width as bigint)) - 1n)).toString(base as number);
  });
  return parts.join(separator as string);
}

/** Writes a range as an element of an interval set of nft. */
export function formatRange({ version, from, to }: AddressRange): string {
  const first = formatAddress(version, from);
  return from === to ? first : `${first}-${formatAddress(version, to)}`;
}

/** The same addresses in ranges that are sorted and neither overlap nor touch, as nft's interval sets want them. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const sorted = [...ranges].sort((a, b) => a.version - b.version || compare(a.from, b.from));
  const merged: AddressRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last && last.version === range.version && range.from <= last.to + 1n) {
      if (range.to > last.to) last.to = range.to;
    } else merged.push({ ...range });
  }
  return merged;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * What named peers stand for, checked and brought into order.
 * @throws RefusedError naming what is no address or no port
 */
export function addressSets(addresses: Addresses): AddressSets {
  const endpoints = new Map<string, Endpoint>();
  for (const { address, port, protocol } of addresses.endpoints) {
    const { version, from, to } = parseRange(address);
    if (from !== to || !Number.isInteger(port) || port < 1 || port > 65_535 || !isProtocol(protocol)) {
      throw new RefusedError(`'${address}' port ${port} ${protocol} is not a port of one address`);
    }
    const endpoint = { address: formatAddress(version, from), port, protocol };
    endpoints.set(`${endpoint.address} ${port} ${protocol}`, endpoint);
  }
  return { ranges: mergeRanges(addresses.ranges.map(parseRange)), endpoints: [...endpoints.values()] };
}

function isProtocol(text: string): text is Protocol {
  return text === 'TCP' || text === 'UDP' || text === 'SCTP';
}

/** Whether two lists of ranges have an address in common; both as `mergeRanges` makes them. */
export function rangesMeet(left: readonly AddressRange[], right: readonly AddressRange[]): boolean {
  let [a, b] = [0, 0];
  while (a < left.length && b < right.length) {
    const [one, other] = [left[a]!, right[b]!];
    if (one.version === other.version && one.from <= other.to && other.from <= one.to) return true;
    const oneEndsFirst = one.version - other.version || compare(one.to, other.to);
    if (oneEndsFirst < 0) a++;
    else b++;
  }
  return false;
}

/** Local to the link, or a multicast group: of these a device has some without anybody having given it one. */
const local = /^(fe[89ab]|ff)/i;
const familyOf = (address: string) => (address.includes(':') ? 'IPv6' : 'IPv4');

/**
 * Why peers can never be met by who has only these addresses: they are all of the other IP version. Undefined when one may
 * be met, or there are none.
 */
export function familyProblem({ ranges, endpoints }: Addresses, own: readonly string[]): string | undefined {
  const peers = [...ranges, ...endpoints.map(({ address }) => address)];
  const families = new Set(own.filter((address) => !local.test(address)).map(familyOf));
  const [has] = families;
  const isMet = (address: string) => families.has(familyOf(address)) || local.test(address);
  if (!has || peers.length === 0 || peers.some(isMet)) return undefined;
  const lacks = has === 'IPv4' ? 'IPv6' : 'IPv4';
  return `all peers have ${lacks} addresses and the pod has only ${has}, so that no traffic would be hit: name their ${has} addresses`;
}
