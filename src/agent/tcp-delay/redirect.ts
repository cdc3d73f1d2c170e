import { isIPv6 } from 'node:net';
import type { Destination } from './connection.js';
import { PROXY_UID } from './protocol.js';
import type { Listening } from './proxy.js';

/** A family of nft tables that proxies need. */
export type Family = 'ip' | 'ip6';

/** The family that an address belongs to. */
export function familyOf(address: string): Family {
  return isIPv6(address) ? 'ip6' : 'ip';
}

/** What the tables of a fault are made from. */
export interface RedirectSettings {
  id: string;
  families: readonly Family[];
  redirectSeconds: number;
}

/** The nft table of a fault, in each of its families. */
export function tableOf(id: string): string {
  if (!/^[0-9a-f]{8}$/.test(id)) throw new Error(`'${id}' is not an id`);
  return `squall_${id}`;
}

/**
 * An nft script that makes everything from nothing or from any part of it, and has new connections redirected to these
 * listeners and to no others, for `redirectSeconds`. Connections of the proxies themselves go out as they are, and so does what is under way already: the
 * first packet of it that the kernel tracks would be taken for a new connection if it did not have to be a SYN.
 */
export function redirectScript(
  { id, families, redirectSeconds }: RedirectSettings,
  listening: readonly Listening[],
): string {
  const table = tableOf(id);
  return families
    .map((family) => {
      const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
      return [
        `add table ${family} ${table}`,
        `add map ${family} ${table} listeners { type ${type} . inet_service : inet_service; flags timeout; timeout ${redirectSeconds}s; }`,
        `add chain ${family} ${table} output { type nat hook output priority -100; policy accept; }`,
        `flush chain ${family} ${table} output`,
        `add rule ${family} ${table} output meta skuid != ${PROXY_UID} tcp flags & (syn | ack) == syn redirect to :${family} daddr . tcp dport map @listeners`,
        ...elements(family, table, listening),
      ].join('\n');
    })
    .join('\n');
}

/**
 * An nft script that fails unless the table is there, brings the listeners up to date, and prints what is there. One for
 * each family: nft 1.0.6 finds tables of one family only in a script that lists something.
 */
export function refreshScript(id: string, family: Family, listening: readonly Listening[]): string {
  const table = tableOf(id);
  return [...elements(family, table, listening), `list chain ${family} ${table} output`].join('\n');
}

/** Whether what a `refreshScript` printed shows that connections are redirected. */
export function redirects(printed: string): boolean {
  return / redirect to :.* map @listeners/.test(printed);
}

/**
 * An nft script that ends redirection for new connections. The tables have to stay until the old ones are closed: with
 * the last nat chain of a namespace the kernel forgets to translate the packets of those that were redirected.
 */
export function endScript(id: string, family: Family): string {
  return `flush map ${family} ${tableOf(id)} listeners`;
}

function elements(family: Family, table: string, listening: readonly Listening[]): string[] {
  const ours = listening.filter(({ address }) => familyOf(address) === family);
  const list = ours.map(({ address, port, at }) => `${address} . ${port} : ${at}`);
  return [
    `flush map ${family} ${table} listeners`,
    ...(list.length > 0 ? [`add element ${family} ${table} listeners { ${list.join(', ')} }`] : []),
  ];
}

interface ListedMap {
  nftables: { map?: { elem?: [{ elem: { val: { concat: [string, number] } } }, number][] } }[];
}

/** The destinations in what `nft -j list map` printed for a map of ours. */
export function destinationsIn(printed: string): Destination[] {
  return (JSON.parse(printed) as ListedMap).nftables
    .flatMap(({ map }) => map?.elem ?? [])
    .map(([{ elem }]) => ({ address: elem.val.concat[0], port: elem.val.concat[1] }));
}

/** The tables of ours in what `nft -j list tables` printed. */
export function tablesIn(printed: string): { family: string; name: string }[] {
  const { nftables } = JSON.parse(printed) as { nftables: { table?: { family: string; name: string } }[] };
  return nftables.flatMap(({ table }) => (table?.name.startsWith('squall_') ? [table] : []));
}
