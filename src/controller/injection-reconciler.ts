import type { ExperimentRun } from '../api/experiment-run.js';
import type { Injection, Target } from '../api/injection.js';
import {
  decideInjection,
  type InjectionAction,
  type InjectionObserved,
  type Outcome,
  type PresentTarget,
} from '../domain/injection.js';
import { isStopping } from '../domain/run.js';
import { faultOf } from '../faults/index.js';
import { difference } from '../kubernetes/difference.js';
import { ApiError } from '../kubernetes/errors.js';
import { podReference } from '../kubernetes/events.js';
import { inParallel } from '../kubernetes/parallel.js';
import type { ReconcileResult } from '../kubernetes/queue.js';
import { pods, splitKey } from '../kubernetes/resource.js';
import { type Context, NotLeadingError, StoppedError } from './context.js';
import { halts, isProtectedNamespace } from './gather.js';
import { LifeCycleReconciler } from './life-cycle-reconciler.js';
import { NotDoneError, perform } from './perform.js';
import { projectPod } from './projections.js';
import { injections } from './resources.js';
import { deleteInjection, setInjectionState } from './run-actions.js';
import { SidecarReconciler } from './sidecars/reconciler.js';

/** How many targets of one injection are worked on at once. */
const TARGETS_AT_ONCE = 20;

/** What this process remembers of an injection between two looks. */
interface Memory {
  uid: string;
  /** By the target's UID, what our own attempts came to. */
  outcomes: Map<string, Outcome>;
  /** Whether nothing but that can have been done: we saw it before any intent, and every attempt was answered. */
  certain: boolean;
  /** UIDs of the targets whose last attempt had no answer. */
  unanswered: Set<string>;
}

/** Looks at one injection: carries it out when its effects go through the API server, and leaves that to agents else. */
export class InjectionReconciler {
  readonly #memory = new Map<string, Memory>();
  readonly #lifeCycles: LifeCycleReconciler;
  readonly #sidecars: SidecarReconciler;

  constructor(readonly context: Context) {
    this.#lifeCycles = new LifeCycleReconciler(context);
    this.#sidecars = new SidecarReconciler(context);
  }

  /** How many injections are remembered. */
  get size(): number {
    return this.#memory.size + this.#lifeCycles.size + this.#sidecars.size;
  }

  /** `key` is `namespace/name`. */
  async reconcile(key: string): Promise<ReconcileResult | undefined> {
    const { namespace, name } = splitKey(key);
    const injection = this.context.caches.injections.get(namespace, name);
    if (!injection) {
      this.#memory.delete(key);
      this.#lifeCycles.forget(key);
      this.#sidecars.forget(key);
      return undefined;
    }
    switch (injection.spec.agent) {
      case undefined:
        return this.#carryOut(key, injection);
      case 'Sidecar':
        return this.#bySidecar(key, injection);
      case 'Node':
        return this.#lifeCycles.reconcile(key, injection, this.#liveRun(injection));
    }
  }

  async #bySidecar(key: string, injection: Injection): Promise<ReconcileResult | undefined> {
    const run = this.#liveRun(injection);
    const soon = await this.#sidecars.reconcile(key, injection, run);
    const { namespace, name } = injection.metadata;
    const latest = this.context.caches.injections.get(namespace, name);
    const later = latest && (await this.#lifeCycles.reconcile(key, latest, run));
    return soon ?? later;
  }

  async #carryOut(key: string, injection: Injection): Promise<ReconcileResult | undefined> {
    const { client } = this.context;
    const memory = this.#remember(key, injection);
    const observed = await this.#gather(injection, memory);
    const { actions } = decideInjection(observed, client.clock.now());
    try {
      await inParallel(TARGETS_AT_ONCE, actions, (action) => this.#act(injection, memory, action));
    } catch (error) {
      // What came of the others must not be lost.
      await this.#persist(injection, decideInjection(observed, client.clock.now()));
      throw error;
    }
    const decision = decideInjection(observed, client.clock.now());
    await this.#persist(injection, decision);
    return decision.wakeAt === undefined ? undefined : { after: Math.max(0, decision.wakeAt - client.clock.now()) };
  }

  /** Forgets everything, such as when another controller has led meanwhile. */
  reset(): void {
    this.#memory.clear();
    this.#lifeCycles.reset();
    this.#sidecars.reset();
  }

  #remember(key: string, injection: Injection): Memory {
    const known = this.#memory.get(key);
    if (known?.uid === injection.metadata.uid) return known;
    const certain = (injection.status?.targets ?? []).length === 0;
    const fresh = {
      uid: injection.metadata.uid,
      outcomes: new Map<string, Outcome>(),
      certain,
      unanswered: new Set<string>(),
    };
    this.#memory.set(key, fresh);
    return fresh;
  }

  async #gather(injection: Injection, memory: Memory): Promise<InjectionObserved> {
    const { outcomes, certain } = memory;
    const { fault } = faultOf(injection.spec);
    const run = this.#liveRun(injection);
    const known = await this.#known(injection, run, memory);
    return {
      injection,
      fault: fault.name,
      oneShot: fault.oneShot,
      runIsLive: run !== undefined,
      stopping: !run || isStopping(run, halts(this.context)),
      present: known && this.#marked(injection, known),
      outcomes,
      undone: new Map(),
      certain,
    };
  }

  /** Nobody watches the targets of a run that is over, and after an attempt without an answer a watch may lag behind it. */
  async #known(
    injection: Injection,
    run: ExperimentRun | undefined,
    { unanswered }: Memory,
  ): Promise<ReadonlyMap<string, PresentTarget> | undefined> {
    if (!run) return this.#read(injection, () => true);
    const watched = this.context.targets.candidatesOf(run.metadata.uid, injection.spec.step);
    if (!watched || unanswered.size === 0) return watched;
    const read = await this.#read(injection, (uid) => unanswered.has(uid));
    return new Map([...[...watched].filter(([uid]) => !unanswered.has(uid)), ...read]);
  }

  #liveRun({ spec }: Injection): ExperimentRun | undefined {
    const run = this.context.records.run(spec.run.namespace, spec.run.name);
    return run?.metadata.uid === spec.run.uid && !run.status?.finishTime ? run : undefined;
  }

  #marked({ spec }: Injection, known: ReadonlyMap<string, PresentTarget>): ReadonlyMap<string, PresentTarget> {
    if (!isProtectedNamespace(this.context, spec.run.namespace)) return known;
    return new Map([...known].map(([uid, pod]) => [uid, { ...pod, protected: true }]));
  }

  /** Reads targets that are not settled, one by one. */
  async #read(
    { spec, status }: Injection,
    wanted: (uid: string) => boolean,
  ): Promise<ReadonlyMap<string, PresentTarget>> {
    const states = new Map(status?.targets?.map(({ uid, state }) => [uid, state]));
    const isOpen = ({ uid }: Target) => wanted(uid) && [undefined, 'Applying', 'Confirmed'].includes(states.get(uid));
    const found = new Map<string, PresentTarget>();
    await inParallel(TARGETS_AT_ONCE, spec.targets.filter(isOpen), async ({ namespace, name, uid }) => {
      const pod = await this.context.client.get(pods, namespace, name).catch((error: unknown) => {
        if (error instanceof ApiError && error.isNotFound) return undefined;
        throw error;
      });
      if (pod?.metadata.uid === uid) found.set(uid, projectPod(pod));
    });
    return found;
  }

  async #act(injection: Injection, memory: Memory, action: InjectionAction): Promise<void> {
    switch (action.do) {
      case 'apply':
        return this.#apply(injection, memory, action.target);
      case 'setInjectionState':
        return setInjectionState(this.context, injection.metadata.name, action.state);
      case 'deleteInjection':
        return deleteInjection(this.context, injection.metadata.name, injection.metadata.uid);
      case 'revert':
        throw new Error(
          `no fault that goes through the API server can be taken back, and ${injection.metadata.name} asks for it`,
        );
    }
  }

  async #apply(injection: Injection, memory: Memory, target: Target): Promise<void> {
    const { fault, params } = faultOf(injection.spec);
    if (fault.by !== 'ApiServer') throw new Error(`${fault.name} is carried out by agents`);
    // A halt counts at once, also for what waits for its turn or for the API server.
    const permit = () => {
      const run = this.#liveRun(injection);
      if (!run || isStopping(run, halts(this.context))) throw new StoppedError('nothing more may be hit');
    };
    for (const step of fault.apply(params, target)) {
      if (step.do !== 'deletePod') throw new Error(`${step.do} is not known`);
      try {
        memory.outcomes.set(target.uid, await perform(this.context.client, step, permit));
        memory.unanswered.delete(target.uid);
      } catch (error) {
        if (!isNotDone(error)) {
          memory.certain = false;
          memory.unanswered.add(target.uid);
        }
        throw error;
      }
    }
  }

  async #persist(injection: Injection, { status, events }: ReturnType<typeof decideInjection>): Promise<void> {
    const { client, caches } = this.context;
    const patch = difference(injection.status ?? {}, status);
    if (patch === undefined) return;
    const { namespace, name, resourceVersion } = injection.metadata;
    try {
      caches.injections.upsert(await client.patchStatus(injections, namespace, name, patch, resourceVersion));
    } catch (error) {
      if (error instanceof ApiError && error.isNotFound) return;
      throw error;
    }
    for (const { type, reason, message, pod } of events) {
      if (pod) this.context.events.record({ object: podReference(pod), type, reason, message });
    }
  }
}

function isNotDone(error: unknown): boolean {
  return error instanceof NotDoneError || error instanceof StoppedError || error instanceof NotLeadingError;
}
