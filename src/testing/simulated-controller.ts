import { isDeepStrictEqual } from 'node:util';
import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import type { Candidate, RunAction, RunObserved } from '../domain/observed.js';
import { aSurvey } from './builders.js';
import { checkDecision } from './decision-rules.js';
import { SimulatedCaches } from './simulated-caches.js';
import { ApiTrouble } from './simulated-cluster.js';
import { SimulatedInjections } from './simulated-injections.js';
import { SimulatedNodeWatch } from './simulated-node-watch.js';
import { SimulatedProber } from './simulated-probes.js';
import { ignoring, type Setting } from './simulated-process.js';
import { SimulatedQueue } from './simulated-queue.js';

type Work = Generator<void, void, void>;

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
  readonly #podsKnownAt: number;
  readonly #seen: SimulatedCaches;
  readonly #nodes: SimulatedNodeWatch;
  readonly #injections: SimulatedInjections;
  #status: RunStatus | undefined;
  #writtenAt = -Infinity;

  constructor(readonly setting: Setting) {
    const { cluster } = setting;
    this.prober = new SimulatedProber(setting.probes, setting.start);
    this.#podsKnownAt = cluster.now + setting.podsDelay;
    this.#seen = new SimulatedCaches(cluster);
    this.#nodes = new SimulatedNodeWatch(setting);
    this.#injections = new SimulatedInjections(setting, {
      seen: this.#seen,
      queue: this.#queue,
      podsKnownAt: this.#podsKnownAt,
      run: () => this.#trusted(),
      podsOf: (step) => this.#podsOf(step),
    });
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
      work = key === 'run' ? this.#reconcileRun() : this.#reconcileInjection(key);
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

  #podsOf(step: string): Candidate[] {
    const { cluster } = this.setting;
    const named = cluster.run.spec.template.method.find(({ name }) => name === step)?.targets.pods?.selector;
    return this.#seen.pods.filter(({ app, createdAt }) => app === named?.matchLabels?.app && createdAt <= cluster.now);
  }

  *#reconcileInjection(key: string): Work {
    this.#look(key);
    yield* this.#injections.reconcile(key.slice('injection/'.length));
  }

  *#reconcileRun(): Work {
    const { cluster, core, facts } = this.setting;
    this.#look('run');
    this.#nodes.read();
    const cached = this.#seen.run;
    const run = this.#trusted();
    if (!cached || !run || (run.status?.finishTime && !run.metadata.finalizers?.length)) return;
    const steps = run.spec.template.method.map(({ name }) => name);
    const observed = {
      run,
      facts,
      problems: [],
      halts: this.#seen.halts,
      candidates:
        cluster.now >= this.#podsKnownAt
          ? Object.fromEntries(steps.map((name) => [name, this.#podsOf(name)]))
          : undefined,
      injections: [...this.#seen.injections.values()],
      nodes: this.#nodes.facts,
      ...othersIn(cluster.room),
      windows: this.prober.windows(cluster.now),
    };
    const decision = core.decideRun(observed, cluster.now);
    checkDecision(observed, decision, cluster.now);
    this.prober.ensure(run, decision.probing, cluster.now);
    const news = this.#nodes.ensure(decision.nodes);
    if (news !== undefined) this.#queue.add('run#nodes', news);
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
        this.#injections.setState(action.name, action.state);
        return version;
      case 'deleteInjection':
        this.#injections.delete(action.name, action.uid);
        return version;
    }
  }
}

/** A policy whose budget leaves so much room beside two targets of another run. */
function othersIn(room: number | undefined): Pick<RunObserved, 'survey' | 'reservations'> {
  if (room === undefined) return { survey: aSurvey(), reservations: [] };
  const targets = ['x', 'y'].map((uid) => ({ namespace: 'other', name: uid, uid, group: 0, disrupts: true }));
  const budgets = [{ per: 'Cluster' as const, maxTargets: room + targets.length }];
  return {
    survey: aSurvey({ policies: [{ name: 'prod', spec: { budgets } }] }),
    reservations: [{ run: { namespace: 'other', name: 'other', uid: 'other' }, targets, claims: [] }],
  };
}
