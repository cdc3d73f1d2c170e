import type { Netem } from '../../faults/step.js';
import { type Lane, ROOT_HANDLE, type TrafficPlan } from './plan.js';

/** One command for `tc -batch`, as its arguments; none holds a space. */
export type TcCommand = readonly string[];

const MINIMUM_LIMIT = 1_000;
const MAXIMUM_LIMIT = 200_000;
const PACKETS_PER_SECOND = 100_000;
const SMALL_PACKET_BITS = 100 * 8;
const BURST_SECONDS = 0.005;
const QUEUE_SECONDS = 0.25;

/** The commands that make the shared root, which passes what no class is chosen for directly to the device. */
export function addRoot(device: string): TcCommand {
  return ['qdisc', 'add', 'dev', device, 'root', 'handle', ROOT_HANDLE, 'htb', 'default', '0', 'direct_qlen', '1000'];
}

/** The commands that make the classes for outgoing traffic under the shared root. */
export function addEgress(plan: TrafficPlan): TcCommand[] {
  const { device, egress } = plan;
  if (!egress) return [];
  return [
    ...(egress.shape ? [...addClass(device, plan.shapeClass), ...addShape(plan, device, egress)] : []),
    ...(egress.drop === undefined ? [] : [...addClass(device, plan.dropClass), addLoss(plan)]),
  ];
}

/** The commands that shape all that comes to our ifb device. */
export function addIngress(plan: TrafficPlan): TcCommand[] {
  const { ifb, ingress, shapeClass } = plan;
  if (!ingress?.shape) return [];
  const minor = shapeClass.slice(ROOT_HANDLE.length);
  return [
    ['qdisc', 'add', 'dev', ifb, 'root', 'handle', ROOT_HANDLE, 'htb', 'default', minor, 'direct_qlen', '1000'],
    ...addClass(ifb, shapeClass),
    ...addShape(plan, ifb, ingress),
  ];
}

/** A class that holds nothing back by itself: what is below it does. */
function addClass(device: string, classId: string): TcCommand[] {
  const unlimited = ['rate', '100gbit', 'burst', '10mb', 'cburst', '10mb', 'quantum', '60000'];
  return [['class', 'add', 'dev', device, 'parent', ROOT_HANDLE, 'classid', classId, 'htb', ...unlimited]];
}

/**
 * Loses packets as a network does: without telling the sender. A drop in nft's postrouting hook makes `send()` fail with
 * EPERM, and TCP treats the segment as not yet sent: no retransmission, no smaller window.
 */
function addLoss({ device, dropClass }: TrafficPlan): TcCommand {
  return ['qdisc', 'add', 'dev', device, 'parent', dropClass, 'blackhole'];
}

/** The limit stands above netem: it cuts packets of up to 64 KiB (GSO) into those that a wire would carry. */
function addShape(plan: TrafficPlan, device: string, { shape }: Lane): TcCommand[] {
  const rate = shape?.rateBitsPerSecond;
  const add = ['qdisc', 'add', 'dev', device, 'parent'];
  const commands: TcCommand[] = [];
  if (rate !== undefined) {
    commands.push([...add, plan.shapeClass, 'handle', plan.leafHandle, ...tokenBucket(rate, plan.mtu)]);
  }
  if (shape?.netem) {
    const parent = rate === undefined ? plan.shapeClass : `${plan.leafHandle}1`;
    commands.push([...add, parent, ...netemArguments(shape.netem, rate)]);
  }
  return commands;
}

/**
 * A token bucket (tc-tbf(8)) that is right over 5 ms and longer: so much may go at once, so that a timer that is late
 * costs nothing. Behind it a quarter of a second waits, as in a router's buffer, but 16 full packets at least.
 */
function tokenBucket(bitsPerSecond: number, mtu: number): string[] {
  const bytesPerSecond = bitsPerSecond / 8;
  const packet = mtu + 100;
  const burst = Math.ceil(Math.max(packet, bytesPerSecond * BURST_SECONDS));
  const limit = Math.ceil(Math.max(16 * packet, bytesPerSecond * QUEUE_SECONDS) + burst);
  return ['tbf', 'rate', `${Math.round(bitsPerSecond)}bit`, 'burst', `${burst}b`, 'limit', `${limit}b`];
}

/**
 * netem's arguments; see tc-netem(8). Delays are passed in microseconds: tc 6.1 reads no nanoseconds. Packets overtake
 * each other when the jitter is larger than their distance, as on a network with several paths.
 *
 * @param rateBitsPerSecond what the packets are limited to before they get here
 */
export function netemArguments(netem: Netem, rateBitsPerSecond?: number): string[] {
  const { delay, loss, duplicate, corrupt, reorder } = netem;
  const words = ['netem', 'limit', String(netemLimit(netem, rateBitsPerSecond))];
  if (delay) {
    words.push('delay', microseconds(delay.latencyMilliseconds));
    if (delay.jitterMilliseconds !== undefined) {
      words.push(microseconds(delay.jitterMilliseconds), ...correlated(delay.correlation));
      if (delay.distribution) words.push('distribution', delay.distribution);
    }
  }
  if (loss) words.push('loss', ...lossWords(loss));
  if (duplicate) words.push('duplicate', percent(duplicate.share));
  if (corrupt) words.push('corrupt', percent(corrupt.share));
  if (reorder) {
    words.push('reorder', percent(reorder.share));
    if (reorder.gap !== undefined) words.push('gap', String(reorder.gap));
  }
  return words;
}

/**
 * How many packets netem holds: all that arrive while the longest delay passes, at 100,000 packets a second (1.2 Gbit/s
 * of full packets) or the limited rate in small packets, and a quarter of a second more behind a limit. netem's default
 * of 1,000 would be full after 10 ms and lose the rest. A delayed packet no longer counts for its socket, so the queue
 * must have an end: 200,000 packets.
 */
export function netemLimit({ delay }: Netem, rateBitsPerSecond = Number.POSITIVE_INFINITY): number {
  const perSecond = Math.min(PACKETS_PER_SECOND, rateBitsPerSecond / SMALL_PACKET_BITS);
  // The tables of distributions reach to four times the jitter.
  const longest = ((delay?.latencyMilliseconds ?? 0) + 4 * (delay?.jitterMilliseconds ?? 0)) / 1_000;
  const behind = Number.isFinite(rateBitsPerSecond) ? QUEUE_SECONDS : 0;
  return Math.min(MAXIMUM_LIMIT, Math.max(MINIMUM_LIMIT, Math.ceil(perSecond * (longest + behind))));
}

function microseconds(milliseconds: number): string {
  return `${Math.max(1, Math.round(milliseconds * 1e3))}us`;
}

/**
 * Correlated loss as a chain of two states (Gilbert's model), which keeps both the share and the correlation of one packet
 * with the next. netem's `loss PERCENT CORRELATION` does not: of 20 % with a correlation of 50 % it loses 3 %.
 */
function lossWords({ share, correlation = 0 }: NonNullable<Netem['loss']>): string[] {
  if (correlation === 0) return [percent(share)];
  const changes = 1 - correlation;
  return ['gemodel', percent(share * changes), percent((1 - share) * changes)];
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(7))}%`;
}

function correlated(share: number | undefined): string[] {
  return share === undefined ? [] : [percent(share)];
}
