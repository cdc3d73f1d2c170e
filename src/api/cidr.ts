import { isIP } from 'node:net';

/** How many bits the addresses of a family have. */
const WIDTH: Readonly<Record<number, number>> = { 4: 32, 6: 128 };

/**
 * A range of addresses in the one form that stands for it: `10.1.2.3/8` is `10.0.0.0/8`, `10.0.0.1` is `10.0.0.1/32`,
 * `2001:DB8::1` is `2001:db8::1/128`. undefined: it is none.
 */
export function normalisedRange(text: string): string | undefined {
  const [address = '', prefix, ...rest] = text.trim().split('/');
  const family = isIP(address);
  const width = WIDTH[family];
  if (width === undefined || rest.length > 0 || address.includes('%')) return undefined;
  if (prefix !== undefined && !/^\d{1,3}$/.test(prefix)) return undefined;
  const length = prefix === undefined ? width : Number(prefix);
  if (length > width) return undefined;
  const bits = (parse(address, family) >> BigInt(width - length)) << BigInt(width - length);
  // What is sent to an IPv4 address in the dress of an IPv6 one is IPv4 on the wire.
  if (family === 6 && bits >> 32n === 0xffffn && length >= 96) return `${format(bits & 0xffffffffn, 4)}/${length - 96}`;
  return `${format(bits, family)}/${length}`;
}

/** What is wrong with a range of addresses, in a sentence with what was probably meant; undefined when nothing is. */
export function rangeProblem(text: string): string | undefined {
  const range = normalisedRange(text);
  if (range === undefined) {
    const example = text.includes(':') ? '2001:db8::/32' : '10.0.0.0/8';
    return `'${text}' is no range of addresses such as ${example}: expected an address, and after a slash at most 32 bits of an IPv4 address or 128 of an IPv6 one`;
  }
  const [address = ''] = text.split('/');
  const isWhole = normalisedRange(address)?.split('/')[0] === range.split('/')[0];
  return isWhole
    ? undefined
    : `'${text}' has bits set beyond its prefix; did you mean the range ${range}, or the address ${address}?`;
}

/** Whether every address of the range `inner` is in one of `outers`. */
export function isWithin(inner: string, outers: readonly string[]): boolean {
  const [address = '', length = '0'] = normalisedRange(inner)?.split('/') ?? [];
  return outers.some((outer) => {
    const range = normalisedRange(outer);
    const bits = Number(range?.split('/')[1]);
    return bits <= Number(length) && normalisedRange(`${address}/${bits}`) === range;
  });
}

function parse(address: string, family: number): bigint {
  if (family === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  // The URL parser writes any form of an IPv6 address, also `::ffff:1.2.3.4`, as groups of hexadecimal digits.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...before, ...Array(8 - before.length - after.length).fill('0'), ...after];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function format(bits: bigint, family: number): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((bits >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
