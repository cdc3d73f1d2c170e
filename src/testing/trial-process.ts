import type { ExperimentRun } from '../api/experiment-run.js';
import type { Injection, InjectionSpec, Target, TargetState } from '../api/injection.js';
import { ANNOTATION_VERDICT, FINALIZER } from '../api/labels.js';
import type { Caches } from '../controller/caches.js';
import { Ledger } from '../controller/safeguards/ledger.js';
import { believed } from '../domain/belief.js';
import type { RunAction, RunDecision, StepFacts } from '../domain/observed.js';
import { decideRun } from '../domain/run.js';
import { aSurvey } from './builders.js';
import { appOf, type Change, type Stored, type TrialCluster, type TrialRun } from './trial-cluster.js';

/** Work on one object: each call is carried out when it goes on. */
type Work = Generator<() => void, void, void>;

/** A call that failed, before or after it was carried out. */
export class CallError extends Error {}

/** One life of a controller: it knows of what is stored with a delay, and what it has sent may arrive after its death. */
export class TrialProcess {
  readonly runs = new Map<string, Stored<ExperimentRun | undefined>>();
  readonly injections = new Map<string, Stored<Injection | undefined>>();
  readonly news: Change[] = [];
  readonly #status = new Map<string, ExperimentRun['status']>();
  readonly #work = new Map<string, Work>();
  /** The call that each piece of work waits for. */
  readonly calls = new Map<string, () => void>();
  readonly #ledger: Ledger;

  constructor(
    readonly cluster: TrialCluster,
    readonly random: () => number,
  ) {
    for (const [key, stored] of cluster.runs) this.runs.set(key, structuredClone(stored));
    for (const [key, stored] of cluster.injections) this.injections.set(key, structuredClone(stored));
    const caches = {
      injections: { list: () => this.#injections() },
      runs: {
        get: (namespace: string, name: string) => {
          const run = this.runs.get(`${namespace}/${name}`)?.object;
          return run && { finished: false as const, uid: run.metadata.uid, run };
        },
      },
    };
    this.#ledger = new Ledger(caches as unknown as Pick<Caches, 'injections' | 'runs'>);
  }

  learn({ kind, key, version, object }: Change): void {
    const cache = (kind === 'run' ? this.runs : this.injections) as Map<string, Stored<unknown>>;
    if ((cache.get(key)?.version ?? 0) < version) cache.set(key, { version, object });
  }

  /** Goes on with the work on a run or an injection: carries out the call that it waits for, or begins anew. */
  step(key: string, make: () => Work): void {
    let work = this.#work.get(key);
    if (!work) {
      work = make();
      this.#work.set(key, work);
    }
    const call = this.calls.get(key);
    this.calls.delete(key);
    try {
      if (call) this.#carryOut(call);
      const { done, value } = work.next();
      if (done) this.#work.delete(key);
      else this.calls.set(key, value);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#work.delete(key);
      this.#status.delete(key);
    }
  }

  *reconcileRun(key: string, { facts }: TrialRun): Work {
    const cached = this.runs.get(key)?.object;
    if (!cached || (cached.status?.finishTime && !cached.metadata.finalizers?.length)) {
      if (cached) this.#ledger.release(cached.metadata.uid);
      return;
    }
    const { uid } = cached.metadata;
    const own = this.#injections().filter(({ spec }) => spec.run.uid === uid);
    const status = this.#status.get(key) ?? believed(cached, own);
    const { status: _stored, ...rest } = cached;
    const run = { ...rest, ...(status && { status }) } as ExperimentRun;
    const { pods, now, trial } = this.cluster;
    const of = (app: string) => pods.filter(({ labels }) => labels?.app === app);
    const decision = decideRun(
      {
        run,
        facts,
        problems: [],
        halts: [],
        candidates: Object.fromEntries(run.spec.template.method.map((step) => [step.name, of(appOf(step))])),
        injections: own,
        nodes: new Map(),
        survey: aSurvey({ policies: [{ name: 'prod', spec: trial.policy }] }),
        reservations: this.#ledger.others(uid),
        windows: {},
      },
      now,
    );
    this.#ledger.set(run, decision.reserves);
    this.#endSteps(uid, decision, facts);
    for (const action of decision.actions) yield () => this.#act(key, action);
    yield () => this.#persist(key, decision);
    this.#status.set(key, decision.status);
  }

  /** Carries a fault out as far as it is wanted, target by target, each intent before its effect. */
  *reconcileInjection(name: string, facts: StepFacts): Work {
    const injection = this.injections.get(name)?.object;
    for (const target of injection?.spec.targets ?? []) {
      const state = injection?.status?.targets?.find(({ uid }) => uid === target.uid)?.state;
      if (injection?.spec.state === 'Apply') yield* this.#forward(injection, target, state, facts);
      if (injection?.spec.state === 'Revert') yield* this.#backward(injection, target, state, facts);
    }
  }

  *#forward({ metadata, spec }: Injection, target: Target, state: TargetState | undefined, facts: StepFacts): Work {
    const { name } = metadata;
    const isThere = this.cluster.pods.some(({ uid }) => uid === target.uid);
    if (state === undefined) yield () => this.#record(name, target, isThere ? 'Applying' : 'Missed');
    if (state === 'Applying') {
      if (isThere) yield () => this.#apply(spec, target, facts);
      // Whether what is gone now was hit by an attempt that nobody remembers is not known.
      yield () => this.#record(name, target, facts.oneShot ? 'Effective' : 'Confirmed');
    }
    if (state === 'Confirmed' && !isThere) {
      this.cluster.take(spec.run.uid, spec.step, target.uid);
      yield () => this.#record(name, target, 'Reverted');
    }
  }

  *#backward({ metadata, spec }: Injection, target: Target, state: TargetState | undefined, facts: StepFacts): Work {
    if (state === 'Missed' || state === 'Reverted' || state === 'Effective') return;
    if (!facts.oneShot) yield () => this.cluster.take(spec.run.uid, spec.step, target.uid);
    const end: TargetState = facts.oneShot ? 'Effective' : 'Reverted';
    yield () => this.#record(metadata.name, target, state === undefined ? 'Missed' : end);
  }

  #injections(): Injection[] {
    return [...this.injections.values()].flatMap(({ object }) => object ?? []);
  }

  #carryOut(call: () => void): void {
    const isTrouble = this.random() < this.cluster.trial.trouble;
    if (isTrouble && this.random() < 0.5) throw new CallError('it was not carried out');
    call();
    if (isTrouble) throw new CallError('its answer was lost');
  }

  #endSteps(uid: string, { status }: RunDecision, facts: Record<string, StepFacts>): void {
    for (const { name, state } of status.steps ?? []) {
      if (facts[name]?.oneShot && (state === 'Done' || status.finishTime)) this.cluster.endStep(uid, name);
    }
  }

  #apply({ run, step }: InjectionSpec, target: Target, { oneShot }: StepFacts): void {
    // What arrives late finds nobody under that UID.
    if (!this.cluster.pods.some(({ uid }) => uid === target.uid)) return;
    this.cluster.put(run.uid, step, target);
    if (oneShot) this.cluster.lose(target.uid);
  }

  #record(name: string, { uid }: Target, state: TargetState): void {
    const stored = this.cluster.injections.get(name)?.object;
    if (!stored) return;
    const time = new Date(this.cluster.now).toISOString();
    const others = stored.status?.targets?.filter((each) => each.uid !== uid) ?? [];
    this.#write('injection', name, { ...stored, status: { targets: [...others, { uid, state, time }] } });
  }

  #act(key: string, action: RunAction): void {
    const { cluster } = this;
    const run = cluster.runs.get(key)?.object;
    switch (action.do) {
      case 'addFinalizer':
      case 'removeFinalizer': {
        const finalizers = action.do === 'addFinalizer' ? [FINALIZER] : [];
        if (run) this.#write('run', key, { ...run, metadata: { ...run.metadata, finalizers } });
        return;
      }
      case 'createInjection':
        this.#create(action.injection.name, action.injection.spec);
        return;
      case 'setInjectionState': {
        const stored = cluster.injections.get(action.name)?.object;
        const isForward = stored && !(stored.spec.state === 'Revert' && action.state === 'Apply');
        if (isForward)
          this.#write('injection', action.name, { ...stored, spec: { ...stored.spec, state: action.state } });
        return;
      }
      case 'deleteInjection':
        if (cluster.injections.get(action.name)?.object.metadata.uid === action.uid) {
          this.#write('injection', action.name, undefined);
        }
    }
  }

  #create(name: string, spec: InjectionSpec): void {
    const present = this.cluster.injections.get(name);
    if (present) {
      this.learn({ kind: 'injection', key: name, version: present.version, object: structuredClone(present.object) });
      const uids = ({ targets }: InjectionSpec) => targets.map(({ uid }) => uid).join();
      if (uids(present.object.spec) !== uids(spec)) throw new CallError('there is another one');
      return;
    }
    const metadata = {
      name,
      namespace: 'squall-system',
      uid: `${name}-${this.cluster.version}`,
      creationTimestamp: '',
    };
    const object = {
      apiVersion: 'squall.dev/v1alpha1',
      kind: 'Injection',
      metadata: { ...metadata, resourceVersion: '' },
      spec,
    };
    this.#write('injection', name, structuredClone(object));
  }

  #persist(key: string, { status }: RunDecision): void {
    const stored = this.cluster.runs.get(key);
    const known = this.runs.get(key);
    if (!stored || !known || stored.version !== known.version) throw new CallError('it has changed meanwhile');
    const annotations: Record<string, string> = status.verdict ? { [ANNOTATION_VERDICT]: status.verdict } : {};
    const metadata = { ...stored.object.metadata, annotations };
    this.#write('run', key, { ...stored.object, metadata, status } satisfies ExperimentRun);
  }

  #write(kind: 'run' | 'injection', key: string, object: ExperimentRun | Injection | undefined): void {
    const copy = structuredClone(object);
    this.cluster.write(kind, key, copy);
    this.learn({ kind, key, version: this.cluster.version, object: structuredClone(copy) });
  }
}
