import type { NetworkSpace } from './network-space.js';

/** What came back of numbered echo requests. */
export interface Echoes {
  sent: number;
  /** Round trips in milliseconds by the request's number, from 0; undefined: it did not come back. */
  times: (number | undefined)[];
  /** Numbers of the requests in the order their answers arrived, each once. */
  order: number[];
  /** Answers beyond the first to a request. */
  duplicates: number;
}

/** How echo requests are sent: so many, so far apart, with so many bytes of payload. */
export interface EchoPace {
  count: number;
  intervalSeconds: number;
  bytes?: number;
}

/** Sends ICMP echo requests; see ping(8). Waits two seconds for the last answer. */
export async function echoes(space: NetworkSpace, address: string, pace: EchoPace): Promise<Echoes> {
  const { count, intervalSeconds, bytes = 16 } = pace;
  const args = ['-n', '-c', count, '-i', intervalSeconds, '-W', 2, '-s', bytes, address].map(String);
  const { stdout, stderr } = await space.run('ping', args, { timeoutMilliseconds: 60_000 });
  const found: Echoes = { sent: count, times: Array.from({ length: count }), order: [], duplicates: 0 };
  // Its socket for IPv4 gets packets before their checksum is looked at; what is wrong stands in the next line.
  for (const [, number, time] of stdout.matchAll(/icmp_seq=(\d+) .*time=([\d.]+) ms(?!.*\nwrong data byte)/g)) {
    const index = Number(number) - 1;
    if (found.times[index] !== undefined) found.duplicates += 1;
    else found.order.push(index);
    found.times[index] ??= Number(time);
  }
  if (found.order.length === 0 && stderr !== '') throw new Error(`ping ${address}: ${stderr}`);
  return found;
}

/** The round trips of those that came back, by their numbers. */
export function arrived({ times }: Echoes): number[] {
  return times.filter((time): time is number => time !== undefined);
}

/** How many answers arrived after one to a later request. */
export function overtaken({ order }: Echoes): number {
  let latest = -1;
  let count = 0;
  for (const number of order) {
    if (number < latest) count += 1;
    latest = Math.max(latest, number);
  }
  return count;
}

/** How alike neighbours are: the correlation of each value with the next one, from -1 to 1. */
export function likeness(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const spread = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const together = values
    .slice(1)
    .reduce((sum, value, index) => sum + (value - mean) * ((values[index] ?? mean) - mean), 0);
  return together / spread;
}
