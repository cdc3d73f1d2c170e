import type { Evidence } from '../../api/injection.js';
import type { SidecarEnd, SidecarOrder, SidecarReport } from '../../faults/sidecar.js';
import { sleep, type Timing } from '../../kubernetes/timing.js';
import type { LookUp } from '../host-names.js';
import type { Place, RunProgram } from '../place.js';
import { together } from '../sightings.js';
import { messageOf } from '../tools.js';
import { ownPlace } from './own-place.js';
import { SidecarFault } from './sidecar-fault.js';
import { SidecarInputs } from './sidecar-inputs.js';
import { Tombstone } from './tombstone.js';

/** Milliseconds between two looks at the fault, each of which keeps it on. */
export const LOOK_MILLISECONDS = 4_000;
/**
 * A sidecar that was held up for longer than this between two looks puts nothing back: the one that takes its fault back
 * may have come and gone meanwhile.
 */
export const STALL_MILLISECONDS = 6_000;
/** A fault that can't be looked at this often in a row is not claimed to be on. */
const FAILED_LOOKS = 2;
const REVERT_TRIES = 5;
const RETRY_MILLISECONDS = 500;

/** What a sidecar works with. */
export interface SidecarTools {
  run: RunProgram;
  timing: Timing;
  /** Milliseconds since the epoch, by the node's clock. */
  wallClock(): number;
  /** Aborts when the fault is to be taken back at once. */
  stop: AbortSignal;
  /** Told what is news. */
  tell(report: SidecarReport): void;
  lookUp?: LookUp;
}

/** What is told of a fault in the end and meanwhile. */
type Seen = Omit<SidecarReport, 'end' | 'message'>;

/** Puts the fault of an order on, keeps it on for its time, and takes it back: what came of it. */
export async function holdOrder(order: SidecarOrder, tools: SidecarTools): Promise<SidecarReport> {
  return new Hold(order, tools).run();
}

class Hold {
  readonly #order: SidecarOrder;
  readonly #tools: SidecarTools;
  #seen: Seen;
  #told = '';
  #problem: string | undefined;

  constructor(order: SidecarOrder, tools: SidecarTools) {
    this.#order = order;
    this.#tools = tools;
    this.#seen = { drifts: order.drifts, effective: false, evidence: {} };
  }

  async run(): Promise<SidecarReport> {
    let place: Place;
    try {
      place = await this.#enter();
    } catch (error) {
      return this.#ended('Refused', messageOf(error));
    }
    const fault = faultAt(this.#order, place, this.#tools, (problem) => this.#note(problem));
    const tombstone = tombstoneOf(this.#order, place);
    const [end, message] = await this.#carryOut(fault, tombstone);
    try {
      this.#count(await persistently(() => fault.revert(), this.#tools.timing));
      return this.#ended(end, message);
    } catch (error) {
      return this.#ended('Failed', `${messageOf(error)} (it was to end: ${message})`);
    }
  }

  /** Finds out that this is where and when the fault may be put on. */
  async #enter(): Promise<Place> {
    const late = this.#tools.wallClock() - this.#order.startBy;
    if (late > 0) {
      const seconds = Math.ceil(late / 1000);
      throw new Error(`its container was started ${seconds} s too late, so that nothing was put on any more`);
    }
    return ownPlace(this.#order, this.#tools.run);
  }

  async #carryOut(fault: SidecarFault, tombstone: Tombstone): Promise<[SidecarEnd, string]> {
    const { timing, stop } = this.#tools;
    try {
      if (await tombstone.isLeft()) return ['Refused', 'it was taken back before it was put on'];
      await fault.apply();
      this.#look(together(await fault.hold()));
    } catch (error) {
      return ['Refused', messageOf(error)];
    }
    const ends = timing.now() + this.#order.milliseconds;
    this.#tell();
    let good = timing.now();
    let failures = 0;
    for (;;) {
      await sleep(Math.min(LOOK_MILLISECONDS, ends - timing.now()), timing, stop);
      if (stop.aborted) return ['Stopped', 'its container was ended'];
      if (timing.now() >= ends) return ['Over', 'its time was over'];
      try {
        const end = await this.#turn(fault, tombstone, good);
        if (end) return end;
        good = timing.now();
        failures = 0;
      } catch (error) {
        failures += 1;
        this.#note(messageOf(error));
        if (failures >= FAILED_LOOKS) return ['Lost', `it can't be looked at: ${messageOf(error)}`];
      }
    }
  }

  /** Looks at the fault once; how it ends, if it does. */
  async #turn(fault: SidecarFault, tombstone: Tombstone, good: number): Promise<[SidecarEnd, string] | undefined> {
    if (await tombstone.isLeft()) return ['Stopped', 'it was taken back'];
    const sighting = together(await fault.hold());
    this.#look(sighting);
    if (sighting.drift !== undefined) {
      this.#seen.drifts += 1;
      if (this.#order.onDrift === 'End') return ['Lost', `it vanished: ${sighting.drift}`];
      const lost = await this.#putBack(fault, tombstone, good, sighting.drift);
      if (lost) return lost;
    }
    this.#tell();
    return undefined;
  }

  async #putBack(
    fault: SidecarFault,
    tombstone: Tombstone,
    good: number,
    drift: string,
  ): Promise<[SidecarEnd, string] | undefined> {
    if (await tombstone.isLeft()) return ['Stopped', 'it was taken back'];
    const { timing } = this.#tools;
    const isLate = () => timing.now() - good > STALL_MILLISECONDS;
    const late: [SidecarEnd, string] = ['Lost', `it vanished while the sidecar was held up: ${drift}`];
    if (isLate()) return late;
    try {
      await fault.apply();
      this.#look(together(await fault.hold()));
    } catch (error) {
      return ['Lost', `it vanished (${drift}) and can't be put back: ${messageOf(error)}`];
    }
    if (isLate()) return late;
    this.#note(`vanished and was put back: ${drift}`);
    return undefined;
  }

  #look({ evidence, effective }: { evidence: Evidence; effective: boolean }): void {
    this.#count([evidence]);
    this.#seen.effective ||= effective;
  }

  /** Counters only grow, also when a fault that was put back begins to count anew. */
  #count(all: readonly Evidence[]): void {
    const { evidence } = together(all.map((one) => ({ evidence: one, effective: false })));
    const known: Record<string, number> = { ...this.#seen.evidence };
    for (const [kind, value] of Object.entries(evidence)) known[kind] = Math.max(known[kind] ?? 0, value);
    this.#seen.evidence = known;
    this.#seen.effective ||= showsEffect(this.#order, known);
  }

  #note(problem: string): void {
    this.#problem = problem;
  }

  #tell(): void {
    const report = { ...this.#seen, ...(this.#problem !== undefined && { message: this.#problem }) };
    const text = JSON.stringify(report);
    if (text !== this.#told) this.#tools.tell(report);
    this.#told = text;
  }

  #ended(end: SidecarEnd, message: string): SidecarReport {
    return { end, message, ...this.#seen };
  }
}

/** Whether counters alone show that a fault took effect: of what loses only a share, a packet that met it may be spared. */
export function showsEffect({ steps }: SidecarOrder, { packets = 0 }: Evidence): boolean {
  return packets > 0 && steps.some(({ step }) => step.drop === undefined || step.drop === 1);
}

/** The fault of an order in the place it is meant for. */
export function faultAt(
  order: SidecarOrder,
  place: Place,
  { timing, lookUp }: Pick<SidecarTools, 'timing' | 'lookUp'>,
  onProblem: (problem: string) => void,
): SidecarFault {
  return new SidecarFault(order, place, new SidecarInputs(order, { timing, onProblem, ...(lookUp && { lookUp }) }));
}

/** The tombstone of an order's fault. */
export function tombstoneOf({ steps: [first] }: SidecarOrder, place: Place): Tombstone {
  if (!first) throw new Error('the order has no step');
  return new Tombstone(place, first.id);
}

/** Takes a fault back, also when another one is at it at the same time. @throws Error naming what is left */
export async function persistently(revert: () => Promise<Evidence[]>, timing: Timing): Promise<Evidence[]> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await revert();
    } catch (error) {
      if (tries >= REVERT_TRIES) throw error;
      await sleep(RETRY_MILLISECONDS, timing);
    }
  }
}
