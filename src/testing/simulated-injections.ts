import { isDeepStrictEqual } from 'node:util';
import type { ExperimentRun } from '../api/experiment-run.js';
import type { Injection, Target } from '../api/injection.js';
import type { InjectionAction, InjectionObserved } from '../domain/injection-observed.js';
import type { LifeCycleObserved } from '../domain/life-cycle.js';
import type { Candidate } from '../domain/observed.js';
import type { Effect } from '../domain/world.js';
import type { SimulatedCaches } from './simulated-caches.js';
import { ApiTrouble } from './simulated-cluster.js';
import { actOnField } from './simulated-field-steps.js';
import { ignoring, type Memory, outcomeOf, type Setting } from './simulated-process.js';
import type { SimulatedQueue } from './simulated-queue.js';

type Work = Generator<void, void, void>;

/** What the injections of a process share with its run. */
export interface View {
  seen: SimulatedCaches;
  queue: SimulatedQueue;
  podsKnownAt: number;
  /** The run with the status that may be trusted. */
  run(): ExperimentRun | undefined;
  podsOf(step: string): Candidate[];
}

/** What a controller does about injections: carries out those that go through the API server, and looks after the others. */
export class SimulatedInjections {
  readonly #memory = new Map<string, Memory>();
  readonly #wantedBack = new Map<string, number>();

  constructor(
    readonly setting: Setting,
    readonly view: View,
  ) {}

  setState(name: string, state: Injection['spec']['state']): void {
    const { cluster, calls } = this.setting;
    const write = () => calls.call('write', () => cluster.setInjectionState(name, state));
    const written = ignoring(['notFound'], write);
    if (written) this.view.seen.injections.set(name, written);
  }

  delete(name: string, uid: string): void {
    const { cluster, calls } = this.setting;
    ignoring(['notFound', 'conflict'], () => calls.call('write', () => cluster.deleteInjection(name, uid, true)));
  }

  #remember({ metadata, status }: Injection): Memory {
    const known = this.#memory.get(metadata.name);
    if (known?.uid === metadata.uid) return known;
    const certain = (status?.targets ?? []).length === 0;
    const attempts = { outcomes: new Map(), undone: new Map(), prepared: new Map(), sightings: new Map() };
    const fresh = { uid: metadata.uid, ...attempts, certain };
    this.#memory.set(metadata.name, fresh);
    return fresh;
  }

  /** Looks at one injection; the caches have just been read. */
  *reconcile(name: string): Work {
    const { cluster, core } = this.setting;
    const injection = this.view.seen.injections.get(name);
    if (!injection) return;
    if (injection.spec.agent) {
      yield* this.#lookAfter(injection);
      return;
    }
    const memory = this.#remember(injection);
    const observed = this.#observeInjection(injection, memory);
    const stop = this.#stopVisible();
    const { actions } = core.decideInjection(observed, cluster.now);
    let trouble: ApiTrouble | undefined;
    for (const action of actions) {
      yield;
      try {
        this.#actOnInjection(observed, memory, action, stop);
      } catch (error) {
        if (!(error instanceof ApiTrouble)) throw error;
        trouble = error;
      }
    }
    yield* this.#persistInjection(observed, memory);
    if (trouble) throw trouble;
  }

  /** An injection that an agent carries out. */
  *#lookAfter(injection: Injection): Work {
    const { cluster, core, calls } = this.setting;
    const { name, uid, resourceVersion } = injection.metadata;
    const { status } = injection;
    const decision = core.decideLifeCycle(this.#observeLifeCycle(injection), cluster.now);
    if (decision.after !== undefined) this.view.queue.add(`injection/${name}#proof`, cluster.now + decision.after);
    if (!isDeepStrictEqual(decision.status, status ?? {})) {
      yield;
      const write = () =>
        calls.call('write', () => cluster.writeInjectionStatus(name, decision.status, resourceVersion));
      const written = ignoring(['notFound'], write);
      if (written) this.view.seen.injections.set(name, written);
    }
    for (const action of decision.actions) {
      yield;
      if (action.do === 'setInjectionState') this.setState(name, action.state);
      else this.delete(name, uid);
    }
  }

  #observeLifeCycle(injection: Injection): LifeCycleObserved {
    const { cluster, facts, agents } = this.setting;
    const { metadata, spec } = injection;
    const isWanted = spec.state !== 'Revert' && !metadata.deletionTimestamp;
    const since = this.#wantedBack.get(metadata.uid) ?? cluster.now;
    if (!isWanted) this.#wantedBack.set(metadata.uid, since);
    const run = this.view.run();
    const bootId = agents.nodes.get(spec.node ?? '')?.bootId;
    return {
      injection,
      oneShot: facts[spec.step]?.oneShot ?? false,
      runIsLive: run !== undefined && !run.status?.finishTime,
      waited: isWanted ? 0 : cluster.now - since,
      ...(bootId !== undefined && { bootId }),
    };
  }

  #observeInjection(injection: Injection, memory: Memory): InjectionObserved {
    const { core, facts, cluster } = this.setting;
    const { step } = injection.spec;
    const run = this.view.run();
    const runIsLive = run !== undefined && !run.status?.finishTime;
    // Nobody watches the pods of a run that is over, and after an attempt without an answer they are read anew.
    if (!runIsLive || !memory.certain) this.view.seen.pods = [...cluster.pods.values()];
    const known = !runIsLive || cluster.now >= this.view.podsKnownAt;
    return {
      injection,
      fault: facts[step]?.fault ?? '',
      oneShot: facts[step]?.oneShot ?? false,
      runIsLive,
      stopping: !run || core.isStopping(run, this.view.seen.halts),
      present: known ? new Map(this.view.podsOf(step).map((pod) => [pod.uid, pod])) : undefined,
      shows: false,
      prepared: memory.prepared,
      outcomes: memory.outcomes,
      undone: memory.undone,
      sightings: memory.sightings,
      certain: memory.certain,
    };
  }

  /** Told apart from the core on purpose. */
  #stopVisible(): boolean {
    const run = this.view.seen.run;
    if (!run || this.view.seen.halts.length > 0 || run.spec.abort || run.metadata.deletionTimestamp) return true;
    return run.status?.conditions?.some(({ type }) => type === 'Reverted') ?? false;
  }

  #actOnInjection(observed: InjectionObserved, memory: Memory, action: InjectionAction, stop: boolean): void {
    const { name, uid } = observed.injection.metadata;
    if (action.do === 'setInjectionState') this.setState(name, action.state);
    else if (action.do === 'deleteInjection') this.delete(name, uid);
    else {
      const pod = observed.present?.get(action.target.uid);
      const seen = { stop, protected: pod?.protected ?? false, terminating: pod?.terminating ?? true };
      if (observed.oneShot) this.#attempt(observed.injection, memory, action.target, seen);
      else actOnField(this.setting, observed.injection, memory, action, seen);
    }
  }

  #attempt({ metadata, spec }: Injection, memory: Memory, target: Target, seen: Effect['seen']): void {
    const { cluster, calls } = this.setting;
    const origin = { name: metadata.name, step: spec.step, round: spec.round };
    const outcome = outcomeOf(() => calls.call('effect', () => cluster.perform('apply', origin, target, seen)));
    if (outcome instanceof ApiTrouble) {
      memory.certain = false;
      cluster.uncertain.add(target.uid);
      throw outcome;
    }
    memory.outcomes.set(target.uid, outcome);
  }

  *#persistInjection(observed: InjectionObserved, memory: Memory): Work {
    const { cluster, core, calls } = this.setting;
    const { injection } = observed;
    const { status, wakeAt } = core.decideInjection(observed, cluster.now);
    const { name, resourceVersion } = injection.metadata;
    memory.undone.clear();
    for (const uid of memory.prepared.keys())
      if (memory.outcomes.get(uid)?.result === 'changed') memory.outcomes.delete(uid);
    memory.prepared.clear();
    for (const [uid, { wakeAt: due }] of memory.sightings) if (due <= cluster.now) memory.sightings.delete(uid);
    if (wakeAt !== undefined) this.view.queue.add(`injection/${name}#retry`, wakeAt);
    if (JSON.stringify(injection.status ?? {}) === JSON.stringify(status)) return;
    yield;
    const write = () => calls.call('write', () => cluster.writeInjectionStatus(name, status, resourceVersion));
    const written = ignoring(['notFound'], write);
    if (written) this.view.seen.injections.set(name, written);
  }
}
