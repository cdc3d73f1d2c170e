import { containerKill } from './container-kill.js';
import type { Fault } from './fault.js';
import { network } from './network.js';
import { nodeCordon } from './node-cordon.js';
import { nodeDrain } from './node-drain.js';
import { nodeTaint } from './node-taint.js';
import { partition } from './partition.js';
import { podKill } from './pod-kill.js';
import { processKill } from './process-kill.js';
import { processPause } from './process-pause.js';
import { rolloutRestart } from './rollout-restart.js';
import { scale } from './scale.js';
import { zoneOutage } from './zone-outage.js';

/** Every fault that works, in the order of the documentation. */
export const faults: readonly Fault[] = [
  podKill, // pods lost
  containerKill, // containers lost
  processKill, // processes lost
  processPause, // processes that hang
  network, // packets late, lost, few
  partition, // no packets at all
  nodeCordon, // nodes that take no new pods
  nodeTaint, // nodes that take some pods no more
  nodeDrain, // nodes emptied in good order
  zoneOutage, // zones lost
  scale, // more pods, or fewer
  rolloutRestart, // pods made anew, at their own pace
];

/** Whether the fault that is asked for is over once it happened. One that this version does not know is never put on. */
export function isOneShot(holder: object): boolean {
  return faults.some(({ name, oneShot }) => oneShot && (holder as Record<string, unknown>)[name] !== undefined);
}

/**
 * The fault that a step or an injection asks for, with its parameters.
 * Throws when it asks for none: its schema should have made that impossible.
 */
export function faultOf(holder: object): { fault: Fault; params: unknown } {
  for (const fault of faults) {
    const params = (holder as Record<string, unknown>)[fault.name];
    if (params !== undefined) return { fault, params };
  }
  throw new Error('this version of Squall does not know the fault that is asked for');
}
