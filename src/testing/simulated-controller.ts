import { isDeepStrictEqual } from 'node:util';
import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import type { Injection } from '../api/injection.js';
import type { InjectionAction, InjectionObserved } from '../domain/injection.js';
import type { Pod, RunAction } from '../domain/observed.js';
import type { Effect } from '../domain/world.js';
import { checkDecision } from './decision-rules.js';
import { SimulatedCaches } from './simulated-caches.js';
import { ApiTrouble } from './simulated-cluster.js';
import { SimulatedProber } from './simulated-probes.js';
import { ignoring, type Memory, outcomeOf, type Setting } from './simulated-process.js';
import { SimulatedQueue } from './simulated-queue.js';

type Work = Generator<void, void, void>;
type Attempt = Extract<InjectionAction, { do: 'apply' | 'revert' }>;

const RETRY = 500;
const CHECKPOINT = 2_000;

/**
 * The controller's contract, step by step: look, decide, act in order, write the status last. Work on different
 * objects is interleaved call by call; caches may lag behind, but never behind this process's own writes. All of it
 * is lost with the process.
 */
export class SimulatedController {
  readonly prober: SimulatedProber;
  readonly #queue = new SimulatedQueue();
  readonly #running = new Map<string, Work>();
  readonly #memory = new Map<string, Memory>();
  readonly #podsKnownAt: number;
  readonly #seen: SimulatedCaches;
  #status: RunStatus | undefined;
  #writtenAt = -Infinity;

  constructor(readonly setting: Setting) {
    const { cluster } = setting;
    this.prober = new SimulatedProber(setting.probes, setting.start);
    this.#podsKnownAt = cluster.now + setting.podsDelay;
    this.#seen = new SimulatedCaches(cluster);
    this.#wakeAll(cluster.now);
    this.#wakeAll(this.#podsKnownAt, 'later');
    cluster.onChange = (key) => this.#changed(key);
  }

  /** What can go on now. */
  runnable(): string[] {
    return [...new Set([...this.#running.keys(), ...this.#queue.due(this.setting.cluster.now)])];
  }

  /** When something is to be done next. */
  get nextDue(): number {
    return this.#queue.next;
  }

  /** Goes on with one object until its next call. */
  step(key: string): void {
    let work = this.#running.get(key);
    if (!work) {
      this.#queue.take(key, this.setting.cluster.now);
      work = key === 'run' ? this.#reconcileRun() : this.#reconcileInjection(key.slice('injection/'.length));
      this.#running.set(key, work);
    }
    try {
      if (work.next().done) this.#running.delete(key);
    } catch (error) {
      this.#running.delete(key);
      if (!(error instanceof ApiTrouble)) throw error;
      // A write without an answer may have been made: what is stored is the truth again.
      if (key === 'run') this.#status = undefined;
      this.#seen.read(0);
      this.#queue.add(key, this.setting.cluster.now + RETRY);
    }
  }

  #wakeAll(when: number, mark = ''): void {
    for (const key of ['run', ...[...this.#seen.injections.keys()].map((name) => `injection/${name}`)]) {
      this.#queue.add(mark ? `${key}#${mark}` : key, when);
    }
  }

  #changed(key: string): void {
    const { cluster } = this.setting;
    this.#queue.add('run', cluster.now);
    if (key.startsWith('injection/')) this.#queue.add(key, cluster.now);
    else for (const name of cluster.injections.keys()) this.#queue.add(`injection/${name}`, cluster.now);
  }

  #look(key: string): void {
    const lag = this.setting.lag();
    this.#seen.read(lag);
    if (lag) this.#queue.add(`${key}#lag`, this.setting.cluster.now + 50);
  }

  #podsOf(step: string): Pod[] {
    const { cluster } = this.setting;
    const named = cluster.run.spec.template.method.find(({ name }) => name === step)?.targets.pods.selector;
    return this.#seen.pods.filter(({ app, createdAt }) => app === named?.matchLabels?.app && createdAt <= cluster.now);
  }

  *#reconcileRun(): Work {
    const { cluster, core, facts } = this.setting;
    this.#look('run');
    const cached = this.#seen.run;
    const run = this.#trusted();
    if (!cached || !run || (run.status?.finishTime && !run.metadata.finalizers?.length)) return;
    const steps = run.spec.template.method.map(({ name }) => name);
    const observed = {
      run,
      facts,
      problems: [],
      halts: this.#seen.halts,
      pods:
        cluster.now >= this.#podsKnownAt
          ? Object.fromEntries(steps.map((name) => [name, this.#podsOf(name)]))
          : undefined,
      injections: [...this.#seen.injections.values()],
      nodes: new Map(),
      windows: this.prober.windows(cluster.now),
    };
    const decision = core.decideRun(observed, cluster.now);
    checkDecision(observed, decision, cluster.now);
    this.prober.ensure(run, decision.probing, cluster.now);
    let version = cached.metadata.resourceVersion;
    for (const action of decision.actions) {
      yield;
      version = this.#actOnRun(action, version);
    }
    yield* this.#persistRun(cached.status, decision.status, version);
    if (decision.wakeAt !== undefined) this.#queue.add('run#timer', decision.wakeAt);
  }

  /** The run with the status that may be trusted: what this process decided on, or what the injections bear out. */
  #trusted(): ExperimentRun | undefined {
    if (!this.#seen.run) return undefined;
    const status = this.#status ?? this.setting.core.believed(this.#seen.run, [...this.#seen.injections.values()]);
    const { status: _written, ...rest } = this.#seen.run;
    return { ...rest, ...(status && { status }) };
  }

  *#persistRun(before: RunStatus | undefined, status: RunStatus, decidedOn: string): Work {
    const { cluster, calls } = this.setting;
    let version = decidedOn;
    const same = isDeepStrictEqual(before, status);
    const isCheckpoint = same || isDeepStrictEqual({ ...before, probes: undefined }, { ...status, probes: undefined });
    if (same || (isCheckpoint && cluster.now - this.#writtenAt < CHECKPOINT)) {
      this.#status = status;
      return;
    }
    if (status.finishTime) {
      yield;
      const confirm = () => calls.call('write', () => cluster.confirmVerdict(status.verdict ?? '', version));
      version = ignoring(['notFound'], confirm)?.metadata.resourceVersion ?? version;
    }
    yield;
    const write = () => calls.call('write', () => cluster.writeRunStatus(status, version));
    const written = ignoring(['notFound'], write);
    if (!written) return;
    this.#seen.run = written;
    this.#status = status;
    this.#writtenAt = cluster.now;
  }

  #actOnRun(action: RunAction, version: string): string {
    const { cluster, calls } = this.setting;
    switch (action.do) {
      case 'addFinalizer':
      case 'removeFinalizer': {
        const wanted = action.do === 'addFinalizer';
        const write = () => calls.call('write', () => cluster.setFinalizer(wanted, version));
        const written = wanted ? write() : ignoring(['notFound'], write);
        if (written) this.#seen.run = written;
        return written?.metadata.resourceVersion ?? version;
      }
      case 'createInjection': {
        const made = calls.call('write', () => cluster.createInjection(action.injection));
        this.#seen.injections.set(made.metadata.name, made);
        return version;
      }
      case 'setInjectionState':
        this.#setState(action.name, action.state);
        return version;
      case 'deleteInjection':
        this.#delete(action.name, action.uid);
        return version;
    }
  }

  #setState(name: string, state: Injection['spec']['state']): void {
    const { cluster, calls } = this.setting;
    const write = () => calls.call('write', () => cluster.setInjectionState(name, state));
    const written = ignoring(['notFound'], write);
    if (written) this.#seen.injections.set(name, written);
  }

  #delete(name: string, uid: string): void {
    const { cluster, calls } = this.setting;
    ignoring(['notFound', 'conflict'], () => calls.call('write', () => cluster.deleteInjection(name, uid, true)));
  }

  #remember({ metadata, status }: Injection): Memory {
    const known = this.#memory.get(metadata.name);
    if (known?.uid === metadata.uid) return known;
    const certain = (status?.targets ?? []).length === 0;
    const fresh = { uid: metadata.uid, outcomes: new Map(), undone: new Map(), certain };
    this.#memory.set(metadata.name, fresh);
    return fresh;
  }

  *#reconcileInjection(name: string): Work {
    const { cluster, core } = this.setting;
    this.#look(`injection/${name}`);
    const injection = this.#seen.injections.get(name);
    if (!injection) return;
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

  #observeInjection(injection: Injection, memory: Memory): InjectionObserved {
    const { core, facts, cluster } = this.setting;
    const { step } = injection.spec;
    const run = this.#trusted();
    const runIsLive = run !== undefined && !run.status?.finishTime;
    // Nobody watches the pods of a run that is over, and after an attempt without an answer they are read anew.
    if (!runIsLive || !memory.certain) this.#seen.pods = [...cluster.pods.values()];
    const known = !runIsLive || cluster.now >= this.#podsKnownAt;
    return {
      injection,
      fault: facts[step]?.fault ?? '',
      oneShot: facts[step]?.oneShot ?? false,
      runIsLive,
      stopping: !run || core.isStopping(run, this.#seen.halts),
      pods: known ? new Map(this.#podsOf(step).map((pod) => [pod.uid, pod])) : undefined,
      outcomes: memory.outcomes,
      undone: memory.undone,
      certain: memory.certain,
    };
  }

  /** Told apart from the core on purpose. */
  #stopVisible(): boolean {
    const run = this.#seen.run;
    if (!run || this.#seen.halts.length > 0 || run.spec.abort || run.metadata.deletionTimestamp) return true;
    return run.status?.conditions?.some(({ type }) => type === 'Reverted') ?? false;
  }

  #actOnInjection(observed: InjectionObserved, memory: Memory, action: InjectionAction, stop: boolean): void {
    const { name, uid } = observed.injection.metadata;
    if (action.do === 'setInjectionState') this.#setState(name, action.state);
    else if (action.do === 'deleteInjection') this.#delete(name, uid);
    else {
      const pod = observed.pods?.get(action.target.uid);
      const seen = { stop, protected: pod?.protected ?? false, terminating: pod?.terminating ?? true };
      this.#attempt(observed.injection, memory, action, seen);
    }
  }

  #attempt({ metadata, spec }: Injection, memory: Memory, { do: kind, target }: Attempt, seen: Effect['seen']): void {
    const { cluster, calls } = this.setting;
    const origin = { name: metadata.name, step: spec.step, round: spec.round };
    const perform = () => calls.call('effect', () => cluster.perform(kind, origin, target, seen));
    const outcome = outcomeOf(perform);
    if (outcome instanceof ApiTrouble) {
      if (kind === 'apply') {
        memory.certain = false;
        cluster.uncertain.add(target.uid);
      }
      throw outcome;
    }
    (kind === 'apply' ? memory.outcomes : memory.undone).set(target.uid, outcome);
  }

  *#persistInjection(observed: InjectionObserved, memory: Memory): Work {
    const { cluster, core, calls } = this.setting;
    const { injection } = observed;
    const { status, wakeAt } = core.decideInjection(observed, cluster.now);
    const { name, resourceVersion } = injection.metadata;
    memory.undone.clear();
    if (wakeAt !== undefined) this.#queue.add(`injection/${name}#retry`, wakeAt);
    if (JSON.stringify(injection.status ?? {}) === JSON.stringify(status)) return;
    yield;
    const write = () => calls.call('write', () => cluster.writeInjectionStatus(name, status, resourceVersion));
    const written = ignoring(['notFound'], write);
    if (written) this.#seen.injections.set(name, written);
  }
}
