import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import type { Injection, InjectionState, InjectionStatus, Target } from '../api/injection.js';
import { ANNOTATION_VERDICT, API_VERSION, FINALIZER } from '../api/labels.js';
import { violations } from '../domain/invariants.js';
import type { NewInjection } from '../domain/observed.js';
import type { Change, Effect } from '../domain/world.js';
import { frozen } from './frozen.js';
import { SimulatedFields } from './simulated-fields.js';
import type { Replacement, SimulatedPod } from './simulated-pod.js';

export type { Replacement, SimulatedPod } from './simulated-pod.js';

/** An API server that answered with an error, or did not answer at all. */
export class ApiTrouble extends Error {
  constructor(readonly kind: 'notFound' | 'conflict' | 'unavailable' | 'noAnswer' | 'refused') {
    super(kind);
  }
}

/** Something that must always hold did not. */
export class InvariantBroken extends Error {}

/** What can be told of a change: the key that a controller would be woken with. */
export type Listener = (key: 'run' | 'pods' | 'halts' | `injection/${string}`) => void;

/**
 * What is true: objects as an API server stores them, with versions, finalizers and conflicts, pods that end and are
 * replaced, and a record of everything that was really done. Every write is checked against every invariant.
 */
export class SimulatedCluster {
  run: ExperimentRun;
  runExists = true;
  readonly injections = new Map<string, Injection>();
  readonly pods = new Map<string, SimulatedPod>();
  halts: string[] = [];
  readonly effects: Effect[] = [];
  readonly active = new Map<string, { injection: string; step: string; uid: string }>();
  readonly uncertain = new Set<string>();
  /** `step/uid` where an agent has seen that the fault takes effect. */
  readonly bitten = new Set<string>();
  /** When a fault was last lost that nobody took back, by `injection/uid`. */
  readonly lostAt = new Map<string, number>();
  /** What faults of the API server that last set on pods. */
  readonly fields = new SimulatedFields();
  tampered = false;
  /** How many targets the budget of a policy leaves room for; undefined: it has none. */
  room: number | undefined;
  /** Until then nothing can be taken back. */
  stubbornUntil = 0;
  onChange: Listener = () => {};
  #version = 1;
  #made = 0;

  constructor(
    run: ExperimentRun,
    pods: readonly SimulatedPod[],
    readonly oneShot: Readonly<Record<string, boolean>>,
    readonly byAgent: Readonly<Record<string, boolean>>,
    readonly replacement: Replacement,
    public now: number,
  ) {
    this.run = frozen(run);
    for (const pod of pods) this.pods.set(pod.uid, frozen(pod));
  }

  /** When something happens to the pods by itself next. */
  get nextPodEvent(): number {
    const times = [...this.pods.values()].flatMap(({ endsAt, readyAt }) => [endsAt ?? Infinity, readyAt ?? Infinity]);
    return Math.min(Infinity, ...times);
  }

  /** Lets happen what is due to the pods. */
  tick(): void {
    for (const pod of [...this.pods.values()]) {
      if ((pod.endsAt ?? Infinity) <= this.now) this.#end(pod);
      else if ((pod.readyAt ?? Infinity) <= this.now) this.changePod(pod.uid, { ready: true, readyAt: Infinity });
    }
  }

  /** Changes a pod, such as its readiness. */
  changePod(uid: string, change: Partial<SimulatedPod>): void {
    const pod = this.pods.get(uid);
    if (!pod) return;
    this.pods.set(uid, frozen({ ...pod, ...change }));
    this.onChange('pods');
  }

  #end(pod: SimulatedPod): void {
    this.loseFaults(({ uid }) => uid === pod.uid);
    this.fields.forget(pod.uid);
    for (const [key, { uid }] of this.active) if (uid === pod.uid) this.active.delete(key);
    this.pods.delete(pod.uid);
    if (pod.managed && this.replacement.after !== undefined) this.#replace(pod, this.replacement.after);
    this.onChange('pods');
  }

  /** Faults of agents vanish that nobody took back: with their pods, or because somebody else removed them. */
  loseFaults(of: (pod: SimulatedPod) => boolean): void {
    const lost = new Set([...this.pods.values()].filter(of).map(({ uid }) => uid));
    for (const [key, { uid, step }] of this.active) {
      if (!lost.has(uid) || !this.byAgent[step]) continue;
      this.active.delete(key);
      this.lostAt.set(key, this.now);
    }
  }

  #replace(pod: SimulatedPod, after: number): void {
    this.#made += 1;
    const createdAt = this.now + after;
    const { endsAt: _ended, ...kept } = pod;
    const uid = `${pod.uid.split('+')[0]}+${this.#made}`;
    const fresh = { ready: false, terminating: false, completed: false, protected: false, createdAt };
    this.pods.set(uid, frozen({ ...kept, ...fresh, uid, readyAt: createdAt + this.replacement.readyAfter }));
  }

  /** Deletes a pod if its UID is that, like a DELETE with a precondition. */
  deletePod(uid: string, graceSeconds: number): void {
    const pod = this.pods.get(uid);
    if (!pod) throw new ApiTrouble('notFound');
    const endsAt = Math.min(pod.endsAt ?? Infinity, this.now + graceSeconds * 1000);
    this.changePod(uid, { terminating: true, ready: false, endsAt });
    this.tick();
  }

  /** Carries out a fault, or its end, on one target. */
  perform(kind: 'apply' | 'revert', { name, round, step }: Origin, target: Target, seen: Effect['seen']): void {
    const pod = this.pods.get(target.uid);
    if (!pod) throw new ApiTrouble('notFound');
    const key = `${name}/${target.uid}`;
    const stored = this.injections.get(name);
    const { state: intent, undo } = stored?.status?.targets?.find(({ uid }) => uid === target.uid) ?? {};
    const fresh = kind === 'apply' && !pod.terminating && !this.active.has(key);
    const run = this.runExists ? this.run : undefined;
    const { uid } = target;
    this.effects.push({
      kind,
      injection: name,
      step,
      round,
      uid,
      fresh,
      unreachable: pod.unreachable || (stored?.spec.node ?? pod.node) !== pod.node,
      stored: { state: stored?.spec.state, intent, undo, run },
      seen,
    });
    if (kind === 'revert' && this.now < this.stubbornUntil) throw new ApiTrouble('refused');
    if (kind === 'revert') this.active.delete(key);
    else if (!this.oneShot[step]) this.active.set(key, { injection: name, step, uid });
    // Agents only restart what runs in a pod.
    else if (!this.byAgent[step]) this.deletePod(uid, pod.graceSeconds);
    this.check({ kind: 'run', before: this.run, after: this.run });
  }

  /** Changes the run as a person or the controller does; `version` is what the writer has seen. */
  changeRun(change: Partial<ExperimentRun>, version?: string): ExperimentRun {
    const before = this.#presentRun(version);
    const after = frozen({ ...before, ...change, metadata: { ...before.metadata, ...change.metadata } });
    this.#storeRun(before, { ...after, metadata: { ...after.metadata, resourceVersion: this.#next() } });
    return this.run;
  }

  #storeRun(before: ExperimentRun, after: ExperimentRun): void {
    this.run = frozen(after);
    const isGone = after.metadata.deletionTimestamp !== undefined && !after.metadata.finalizers?.length;
    if (isGone) this.runExists = false;
    this.check({ kind: 'run', before, after: isGone ? undefined : this.run });
    this.onChange('run');
  }

  #presentRun(version?: string): ExperimentRun {
    if (!this.runExists) throw new ApiTrouble('notFound');
    if (version !== undefined && version !== this.run.metadata.resourceVersion) throw new ApiTrouble('conflict');
    return this.run;
  }

  setFinalizer(wanted: boolean, version: string): ExperimentRun {
    const { metadata } = this.#presentRun(version);
    if (wanted && metadata.deletionTimestamp) throw new ApiTrouble('refused');
    return this.changeRun({ metadata: { ...metadata, finalizers: wanted ? [FINALIZER] : [] } }, version);
  }

  /** Marks in the metadata which verdict the status is about to say. */
  confirmVerdict(verdict: string, version: string): ExperimentRun {
    const { metadata } = this.#presentRun(version);
    return this.changeRun({ metadata: { ...metadata, annotations: { [ANNOTATION_VERDICT]: verdict } } }, version);
  }

  writeRunStatus(status: RunStatus, version: string): ExperimentRun {
    return this.changeRun({ status }, version);
  }

  deleteRun(): void {
    if (!this.runExists || this.run.metadata.deletionTimestamp) return;
    const { metadata } = this.run;
    this.changeRun({ metadata: { ...metadata, deletionTimestamp: new Date(this.now).toISOString() } });
  }

  /** Creating what is there is fine when it is the same. */
  createInjection({ name, spec, held }: NewInjection): Injection {
    const present = this.injections.get(name);
    if (present) {
      if (JSON.stringify(present.spec.targets) !== JSON.stringify(spec.targets)) throw new ApiTrouble('conflict');
      return present;
    }
    const resourceVersion = this.#next();
    const metadata = {
      name,
      namespace: 'squall-system',
      uid: `injection-${resourceVersion}`,
      resourceVersion,
      creationTimestamp: new Date(this.now).toISOString(),
      ...(held && { finalizers: [FINALIZER] }),
    };
    return this.#storeInjection({ apiVersion: API_VERSION, kind: 'Injection', metadata, spec }, undefined);
  }

  /** As the CRD's rule says, the state only ever moves forward. */
  setInjectionState(name: string, state: InjectionState): Injection {
    const before = this.#presentInjection(name);
    const order = ['Pending', 'Apply', 'Revert'];
    if (order.indexOf(state) < order.indexOf(before.spec.state)) throw new ApiTrouble('refused');
    return this.#storeInjection({ ...before, spec: { ...before.spec, state } }, before);
  }

  writeInjectionStatus(name: string, status: InjectionStatus, version: string): Injection {
    const before = this.#presentInjection(name);
    if (before.metadata.resourceVersion !== version) throw new ApiTrouble('conflict');
    return this.#storeInjection({ ...before, status }, before);
  }

  deleteInjection(name: string, uid: string, bySquall: boolean): void {
    const before = this.#presentInjection(name);
    if (before.metadata.uid !== uid) throw new ApiTrouble('conflict');
    this.tampered ||= !bySquall;
    if (!bySquall && before.metadata.finalizers?.length) {
      const deletionTimestamp = new Date(this.now).toISOString();
      this.#storeInjection({ ...before, metadata: { ...before.metadata, deletionTimestamp } }, before);
      return;
    }
    this.injections.delete(name);
    this.check({ kind: 'injection', bySquall, before, after: undefined });
    this.onChange(`injection/${name}`);
  }

  #presentInjection(name: string): Injection {
    const present = this.injections.get(name);
    if (!present) throw new ApiTrouble('notFound');
    return present;
  }

  #storeInjection(injection: Injection, before: Injection | undefined): Injection {
    const resourceVersion = before ? this.#next() : injection.metadata.resourceVersion;
    const after = frozen({ ...injection, metadata: { ...injection.metadata, resourceVersion } });
    this.injections.set(after.metadata.name, after);
    this.check({ kind: 'injection', bySquall: true, before, after });
    this.onChange(`injection/${after.metadata.name}`);
    return after;
  }

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }

  /** Looks whether everything that must hold does. */
  check(change: Change): void {
    const found = violations({
      now: this.now,
      run: this.run,
      runExists: this.runExists,
      injections: [...this.injections.values()],
      effects: this.effects,
      alive: new Set(this.pods.keys()),
      leaving: new Set([...this.pods.values()].filter(({ terminating }) => terminating).map(({ uid }) => uid)),
      active: [...this.active.values()],
      uncertain: this.uncertain,
      tampered: this.tampered,
      oneShot: this.oneShot,
      byAgent: this.byAgent,
      bitten: this.bitten,
      room: this.room,
      lostAt: this.lostAt,
      change,
    });
    if (found.length > 0) throw new InvariantBroken(found.join('\n'));
  }
}

/** Which injection a fault comes from. */
export interface Origin {
  name: string;
  step: string;
  round: number;
}
