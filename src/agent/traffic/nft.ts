import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { type Protocol, protocols } from '../../api/peers.js';
import type { Direction } from '../../faults/step.js';
import { type Addresses, type Inputs, RefusedError } from '../handler.js';
import { type AddressSets, addressSets, formatAddress, formatRange, parseRange } from './addresses.js';
import { type Lane, type TrafficPlan, usesIfb } from './plan.js';

/** A family of nft tables that we use. */
export type Family = 'inet' | 'netdev';

/** After this long without a refresh the kernel ends the effect by itself. */
export const GATE_SECONDS = 30;

/**
 * Chains that hold nothing and whose names end in a digest: of the inputs that are in the sets, and of how everything
 * looked when it was first held, with the elements of the sets or without.
 */
export type Marker = 'inputs' | 'look' | 'outline';

const SHARES = 1_000_000;

/**
 * ICMPv6 that a link can't do without (RFC 4861, RFC 3810): without it neighbours are forgotten, and the end of a fault
 * would not be the end of its effect.
 */
const keepsLinkAlive =
  'icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect, mld2-listener-report } return';

/** The families a plan has a table of, the one with the markers first. */
export function familiesOf(plan: TrafficPlan): Family[] {
  if (!usesIfb(plan)) return ['inet'];
  return plan.egress ? ['inet', 'netdev'] : ['netdev'];
}

/** A script that puts our tables there, in one transaction, whatever was left of them. */
export function createScript(plan: TrafficPlan, inputs: Inputs, gateSeconds = GATE_SECONDS): string {
  const [first] = familiesOf(plan);
  const scripts = familiesOf(plan).map((family) => {
    const table = `${family} ${plan.table}`;
    const marker = family === first ? [`chain ${markerName('inputs', inputsDigest(plan, inputs))} {`, '}'] : [];
    return [
      `add table ${table}`,
      `delete table ${table}`,
      `table ${table} {`,
      `set armed { type ether_type; flags timeout; elements = { ${armed(gateSeconds)} }`,
      '}',
      'counter matched {',
      '}',
      'counter exempted {',
      '}',
      'counter dropped {',
      '}',
      ...marker,
      ...setsOf(plan, inputs).flatMap(declared),
      ...chainsOf(plan, family),
      '}',
    ].join('\n');
  });
  return `${scripts.join('\n')}\n`;
}

/**
 * A script that keeps the gate of one of our tables open; it fails when the gate is closed or the table gone, and then
 * does nothing.
 */
export function refreshScript({ table }: TrafficPlan, family: Family, gateSeconds = GATE_SECONDS): string {
  const set = `${family} ${table} armed`;
  // An element that is there keeps its time when it is only added.
  return `delete element ${set} { ip, ip6 }\nadd element ${set} { ${armed(gateSeconds)} }\n`;
}

/** A script that brings changed inputs in, and takes the markers `had` away. */
export function updateScript(plan: TrafficPlan, inputs: Inputs, had: readonly string[]): string {
  const [first] = familiesOf(plan);
  const sets = setsOf(plan, inputs).filter(({ changes }) => changes);
  return [
    ...familiesOf(plan).flatMap((family) =>
      sets.flatMap(({ name, elements }) => {
        const set = `${family} ${plan.table} ${name}`;
        const add = elements.length > 0 ? [`add element ${set} { ${elements.join(', ')} }`] : [];
        return [`flush set ${set}`, ...add];
      }),
    ),
    ...had.map((name) => `delete chain ${first} ${plan.table} ${name}`),
    `add chain ${first} ${plan.table} ${markerName('inputs', inputsDigest(plan, inputs))}`,
    '',
  ].join('\n');
}

/** Name of a marker with this digest. */
export function markerName(marker: Marker, digest: string): string {
  return `${marker}_${digest}`;
}

/** A short digest of the inputs, whatever their order; cheap also for 10,000 addresses. */
export function inputsDigest({ match }: TrafficPlan, { peers, except, exempt }: Inputs): string {
  const sorted = (addresses: Addresses | undefined) => [
    [...(addresses?.ranges ?? [])].sort(),
    (addresses?.endpoints ?? []).map(({ address, port, protocol }) => `${address} ${port} ${protocol}`).sort(),
  ];
  return digestOf(
    JSON.stringify([
      match.peers ? sorted(peers) : [],
      match.except ? sorted(except) : [],
      match.includeKubelet ? [] : exempt.map(({ from, port }) => `${from} ${port}`).sort(),
    ]),
  );
}

/** How many elements our sets have, about. */
export function countElements({ peers, except, exempt }: Inputs): number {
  const count = (addresses: Addresses | undefined) =>
    addresses ? addresses.ranges.length + addresses.endpoints.length : 0;
  return count(peers) + count(except) + exempt.length;
}

/** The first 16 hexadecimal digits of a text's SHA-256. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function armed(gateSeconds: number): string {
  return `ip timeout ${gateSeconds}s, ip6 timeout ${gateSeconds}s`;
}

interface NftSet {
  name: string;
  type: string;
  interval: boolean;
  /** Whether its elements come from the inputs. */
  changes: boolean;
  elements: string[];
}

function declared({ name, type, interval, elements }: NftSet): string[] {
  const flags = interval ? ' flags interval;' : '';
  const content = elements.length > 0 ? ` elements = { ${elements.join(', ')} }` : '';
  return [`set ${name} { type ${type};${flags}${content}`, '}'];
}

function setsOf({ match }: TrafficPlan, { peers, except, exempt }: Inputs): NftSet[] {
  const ports = protocols.filter((protocol) => portsOf(match.ports, protocol).length > 0);
  return [
    ...ports.map((protocol) => ({
      name: portSet(protocol),
      type: 'inet_service',
      interval: true,
      changes: false,
      elements: portsOf(match.ports, protocol),
    })),
    ...exemptSets(match.includeKubelet ? [] : exempt),
    ...(match.peers ? peerSets('peer', addressSets(peers ?? { ranges: [], endpoints: [] })) : []),
    ...(match.except ? peerSets('except', addressSets(except ?? { ranges: [], endpoints: [] })) : []),
  ];
}

function portSet(protocol: Protocol): string {
  return `${protocol.toLowerCase()}_ports`;
}

/** Ports of one protocol as elements of an interval set, none in two of them. */
function portsOf(ports: TrafficPlan['match']['ports'], protocol: Protocol): string[] {
  const ranges = (ports ?? [])
    .filter((range) => (range.protocol ?? 'TCP') === protocol)
    .map(({ port, endPort }) => ({ from: port, to: endPort ?? port }))
    .sort((a, b) => a.from - b.from);
  const merged: { from: number; to: number }[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last && range.from <= last.to + 1) last.to = Math.max(last.to, range.to);
    else merged.push({ ...range });
  }
  return merged.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`));
}

function exemptSets(exempt: Inputs['exempt']): NftSet[] {
  return ([4, 6] as const).map((version) => {
    const elements = exempt.flatMap(({ from, port }) => {
      const range = parseRange(from);
      if (!Number.isInteger(port)) throw new RefusedError(`'${port}' is not the number of a port`);
      return range.version === version ? [`${formatAddress(version, range.from)} . ${port}`] : [];
    });
    const type = `ipv${version}_addr . inet_service`;
    return { name: `exempt${version}`, type, interval: false, changes: true, elements: [...new Set(elements)].sort() };
  });
}

function peerSets(name: 'peer' | 'except', { ranges, endpoints }: AddressSets): NftSet[] {
  return ([4, 6] as const).flatMap((version) => [
    {
      name: `${name}${version}`,
      type: `ipv${version}_addr`,
      interval: true,
      changes: true,
      elements: ranges.filter((range) => range.version === version).map(formatRange),
    },
    {
      name: `${name}_endpoint${version}`,
      type: `ipv${version}_addr . inet_proto . inet_service`,
      interval: false,
      changes: true,
      elements: endpoints
        .filter(({ address }) => isIPv4(address) === (version === 4))
        .map(({ address, protocol, port }) => `${address} . ${protocol.toLowerCase()} . ${port}`)
        .sort(),
    },
  ]);
}

function chainsOf(plan: TrafficPlan, family: Family): string[] {
  const ingressFamily = usesIfb(plan) ? 'netdev' : 'inet';
  return [
    ...(plan.egress && family === 'inet' ? chains(plan, 'egress', family, plan.egress) : []),
    ...(plan.ingress && family === ingressFamily ? chains(plan, 'ingress', family, plan.ingress) : []),
  ];
}

type Way = Lowercase<Exclude<Direction, 'Both'>>;

function chains(plan: TrafficPlan, way: Way, family: Family, lane: Lane): string[] {
  const { match } = plan;
  const [far, farPort, ownPort] = way === 'egress' ? ['daddr', 'dport', 'sport'] : ['saddr', 'sport', 'dport'];
  const toPeers = match.peers ? `goto ${way}_peers` : `goto ${way}_hit`;
  const inEither = protocols
    .filter((protocol) => portsOf(match.ports, protocol).length > 0)
    .flatMap((protocol) =>
      ['dport', 'sport'].map((port) => `${protocol.toLowerCase()} ${port} @${portSet(protocol)} ${toPeers}`),
    );
  const addresses = (set: string, verdict: string) => [
    `ip ${far} @${set}4 ${verdict}`,
    `ip6 ${far} @${set}6 ${verdict}`,
  ];
  const endpoints = (set: string, verdict: string) => [
    `ip ${far} . meta l4proto . th ${farPort} @${set}_endpoint4 ${verdict}`,
    `ip6 ${far} . meta l4proto . th ${farPort} @${set}_endpoint6 ${verdict}`,
  ];
  return [
    `chain ${way} {`,
    ...hook(plan, way, family, lane),
    'meta protocol != @armed return',
    keepsLinkAlive,
    ...(match.except ? [...addresses('except', 'return'), ...endpoints('except', 'return')] : []),
    ...(match.peers ? endpoints('peer', `goto ${way}_hit`) : []),
    ...(match.ports ? inEither : [toPeers]),
    '}',
    ...(match.peers ? [`chain ${way}_peers {`, ...addresses('peer', `goto ${way}_hit`), '}'] : []),
    `chain ${way}_hit {`,
    `ip ${far} . tcp ${ownPort} @exempt4 counter name exempted return`,
    `ip6 ${far} . tcp ${ownPort} @exempt6 counter name exempted return`,
    'counter name matched',
    ...verdicts(plan, way, lane),
    '}',
  ];
}

function hook(plan: TrafficPlan, way: Way, family: Family, lane: Lane): string[] {
  if (way === 'egress') {
    // What is to be lost is chosen last: another fault that shapes it must not save it.
    const priority = lane.shape ? 'mangle' : 'mangle + 1';
    return [`type filter hook postrouting priority ${priority}; policy accept;`, `oifname != "${plan.device}" return`];
  }
  if (family === 'netdev') {
    return [`type filter hook ingress device "${plan.device}" priority -150; policy accept;`];
  }
  return ['type filter hook prerouting priority raw; policy accept;', `iifname != "${plan.device}" return`];
}

function verdicts(plan: TrafficPlan, way: Way, { drop, shape }: Lane): string[] {
  const rules: string[] = [];
  if (drop !== undefined) {
    const chance = drop < 1 ? `numgen random mod ${SHARES} < ${Math.max(1, Math.round(drop * SHARES))} ` : '';
    const lose = way === 'egress' ? `meta priority set ${plan.dropClass} return` : 'drop';
    rules.push(`${chance}counter name dropped ${lose}`);
  }
  if (shape) rules.push(way === 'egress' ? `meta priority set ${plan.shapeClass}` : `fwd to "${plan.ifb}"`);
  return rules;
}
