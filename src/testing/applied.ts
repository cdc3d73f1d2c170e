import { setTimeout as sleep } from 'node:timers/promises';
import type { Inputs, Sighting } from '../agent/handler.js';
import { trafficHandler } from '../agent/traffic/handler.js';
import type { Evidence } from '../api/injection.js';
import type { Traffic } from '../faults/step.js';
import type { NetworkPods } from './network-pods.js';

const HOLD_MILLISECONDS = 4_000;
let faults = 0;

/**
 * Puts a step on a pod as an agent does, works, looks whether it held, and takes it back whatever the work came to.
 *
 * @throws Error when the fault drifted, or no packet met it
 */
export async function whileApplied<T>(
  { place }: NetworkPods,
  step: Traffic,
  work: () => Promise<T>,
  inputs: Inputs = { exempt: [] },
): Promise<{ result: T; evidence: Evidence }> {
  faults += 1;
  const id = (0x5eed_0000 + faults).toString(16);
  const undo = await trafficHandler.prepare(step, place, id, inputs);
  let result: T;
  let seen: Sighting;
  try {
    await trafficHandler.apply(undo, place, inputs);
    const worked = work();
    // As an agent does; left alone the fault ends by itself.
    while (!(await isOver(worked, HOLD_MILLISECONDS))) await trafficHandler.hold(undo, place, inputs);
    result = await worked;
    seen = await trafficHandler.hold(undo, place, inputs);
  } catch (error) {
    await trafficHandler.revert(undo, place);
    throw error;
  }
  const evidence = await trafficHandler.revert(undo, place);
  if (seen.drift !== undefined) throw new Error(`the fault drifted: ${seen.drift}`);
  if (!seen.effective) throw new Error(`no packet met the fault: ${JSON.stringify(seen.evidence)}`);
  return { result, evidence };
}

/** Waits for some work, at most so long; whether it is over then. Throws what the work throws. */
async function isOver(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(milliseconds, false, { signal: timer.signal }).catch(() => false);
  return Promise.race([work.then(() => true), late]).finally(() => timer.abort());
}
