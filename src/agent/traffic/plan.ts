import type { Netem, Traffic, TrafficMatch } from '../../faults/step.js';

/** All that is needed to put a traffic step on, hold it and take it back. Plain JSON, written to disk before the effect. */
export interface TrafficUndo {
  /** 8 hexadecimal digits that mark all that is ours. */
  id: string;
  /** The network device in the target. */
  device: string;
  /** Its MTU in bytes. */
  mtu: number;
  /** Even number from 2 to 0x7ffe: the class that shapes is `5351:<minor>`, the one that loses packets the next. */
  minor: number;
  step: Traffic;
}

/** What happens to matched packets of one direction: a share of them is lost, the others are shaped. */
export interface Lane {
  /** Above 0, up to 1. */
  drop?: number;
  shape?: { rateBitsPerSecond?: number; netem?: Netem };
}

/** A traffic step on a device, worked out: names, and what happens in each direction. */
export interface TrafficPlan {
  /** Name of our nft tables. */
  table: string;
  /** Name of the device on which incoming traffic is shaped. */
  ifb: string;
  device: string;
  mtu: number;
  /** Class that shapes, such as `5351:2a`. */
  shapeClass: string;
  /** Class that loses what comes to it. */
  dropClass: string;
  /** Handle of the qdisc below the class that shapes, where it needs one of its own, such as `2a:`. */
  leafHandle: string;
  match: TrafficMatch;
  egress?: Lane;
  ingress?: Lane;
}

/** Handle of the root qdisc that our faults on a device share. */
export const ROOT_HANDLE = '5351:';

/** Whether tc's line about a root qdisc is about the one that our faults share. */
export function isSharedRoot(line: string): boolean {
  return line.startsWith(`qdisc htb ${ROOT_HANDLE} `) && / default 0(?:x0)?(?: |$)/.test(line);
}

/** The plan that an undo record stands for. */
export function planOf({ id, device, mtu, minor, step }: TrafficUndo): TrafficPlan {
  const { direction } = step.match;
  const shaped = step.rateBitsPerSecond !== undefined || step.netem !== undefined;
  const lane: Lane = {
    ...(step.drop !== undefined && { drop: step.drop }),
    ...(shaped && {
      shape: {
        ...(step.rateBitsPerSecond !== undefined && { rateBitsPerSecond: step.rateBitsPerSecond }),
        ...(step.netem && { netem: step.netem }),
      },
    }),
  };
  const hex = minor.toString(16);
  return {
    table: tableOf(id),
    ifb: `sq${id}`,
    device,
    mtu,
    shapeClass: `${ROOT_HANDLE}${hex}`,
    dropClass: `${ROOT_HANDLE}${(minor + 1).toString(16)}`,
    leafHandle: `${hex}:`,
    match: step.match,
    ...(direction !== 'Ingress' && { egress: lane }),
    ...(direction !== 'Egress' && { ingress: lane }),
  };
}

/** Name of the nft tables of the fault with this id. */
export function tableOf(id: string): string {
  return `squall_${id}`;
}

/** The minor number of a fault's class: from its id, so that it is the same after a restart. */
export function minorOf(id: string): number {
  // Handles from 0x8000 on are what the kernel gives to qdiscs that were added without one.
  const minor = (Number.parseInt(id, 16) % 0x3fff) * 2 + 2;
  // The major number of the qdisc below the class must not be that of the root.
  return minor === 0x5350 ? 0x7ffe : minor;
}

/** Whether incoming packets are sent through our ifb device. */
export function usesIfb(plan: TrafficPlan): boolean {
  return plan.ingress?.shape !== undefined;
}

/** Whether the fault has classes on the device itself. */
export function usesRoot(plan: TrafficPlan): boolean {
  return plan.egress !== undefined;
}
