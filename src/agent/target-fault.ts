import type { Injection, Target } from '../api/injection.js';
import type { Outcome } from '../domain/injection-observed.js';
import { faultOf } from '../faults/index.js';
import type { AgentStep } from '../faults/step.js';
import type { KubeObject } from '../kubernetes/resource.js';
import { type Inputs, RefusedError, type Sighting, TargetGoneError } from './handler.js';
import { handlerOf, putOn, together } from './handlers.js';
import type { InjectionInputs } from './inputs.js';
import { type JournalRecord, recordId } from './journal.js';
import type { Place } from './place.js';
import { type Found, LaterError, messageOf, readInputs, readTarget, type Tools } from './tools.js';

/** What a look at a fault that should be on came to; `unknown`: nobody could say, such as while the API server is away. */
export type Look = { seen: Sighting } | 'gone' | 'unknown';

/** An injection, and what its steps depend on. */
interface Known {
  injection: Injection;
  inputs: InjectionInputs;
}

/** The fault of one injection on one target. Whatever is asked of it is done one after the other. */
export class TargetFault {
  /** Undo records that are not clean, in the order of the steps. */
  readonly #records = new Map<string, JournalRecord>();
  #pod: KubeObject | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #isUndone = false;
  #isUnwanted = false;

  constructor(
    readonly tools: Tools,
    readonly injection: { name: string; uid: string },
    readonly target: Target,
  ) {}

  /** Takes over an undo record that another process left. */
  adopt(record: JournalRecord): void {
    this.#records.set(record.id, record);
    // Nothing of ours outlives the boot it was put on in.
    this.#isUndone = [...this.#records.values()].every(({ bootId }) => bootId !== this.tools.bootId);
  }

  /** Whether an undo record of it is open, so that something may be on the target. */
  get isIntended(): boolean {
    return this.#records.size > 0;
  }

  /** Whether this process has proven that nothing of it is left, since the last intent. */
  get isUndone(): boolean {
    return this.#isUndone;
  }

  /** From now on it is only taken back: what is being put on stops at the next step. */
  giveUp(): void {
    this.#isUnwanted = true;
  }

  /**
   * Puts the fault on, from nothing or any part of it. When that fails, what was done is taken back.
   * @param isPatient whether the pod may just be getting a new sandbox, and is not as its status says for a moment
   * @throws LaterError when it could not be tried
   */
  apply(
    injection: Injection,
    inputs: InjectionInputs,
    isPatient = false,
  ): Promise<{ outcome: Outcome; seen?: Sighting }> {
    return this.#exclusive(async () => {
      if (this.#isUnwanted) throw new LaterError('it is taken back');
      const { bootId = this.tools.bootId } = injection.spec;
      // The controller takes another boot for a proof that nothing of it is left, so nothing of it may be put on in one.
      if (bootId !== this.tools.bootId) return { outcome: { result: 'gone' } };
      try {
        return { outcome: { result: 'done' }, seen: await this.#apply(injection, inputs, isPatient) };
      } catch (error) {
        if (error instanceof LaterError) throw error;
        if (error instanceof TargetGoneError) return { outcome: { result: 'gone' } };
        return { outcome: { result: 'refused', message: messageOf(error) } };
      }
    });
  }

  /** Keeps the fault on, and looks at it. */
  hold(inputs: InjectionInputs): Promise<Look> {
    return this.#exclusive(() => (this.#isUnwanted ? 'unknown' : this.#hold(inputs)));
  }

  /**
   * Takes the fault back as far as anything may be on. The records stay open until `settle`.
   * @param known of a fault that a status says was on: where no record is left, what it needs is found out anew
   */
  revert(known?: Known): Promise<{ outcome: Outcome; evidence?: Sighting['evidence'] }> {
    this.giveUp();
    return this.#exclusive(async () => {
      try {
        if (known && !this.isIntended) await this.#recordAnew(known);
        return await this.#revert();
      } catch (error) {
        return { outcome: { result: 'refused', message: messageOf(error) } };
      }
    });
  }

  /** Closes the records, once it is recorded elsewhere that nothing is left. */
  settle(): Promise<void> {
    return this.#exclusive(async () => {
      for (const id of [...this.#records.keys()]) {
        await this.tools.journal.clean(id);
        this.#records.delete(id);
      }
    });
  }

  /** Notes in the records why it is taken back, so that a restarted agent does not hold it again. */
  async end(ended: NonNullable<JournalRecord['ended']>): Promise<void> {
    this.giveUp();
    for (const record of [...this.#records.values()]) {
      const noted = { ...record, ended };
      await this.tools.journal.intend(noted);
      this.#records.set(record.id, noted);
    }
  }

  #exclusive<T>(work: () => T | Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #apply(injection: Injection, inputs: InjectionInputs, isPatient: boolean): Promise<Sighting> {
    const found = await this.#find(isPatient);
    const steps = await this.#plan(injection);
    const sightings: Sighting[] = [];
    const isFirst = !this.isIntended;
    this.#isUndone = false;
    try {
      for (const [index, step] of steps.entries()) {
        if (this.#isUnwanted) throw new Error('it was taken back while it was being put on');
        sightings.push(await this.#applyStep(step, index, found, (one) => readInputs(inputs, one, found, isFirst)));
      }
    } catch (error) {
      // The next attempt goes on from whatever is there.
      if (!(error instanceof LaterError)) await this.#revert().catch(() => {});
      throw error;
    }
    return together(sightings);
  }

  async #plan(injection: Injection): Promise<AgentStep[]> {
    const { fault, params } = this.#fault(injection);
    if (fault.by !== 'Agent') throw new RefusedError(`${fault.name} is no fault that agents carry out`);
    const plan = fault.plan(params, await this.tools.abilities());
    if ('refusal' in plan) throw new RefusedError(plan.refusal);
    return plan.steps;
  }

  /** While it is being updated, a node's agent may be older than the controller. */
  #fault({ spec }: Injection): ReturnType<typeof faultOf> {
    try {
      return faultOf(spec);
    } catch (error) {
      throw new RefusedError(`the agent of node ${spec.node} can't: ${messageOf(error)}; bring the agents up to date`);
    }
  }

  /** Reads the target from the API server, and finds it on the node. */
  async #find(isPatient: boolean): Promise<Found> {
    const pod = await this.#read();
    if (!pod) throw new TargetGoneError('the pod is gone');
    try {
      return { pod, place: await this.tools.places.find(pod) };
    } catch (error) {
      if (isPatient && !pod.metadata.deletionTimestamp) throw new LaterError(messageOf(error), { cause: error });
      throw error;
    }
  }

  async #read(): Promise<KubeObject | undefined> {
    this.#pod = await readTarget(this.tools.client, this.target);
    return this.#pod;
  }

  async #applyStep(
    wanted: AgentStep,
    index: number,
    { place }: Found,
    inputsFor: (step: AgentStep) => Promise<Inputs>,
  ): Promise<Sighting> {
    const id = recordId(this.injection.uid, this.target.uid, index);
    const known = await this.#reusable(id, place);
    // What was begun is finished as it was meant, also when another version would plan it otherwise.
    const step = known?.step ?? wanted;
    const handler = handlerOf(this.tools.handlers, step);
    const inputs = await inputsFor(step);
    if (known) {
      try {
        return await putOn(handler, known.undo, place, inputs);
      } catch (error) {
        if (error instanceof TargetGoneError) throw error;
        // What was there when it was prepared may have changed: from the beginning, once.
        await handler.revert(known.undo, place);
      }
    }
    const undo = await handler.prepare(step, place, id, inputs);
    await this.#intend(id, step, undo, place);
    return putOn(handler, undo, place, inputs);
  }

  /** The open record of a step when it is about this very namespace; what is in another one is taken back. */
  async #reusable(id: string, place: Place): Promise<JournalRecord | undefined> {
    const record = this.#records.get(id);
    if (!record) return undefined;
    if (record.bootId === this.tools.bootId && record.networkNamespace === place.networkNamespace) return record;
    const former = await this.#placeOf(record);
    if (former) await handlerOf(this.tools.handlers, record.step).revert(record.undo, former);
    return undefined;
  }

  /** A node that lost its disk lost its records too, but not what is on its pods. */
  async #recordAnew({ injection, inputs }: Known): Promise<void> {
    const found = await this.#find(false).catch(unlessGone);
    if (!found) return;
    for (const [index, step] of (await this.#plan(injection)).entries()) {
      const id = recordId(this.injection.uid, this.target.uid, index);
      const present = await readInputs(inputs, step, found, true);
      const undo = await handlerOf(this.tools.handlers, step).prepare(step, found.place, id, present);
      await this.#intend(id, step, undo, found.place);
    }
  }

  async #intend(id: string, step: AgentStep, undo: unknown, { networkNamespace }: Place): Promise<void> {
    const { injection, target } = this;
    const { bootId } = this.tools;
    const at = { bootMilliseconds: await this.tools.bootMilliseconds() };
    const record = { id, injection, target, step, undo, networkNamespace, bootId, at };
    await this.tools.journal.intend(record);
    this.#records.set(id, record);
  }

  async #hold(inputs: InjectionInputs): Promise<Look> {
    if (!this.isIntended) return this.#lost('this node holds no undo record of it');
    const pod = this.#pod ?? (await this.#read().catch(() => undefined));
    if (!pod) return this.#lost('the pod can not be read');
    let place: Place;
    try {
      place = await this.tools.places.find(pod);
    } catch (error) {
      return this.#lost(messageOf(error));
    }
    const sightings: Sighting[] = [];
    for (const { step, undo, networkNamespace } of this.#records.values()) {
      if (networkNamespace !== place.networkNamespace) return this.#lost("the pod's network was made anew");
      const present = await inputs.of(step, place, pod);
      sightings.push(await handlerOf(this.tools.handlers, step).hold(undo, place, present));
    }
    return { seen: together(sightings) };
  }

  /** The fault is not where it was put: with the pod, or from a pod that is still there. */
  async #lost(why: string): Promise<Look> {
    let pod: KubeObject | undefined;
    try {
      pod = await this.#read();
    } catch {
      return 'unknown';
    }
    if (pod && !pod.metadata.deletionTimestamp) return { seen: { drift: why, evidence: {}, effective: false } };
    for (const record of this.#records.values()) if (!(await this.tools.places.isGone(record))) return 'unknown';
    return 'gone';
  }

  async #revert(): Promise<{ outcome: Outcome; evidence?: Sighting['evidence'] }> {
    const evidence: Sighting[] = [];
    let isThere = false;
    for (const record of [...this.#records.values()].reverse()) {
      const place = await this.#placeOf(record);
      if (!place) continue;
      isThere = true;
      const handler = handlerOf(this.tools.handlers, record.step);
      evidence.push({ evidence: await handler.revert(record.undo, place), effective: false });
    }
    this.#isUndone = true;
    const isAllGone = !isThere && this.isIntended;
    return { outcome: { result: isAllGone ? 'gone' : 'done' }, evidence: together(evidence).evidence };
  }

  /** Where a record's fault is; undefined when that is gone. */
  async #placeOf(record: JournalRecord): Promise<Place | undefined> {
    if (record.bootId !== this.tools.bootId) return undefined;
    return this.tools.places.findAgain(record).catch(unlessGone);
  }
}

/** What went away needs nothing more. */
function unlessGone(error: unknown): undefined {
  if (!(error instanceof TargetGoneError)) throw error;
}
