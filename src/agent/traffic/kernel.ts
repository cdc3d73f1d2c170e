import type { Evidence } from '../../api/injection.js';
import type { Place } from '../place.js';
import type { Family } from './nft.js';
import type { TcCommand } from './tc.js';

/** A program of ours failed; the message says which, and what it said. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';

  constructor(
    program: string,
    readonly said: string,
  ) {
    super(`${program}: ${said}`);
  }
}

/** A network device of a namespace. */
export interface Device {
  /** Without the `@if7` that ip(8) shows behind it. */
  name: string;
  mtu: number;
  /** Such as `veth` or `ifb`; undefined for physical ones. */
  kind: string | undefined;
  addresses: readonly string[];
}

/** What tc shows of one device: a line for each of its qdiscs and classes. */
export interface Queueing {
  /** The line of the root qdisc, without the words that change. */
  root: string;
  qdiscs: readonly string[];
  classes: readonly string[];
}

/** A table of ours in nft, and its family. */
export interface TableName {
  family: Family;
  name: string;
}

/**
 * Runs `nft -f -` with a script. Throws ProgramError when nft or the kernel refuses it; then nothing was done.
 *
 * A script may list one table, and delete none that it lists: nft 1.0.6 finds only the tables of the family that it lists
 * last, and crashes on the other.
 */
export async function nft(place: Place, script: string, options: readonly string[] = []): Promise<string> {
  const { code, stdout, stderr } = await place.run('nft', [...options, '-f', '-'], { input: script });
  if (code !== 0) throw new ProgramError('nft', firstLine(stderr).replace(/^\/dev\/stdin:/, ''));
  return stdout;
}

/** Runs commands of tc or ip in one process. Throws ProgramError at the first that fails; those before it are done. */
export async function batch(
  place: Place,
  program: 'tc' | 'ip',
  commands: readonly TcCommand[],
  options: readonly string[] = [],
): Promise<string> {
  const input = commands.map((words) => `${words.join(' ')}\n`).join('');
  const { code, stdout, stderr } = await place.run(program, [...options, '-batch', '-'], { input });
  if (code !== 0) throw new ProgramError(program, firstLine(stderr));
  return stdout;
}

function firstLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('Warning: sch_htb: quantum'));
  return (lines[0] ?? 'failed without a word').trim();
}

/** The network devices of a namespace. */
export async function devicesOf(place: Place): Promise<Device[]> {
  const { code, stdout, stderr } = await place.run('ip', ['-d', '-j', 'address', 'show']);
  if (code !== 0) throw new ProgramError('ip', firstLine(stderr));
  // biome-ignore lint/suspicious/noExplicitAny: ip's JSON, of which these fields are used.
  return JSON.parse(stdout).map((link: any) => ({
    name: String(link.ifname),
    mtu: Number(link.mtu),
    kind: link.linkinfo?.info_kind,
    addresses: (link.addr_info ?? []).map(({ local }: { local?: string }) => String(local)),
  }));
}

/** Whether a device of this name is there. */
export async function hasDevice(place: Place, name: string): Promise<boolean> {
  const { code, stderr } = await place.run('ip', ['-o', 'link', 'show', 'dev', name]);
  if (code !== 0 && !stderr.includes('does not exist')) throw new ProgramError('ip', firstLine(stderr));
  return code === 0;
}

/**
 * The qdiscs and classes of devices, with one process; undefined when one of the devices is not there.
 * (As text: tc 6.1 writes no JSON for classes.)
 */
export async function queueingOf(place: Place, devices: readonly string[]): Promise<Queueing[] | undefined> {
  if (devices.length === 0) return [];
  const commands = devices.flatMap((device) => [
    ['qdisc', 'show', 'dev', device],
    ['class', 'show', 'dev', device],
  ]);
  try {
    return splitQueueing(await batch(place, 'tc', commands));
  } catch (error) {
    if (error instanceof ProgramError && error.said.includes('Cannot find device')) return undefined;
    throw error;
  }
}

/** tc shows a device's root qdisc first, so that it tells where the next device begins. */
function splitQueueing(text: string): Queueing[] {
  const found: { root: string; qdiscs: string[]; classes: string[] }[] = [];
  for (const line of text.split('\n').map(steady)) {
    if (/^qdisc \S+ \S+ root\b/.test(line)) found.push({ root: line, qdiscs: [], classes: [] });
    else if (line.startsWith('qdisc ')) found.at(-1)?.qdiscs.push(line);
    else if (line.startsWith('class ')) found.at(-1)?.classes.push(line);
  }
  return found;
}

/** Without what changes while nothing was changed. */
function steady(line: string): string {
  return line.replace(/ (?:refcnt|direct_packets_stat) \d+/g, '').trim();
}

/** Our tables, of all faults. */
export async function tablesOf(place: Place): Promise<TableName[]> {
  const { code, stdout, stderr } = await place.run('nft', ['list', 'tables']);
  if (code !== 0) throw new ProgramError('nft', firstLine(stderr));
  return [...stdout.matchAll(/^table (inet|netdev) (squall_\S+)$/gm)].map(([, family, name]) => ({
    family: family as Family,
    name: name!,
  }));
}

/** A table without the elements of its sets; undefined when it is not there. */
export async function listTable(place: Place, family: Family, name: string): Promise<string | undefined> {
  const { code, stdout, stderr } = await place.run('nft', ['-t', 'list', 'table', family, name]);
  if (code === 0) return stdout;
  if (stderr.includes('No such file or directory')) return undefined;
  throw new ProgramError('nft', firstLine(stderr));
}

/** Packets and bytes of the named counters in a listing of tables, summed over the tables. */
export function countersIn(
  listing: string,
): Record<'matched' | 'exempted' | 'dropped', { packets: number; bytes: number }> {
  const sums = { matched: zero(), exempted: zero(), dropped: zero() };
  for (const [, name, packets, bytes] of listing.matchAll(/counter (\w+) \{\s+packets (\d+) bytes (\d+)/g)) {
    const sum = sums[name as keyof typeof sums];
    if (!sum) continue;
    sum.packets += Number(packets);
    sum.bytes += Number(bytes);
  }
  return sums;
}

/** What the counters in a listing of our tables show. */
export function evidenceIn(listing: string): Evidence {
  const { matched, exempted } = countersIn(listing);
  return { packets: matched.packets, bytes: matched.bytes, exempted: exempted.packets };
}

function zero() {
  return { packets: 0, bytes: 0 };
}

/** A listing of tables without what changes while nothing was changed, and with the elements of sets in order. */
export function steadyListing(listing: string): string {
  return listing
    .replace(/\bpackets \d+ bytes \d+/g, '')
    .replace(/\n\s*chain (?:inputs|look|outline)_\w+ \{\s*\}\n/g, '\n')
    .replace(/ expires \S+?(?=[,\s])/g, '')
    .replace(/elements = \{([^}]*)\}/g, (_, elements: string) =>
      elements
        .split(',')
        .map((element) => element.trim())
        .sort()
        .join(', '),
    )
    .replace(/\s*\n\s*/g, '\n');
}
