import type { Evidence, Target } from '../api/injection.js';
import type { Addresses } from '../api/peers.js';
import { RefusedError } from '../api/refused-error.js';
import type { Traffic } from './step.js';

/** An argument of a program has 128 KiB in Linux, and all of a pod's sidecars stay in its object. */
export const MAX_ORDER_CHARACTERS = 32 * 1024;
/** Longest report, in bytes: the kubelet keeps 4 KiB of a termination message, and 12 KiB of all of a pod's containers. */
export const MAX_REPORT_BYTES = 1024;

/** One step of a sidecar's fault, with what only the API server knows of its peers. */
export interface SidecarStep {
  /** 8 hexadecimal digits that mark all that is added; see `recordId`. */
  id: string;
  step: Traffic;
  /** What the step's `peers` stood for when it was ordered, but for hosts, which the sidecar looks up. */
  peers?: Addresses;
  /** The same of its `except`. */
  except?: Addresses;
}

/** All that a sidecar is told: it can ask nobody. The same order takes back what it has put on. */
export interface SidecarOrder {
  pod: Target;
  /** `status.podIPs`: the sidecar must find them around itself. */
  podIPs: string[];
  /** Addresses of the pod's node: the sidecar must not find them, and the kubelet's probes may come from them. */
  hostIPs: string[];
  /** Ports of the pod that the kubelet probes. */
  probePorts: number[];
  steps: SidecarStep[];
  /** How long the fault is on, from when it has been put on. */
  milliseconds: number;
  /** After this, by the node's clock in milliseconds since the epoch, nothing is put on any more. */
  startBy: number;
  /** What it does when the fault has vanished. */
  onDrift: 'Reapply' | 'End';
  /** How often it had vanished before: counted on from there. */
  drifts: number;
}

/**
 * Why a sidecar's fault is not on: its time is `Over`, it was `Stopped`, was `Lost` and is not put back, was `Refused`
 * before it was on, or it has `Failed` to take it back. All but the last are proof that nothing is left.
 */
export const sidecarEnds = ['Over', 'Stopped', 'Lost', 'Refused', 'Failed'] as const;
/** Why a sidecar's fault is not on. */
export type SidecarEnd = (typeof sidecarEnds)[number];

/** What a sidecar says: each line of its log, and in the end its termination message. */
export interface SidecarReport {
  /** Undefined: the fault is on. */
  end?: SidecarEnd;
  message?: string;
  /** How often the fault had vanished, also before this sidecar; each time it was put back unless it ended. */
  drifts: number;
  effective: boolean;
  evidence: Evidence;
}

/** An order as an argument. @throws RefusedError when it is too long */
export function encodeOrder(order: SidecarOrder): string {
  const text = Buffer.from(JSON.stringify(order)).toString('base64url');
  if (text.length > MAX_ORDER_CHARACTERS) {
    throw new RefusedError(
      `what its sidecar is to be told has ${text.length} characters, and at most ${MAX_ORDER_CHARACTERS} are possible: name fewer peers, or ranges of them (cidrs), or use the node agent`,
    );
  }
  return text;
}

/** Reads an order back. @throws Error when it is none */
export function decodeOrder(text: string): SidecarOrder {
  if (text.length > MAX_ORDER_CHARACTERS) throw new Error(`it has more than ${MAX_ORDER_CHARACTERS} characters`);
  const order = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<SidecarOrder>;
  const isList = (value: unknown): boolean => Array.isArray(value);
  const isWhole =
    typeof order?.pod?.uid === 'string' &&
    [order.podIPs, order.hostIPs, order.probePorts, order.steps].every(isList) &&
    [order.milliseconds, order.startBy, order.drifts].every((value) => Number.isFinite(value)) &&
    (order.onDrift === 'Reapply' || order.onDrift === 'End');
  if (!isWhole) throw new Error('parts of it are missing');
  for (const { id, step } of order.steps ?? []) {
    if (!/^[0-9a-f]{8}$/.test(id)) throw new Error(`the id of a step is '${id}', which are not 8 hexadecimal digits`);
    if (step?.do !== 'traffic') throw new Error(`a sidecar can't carry out steps of the kind '${step?.do}'`);
  }
  return order as SidecarOrder;
}

/** A report as one line of at most {@link MAX_REPORT_BYTES}; what is too long for it is cut off its message. */
export function encodeReport(report: SidecarReport): string {
  const { message, ...rest } = report;
  for (let length = Math.min(message?.length ?? 0, MAX_REPORT_BYTES); length > 0; length -= 16) {
    const text = JSON.stringify({ ...rest, message: message?.slice(0, length) });
    if (Buffer.byteLength(text) <= MAX_REPORT_BYTES) return text;
  }
  return JSON.stringify(rest);
}

/** Reads a report back, as text or as the JSON it stands for; undefined when it is none. */
export function parseReport(said: unknown): SidecarReport | undefined {
  const value = typeof said === 'string' ? objectOf(said) : said;
  const { end, message, drifts, effective, evidence } = (value ?? {}) as Record<keyof SidecarReport, unknown>;
  if (!isCount(drifts) || typeof effective !== 'boolean' || typeof evidence !== 'object' || evidence === null)
    return undefined;
  if (end !== undefined && !sidecarEnds.includes(end as SidecarEnd)) return undefined;
  const counts = Object.entries(evidence).filter(
    ([kind, count]) => ['packets', 'bytes', 'exempted'].includes(kind) && isCount(count),
  );
  return {
    ...(end !== undefined && { end: end as SidecarEnd }),
    ...(typeof message === 'string' && { message: message.slice(0, MAX_REPORT_BYTES) }),
    drifts,
    effective,
    evidence: Object.fromEntries(counts),
  };
}

function objectOf(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
