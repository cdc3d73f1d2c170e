import type { Ended, Evidence, Injection, InjectionStatus, Target } from '../api/injection.js';
import type { AgentAction } from '../domain/agent-injection.js';
import { isOneShot } from '../faults/index.js';
import type { ReconcileResult } from '../kubernetes/queue.js';
import { keyOf } from '../kubernetes/resource.js';
import { COUNTERS_MILLISECONDS, FaultHolder } from './fault-holder.js';
import { InjectionWork, isOver } from './injection-work.js';
import { InjectionInputs } from './inputs.js';
import type { JournalRecord } from './journal.js';
import { Slots } from './slots.js';
import { news, StatusWriter } from './status-writer.js';
import { TargetFault } from './target-fault.js';
import { LaterError, messageOf } from './tools.js';
import type { WorkerOptions } from './worker-options.js';

/** How many targets a fault is put on or taken back from at once. */
const TARGETS_AT_ONCE = 16;
/** A target that takes longer than this, in milliseconds, does not keep others waiting. */
const PATIENCE_MILLISECONDS = 2_000;
/** What came of the quick targets is written when the others have taken this long. */
const SETTLE_MILLISECONDS = 250;
/** While the controller is not known to be alive nothing is put on, and that is looked at again. */
const ALIVE_MILLISECONDS = 1_000;
/** A pod whose sandbox is being made anew is not as its status says for a while. */
const SANDBOX_MILLISECONDS = 30_000;

/** Whoever stops an agent does not wait longer for what hangs. */
const STOP_MILLISECONDS = 5_000;

/** Works on the injections of one node, and on undo records whose injection is gone. */
export class InjectionWorker {
  readonly #options: WorkerOptions;
  /** By the UID of the injection. */
  readonly #works = new Map<string, InjectionWork>();
  readonly #holder: FaultHolder;
  readonly #writer: StatusWriter;
  readonly #applies: Slots;
  readonly #reverts: Slots;
  #isStopping = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { holds: times, timing, log, wake } = options;
    this.#holder = new FaultHolder({ times, timing, log, wake });
    this.#writer = new StatusWriter(options);
    this.#applies = new Slots(TARGETS_AT_ONCE, PATIENCE_MILLISECONDS, options.timing);
    // Of their own, so that no fault that hangs while it is put on delays another one's end.
    this.#reverts = new Slots(TARGETS_AT_ONCE, PATIENCE_MILLISECONDS, options.timing);
  }

  /** Takes over what an agent before left; the keys of its injections. */
  adopt(records: readonly JournalRecord[]): string[] {
    for (const record of records) {
      const { injection, target, ended } = record;
      const work = this.#workOf(injection.name, injection.uid);
      work.ended ??= ended;
      this.#faultOf(work, target).adopt(record);
    }
    return [...this.#works.values()].map(({ key }) => key);
  }

  /** Whether something is on, or may be, that is not known to be taken back for good. */
  get isLive(): boolean {
    return [...this.#works.values()].some(({ isLive }) => isLive);
  }

  /** What is held in memory: all 0 when nothing is to be done. */
  get sizes(): { injections: number; held: number } {
    return { injections: this.#works.size, held: this.#holder.size };
  }

  /** Takes everything back that may be on, for good. */
  async endAll(ended: Ended): Promise<void> {
    for (const work of [...this.#works.values()].filter(({ isLive }) => isLive)) {
      await this.#end(work, ended);
      this.#options.wake(work.key);
    }
  }

  /** Puts nothing more on, and resolves when nothing is being done any more, or after a while. */
  async settle(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#works.values()].map((work) => work.settled(STOP_MILLISECONDS)));
  }

  /** Refreshes once more what is on, and leaves it to the next agent. */
  async leave(): Promise<void> {
    await this.#holder.stop();
  }

  /** Looks at one injection; `key` is `namespace/name`. */
  async reconcile(key: string): Promise<ReconcileResult | undefined> {
    const injection = this.#options.known(key);
    const others = [...this.#works.values()].filter((work) => work.key === key && work.uid !== injection?.metadata.uid);
    const retries: (number | undefined)[] = [];
    for (const work of others) retries.push(await this.#abandon(work));
    if (injection) retries.push(await this.#carryOn(injection));
    const after = soonestOf(retries);
    return after === undefined ? undefined : { after };
  }

  async #carryOn({ metadata, spec }: Injection): Promise<number | undefined> {
    const key = keyOf(metadata.namespace, metadata.name ?? '');
    const work = this.#workOf(metadata.name ?? '', metadata.uid ?? '');
    work.inputs ??= this.#inputsOf(spec);
    for (;;) {
      const injection = this.#options.known(key);
      if (injection?.metadata.uid !== metadata.uid) return 0;
      const isBlocked = await this.#isBlocked(work, injection);
      const { status, actions } = work.decide(injection, isBlocked, this.#options.client.clock.now());
      if (status.ended) await this.#end(work, status.ended);
      const retry = this.#act(work, injection, [...actions, ...work.strays(injection)]);
      const isQuick = await this.#settledSoon(work, actions);
      const now = isQuick ? work.decide(injection, isBlocked, this.#options.client.clock.now()).status : status;
      const later = await this.#persist(work, injection, now);
      if (later === 'written') continue;
      await this.#tidy(work, injection);
      return soonestOf([retry, later, isBlocked ? ALIVE_MILLISECONDS : undefined]);
    }
  }

  /** What ended stays so, whatever is seen later, and also for the next agent. */
  async #end(work: InjectionWork, ended: Ended): Promise<void> {
    if (work.ended) return;
    work.ended = ended;
    for (const fault of work.faults.values()) {
      await fault
        .end(ended)
        .catch((err) => this.#options.log.warn({ err }, 'The end of a fault was not noted on disk'));
    }
  }

  /** Whether nothing may be put on though it is wanted. */
  async #isBlocked(work: InjectionWork, injection: Injection): Promise<boolean> {
    if (this.#isStopping) return true;
    if (!work.isWanted(injection)) return false;
    const { spec, status } = injection;
    const states = new Map(status?.targets?.map(({ uid, state }) => [uid, state]));
    const hasOpen = spec.targets.some(({ uid }) => [undefined, 'Applying'].includes(states.get(uid)));
    return hasOpen && !(await this.#options.isAlive());
  }

  async #settledSoon(work: InjectionWork, actions: readonly AgentAction[]): Promise<boolean> {
    if (actions.length === 0 || !work.isBusy) return false;
    await work.settled(SETTLE_MILLISECONDS);
    return true;
  }

  /** Begins what is to be done; milliseconds until what failed before may be tried again. */
  #act(work: InjectionWork, injection: Injection, actions: readonly AgentAction[]): number | undefined {
    const seen = new Set<string>();
    return soonestOf(
      actions.map((action) => {
        if (seen.has(action.target.uid)) return undefined;
        seen.add(action.target.uid);
        const fault = this.#faultOf(work, action.target);
        return action.do === 'apply' ? this.#apply(work, fault, injection) : this.#revert(work, fault, injection);
      }),
    );
  }

  #apply(work: InjectionWork, fault: TargetFault, injection: Injection): number | undefined {
    const { uid } = fault.target;
    const before = injection.status?.targets?.find((target) => target.uid === uid);
    const age = this.#options.client.clock.now() - Date.parse(before?.time ?? '');
    const isPatient = before?.drifts !== undefined && age < SANDBOX_MILLISECONDS;
    return this.#begin(work, 'apply', fault, this.#applies, async () => {
      if (!work.inputs) throw new LaterError('the injection is not known');
      const { outcome, seen } = await fault.apply(injection, work.inputs, isPatient);
      work.outcomes.set(uid, outcome);
      if (seen) work.sightings.set(uid, seen);
      if (outcome.result === 'done' && !isOneShot(injection.spec)) this.#holder.hold(work, fault, true);
    });
  }

  #revert(work: InjectionWork, fault: TargetFault, injection?: Injection): number | undefined {
    const { uid } = fault.target;
    const { inputs } = work;
    const { bootId } = this.#options.tools;
    const known = injection && inputs && wasOn(injection, uid, bootId) ? { injection, inputs } : undefined;
    this.#holder.release(fault);
    fault.giveUp();
    return this.#begin(work, 'revert', fault, this.#reverts, async () => {
      const { outcome, evidence = {} } = await fault.revert(known);
      // What was being put on meanwhile was held once more.
      this.#holder.release(fault);
      work.undone.set(uid, outcome);
      if (outcome.result === 'refused') throw new Error(outcome.message);
      const effective = work.sightings.get(uid)?.effective === true || showsEffect(evidence);
      work.sightings.set(uid, { evidence, effective });
    });
  }

  #begin(work: InjectionWork, what: string, fault: TargetFault, slots: Slots, task: () => Promise<void>) {
    const { wake, log, onIntent } = this.#options;
    const target = { injection: work.name, pod: `${fault.target.namespace}/${fault.target.name}` };
    const onDone = (error?: unknown) => {
      if (error !== undefined) log.warn({ ...target, err: messageOf(error) }, `Could not ${what} a fault yet`);
      onIntent();
      wake(work.key);
    };
    return work.begin(what, fault.target, () => slots.run(task), onDone);
  }

  /** Writes what is new. `written`: look again; otherwise milliseconds until counters are due. */
  async #persist(
    work: InjectionWork,
    injection: Injection,
    status: InjectionStatus,
  ): Promise<'written' | number | undefined> {
    const before = injection.status ?? {};
    const what = news(before, status);
    if (what === 'none') return undefined;
    const left = work.writtenAt + COUNTERS_MILLISECONDS - this.#options.timing.now();
    if (what === 'counters' && left > 0) return left;
    if (await this.#writer.write(injection, status)) {
      work.writtenAt = this.#options.timing.now();
      work.forget(before, status);
    }
    return 'written';
  }

  /** Closes the undo records of what is recorded to be over, and holds what is recorded to be on. */
  async #tidy(work: InjectionWork, injection: Injection): Promise<void> {
    const { spec, status } = injection;
    const oneShot = isOneShot(spec);
    const states = new Map(status?.targets?.map(({ uid, state }) => [uid, state]));
    for (const fault of work.settleable(states, oneShot)) await fault.settle();
    const isWanted = work.isWanted(injection);
    for (const target of isWanted && !oneShot ? spec.targets : []) {
      const state = states.get(target.uid);
      if (state === 'Confirmed' || state === 'Effective') this.#holder.hold(work, this.#faultOf(work, target), false);
    }
    const isDone = [...states.values()].every((state) => state !== 'Applying' && (oneShot || isOver(state)));
    if (!isWanted && isDone && !work.isOpen) this.#works.delete(work.uid);
  }

  /** Takes back what an injection left that is gone; or that has to end though nobody can be told now. */
  async #abandon(work: InjectionWork): Promise<number | undefined> {
    const isGone = this.#options.isSynced();
    if (!isGone && !work.ended) return undefined;
    let retry: number | undefined;
    for (const fault of work.faults.values()) {
      if (!fault.isIntended) continue;
      if (!fault.isUndone) retry = soonestOf([retry, this.#revert(work, fault)]);
      else if (isGone) await fault.settle();
    }
    if (isGone && !work.isOpen) {
      for (const fault of work.faults.values()) this.#holder.release(fault);
      this.#works.delete(work.uid);
    }
    return retry;
  }

  #workOf(name: string, uid: string): InjectionWork {
    const known = this.#works.get(uid);
    if (known) return known;
    const work = new InjectionWork(keyOf(this.#options.namespace, name), name, uid, this.#options.timing);
    this.#works.set(uid, work);
    return work;
  }

  #faultOf(work: InjectionWork, target: Target): TargetFault {
    const { name, uid } = work;
    const fault = work.faults.get(target.uid) ?? new TargetFault(this.#options.tools, { name, uid }, target);
    work.faults.set(target.uid, fault);
    return fault;
  }

  #inputsOf({ run, step }: Injection['spec']): InjectionInputs {
    const { client, timing, log } = this.#options;
    const onProblem = (problem: string) =>
      log.warn({ run: `${run.namespace}/${run.name}`, step, problem }, 'Peers are not up to date');
    return new InjectionInputs({ client, timing, namespace: run.namespace, run: this.#options.run, onProblem });
  }
}

function soonestOf(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** Whether a status says that a fault that lasts was put on a target in this boot of the node. */
function wasOn({ spec, status }: Injection, uid: string, bootId: string): boolean {
  if (spec.bootId !== undefined && spec.bootId !== bootId) return false;
  const { state, effective } = status?.targets?.find((target) => target.uid === uid) ?? {};
  return !isOneShot(spec) && (effective === true || state === 'Confirmed' || state === 'Effective');
}

/** What was counted at the end also tells whether the fault took effect. */
function showsEffect({ packets = 0, processes = 0, connections = 0 }: Evidence): boolean {
  return packets + processes + connections > 0;
}
