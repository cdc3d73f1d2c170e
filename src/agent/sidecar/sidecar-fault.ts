import type { Evidence } from '../../api/injection.js';
import type { SidecarOrder, SidecarStep } from '../../faults/sidecar.js';
import type { Sighting } from '../handler.js';
import type { Place } from '../place.js';
import { trafficHandler } from '../traffic/handler.js';
import type { TrafficUndo } from '../traffic/plan.js';
import { undoAgain } from '../traffic/survey.js';
import type { SidecarInputs } from './sidecar-inputs.js';

/** The steps of an order in the pod. What takes them back follows from the order alone, so that no record is needed. */
export class SidecarFault {
  readonly #order: SidecarOrder;
  readonly #place: Place;
  readonly #inputs: SidecarInputs;
  readonly #undo = new Map<string, TrafficUndo>();

  constructor(order: SidecarOrder, place: Place, inputs: SidecarInputs) {
    this.#order = order;
    this.#place = place;
    this.#inputs = inputs;
  }

  /** Puts the steps on. When it throws, the caller reverts. @throws RefusedError when something is in the way */
  async apply(): Promise<void> {
    for (const one of this.#order.steps) {
      const inputs = await this.#inputs.of(one, this.#place);
      const undo = await trafficHandler.prepare(one.step, this.#place, one.id, inputs);
      this.#undo.set(one.id, undo);
      await trafficHandler.apply(undo, this.#place, inputs);
    }
  }

  /** Keeps the steps on, and looks at them. */
  async hold(): Promise<Sighting[]> {
    const sightings: Sighting[] = [];
    for (const one of this.#order.steps) {
      const undo = this.#undo.get(one.id);
      if (!undo) throw new Error(`step ${one.id} was never put on`);
      sightings.push(await trafficHandler.hold(undo, this.#place, await this.#inputs.of(one, this.#place)));
    }
    return sightings;
  }

  /**
   * Takes back what this process has put on, or begun to.
   * @returns what each step had counted; empty where there was nothing
   * @throws Error naming what is left
   */
  revert(): Promise<Evidence[]> {
    return this.#revert(this.#order.steps.filter(({ id }) => this.#undo.has(id)));
  }

  /** The same of what another process has put on. */
  revertAll(): Promise<Evidence[]> {
    return this.#revert(this.#order.steps);
  }

  async #revert(steps: readonly SidecarStep[]): Promise<Evidence[]> {
    const evidence: Evidence[] = [];
    const errors: unknown[] = [];
    for (const { id, step } of [...steps].reverse()) {
      try {
        const undo = this.#undo.get(id) ?? (await undoAgain(step, this.#place, id));
        evidence.push(await trafficHandler.revert(undo, this.#place));
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    return evidence;
  }
}
