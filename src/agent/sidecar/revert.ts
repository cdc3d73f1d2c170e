import type { Evidence } from '../../api/injection.js';
import type { SidecarOrder, SidecarReport } from '../../faults/sidecar.js';
import { sleep } from '../../kubernetes/timing.js';
import { together } from '../sightings.js';
import { messageOf } from '../tools.js';
import {
  faultAt,
  LOOK_MILLISECONDS,
  persistently,
  type SidecarTools,
  STALL_MILLISECONDS,
  showsEffect,
  tombstoneOf,
} from './hold.js';
import { ownPlace } from './own-place.js';
import type { SidecarFault } from './sidecar-fault.js';

/** After this time the first one has either seen the tombstone or puts nothing back any more. */
const SETTLE_MILLISECONDS = Math.max(LOOK_MILLISECONDS, STALL_MILLISECONDS) + 1_500;
/** So often something may have come back before it is said that it can't be taken back. */
const ROUNDS = 3;

/**
 * Takes the fault of an order back, whoever has put it on.
 * @param isAlone whether nobody is left who could put it back
 */
export async function revertOrder(order: SidecarOrder, tools: SidecarTools, isAlone: boolean): Promise<SidecarReport> {
  let evidence: Evidence = {};
  const report = (rest: Pick<SidecarReport, 'end' | 'message'>): SidecarReport => ({
    ...rest,
    drifts: 0,
    effective: showsEffect(order, evidence),
    evidence,
  });
  try {
    const place = await ownPlace(order, tools.run);
    const fault = faultAt(order, place, tools, () => {});
    const tombstone = tombstoneOf(order, place);
    if (!isAlone) await tombstone.leave();
    evidence = countedIn(await persistently(() => fault.revertAll(), tools.timing));
    if (!isAlone) await keepOff(fault, tools);
    await tombstone.remove();
    return report({ end: 'Stopped', message: 'it was taken back' });
  } catch (error) {
    return report({ end: 'Failed', message: messageOf(error) });
  }
}

/** Waits until nothing comes back. @throws Error when it still does */
async function keepOff(fault: SidecarFault, { timing, stop }: SidecarTools): Promise<void> {
  for (let round = 1; round <= ROUNDS; round += 1) {
    await sleep(SETTLE_MILLISECONDS, timing, stop);
    const found = countedIn(await persistently(() => fault.revertAll(), timing));
    // Where there was a table there were counters.
    if (Object.keys(found).length === 0) return;
  }
  throw new Error('the fault came back each time it was taken away');
}

function countedIn(all: readonly Evidence[]): Evidence {
  return together(all.map((evidence) => ({ evidence, effective: false }))).evidence;
}
