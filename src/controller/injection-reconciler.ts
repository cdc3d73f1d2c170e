import type { ExperimentRun } from '../api/experiment-run.js';
import type { Injection, Target } from '../api/injection.js';
import {
  decideInjection,
  type InjectionAction,
  type InjectionObserved,
  type Outcome,
  type TargetPod,
} from '../domain/injection.js';
import { isStopping } from '../domain/run.js';
import { faultOf } from '../faults/index.js';
import { ApiError } from '../kubernetes/errors.js';
import { pods, splitKey } from '../kubernetes/resource.js';
import type { Context } from './context.js';
import { difference } from './difference.js';
import { halts, isProtectedNamespace } from './gather.js';
import { inParallel } from './parallel.js';
import { perform } from './perform.js';
import { type KnownPod, projectPod } from './projections.js';
import { injections } from './resources.js';
import { deleteInjection, setInjectionState } from './run-actions.js';
import { podReference } from './run-reconciler.js';

/** How many targets of one injection are worked on at once. */
const TARGETS_AT_ONCE = 20;

/** What this process remembers of an injection between two looks. */
interface Memory {
  uid: string;
  /** By the target's UID, what our own attempts came to. */
  outcomes: Map<string, Outcome>;
  /** Whether nothing but that can have been done: we saw it before any intent, and every attempt was answered. */
  certain: boolean;
}

/** Looks at one injection whose effects go through the API server. */
export class InjectionReconciler {
  readonly #memory = new Map<string, Memory>();

  constructor(readonly context: Context) {}

  /** `key` is `namespace/name`. */
  async reconcile(key: string): Promise<void> {
    const { caches, client } = this.context;
    const { namespace, name } = splitKey(key);
    const injection = caches.injections.get(namespace, name);
    if (!injection) {
      this.#memory.delete(key);
      return;
    }
    const memory = this.#remember(key, injection);
    const observed = await this.#gather(injection, memory);
    const { actions } = decideInjection(observed, client.clock.now());
    try {
      await inParallel(TARGETS_AT_ONCE, actions, (action) => this.#act(injection, memory, action));
    } finally {
      // Also when some had no answer: what came of the others must not be lost.
      await this.#persist(injection, decideInjection(observed, client.clock.now()));
    }
  }

  /** Forgets everything, such as when another controller has led meanwhile. */
  reset(): void {
    this.#memory.clear();
  }

  #remember(key: string, injection: Injection): Memory {
    const known = this.#memory.get(key);
    if (known?.uid === injection.metadata.uid) return known;
    const certain = (injection.status?.targets ?? []).length === 0;
    const fresh = { uid: injection.metadata.uid, outcomes: new Map<string, Outcome>(), certain };
    this.#memory.set(key, fresh);
    return fresh;
  }

  async #gather(injection: Injection, { outcomes, certain }: Memory): Promise<InjectionObserved> {
    const { fault } = faultOf(injection.spec);
    const run = this.#liveRun(injection);
    // Nobody watches the targets of a run that is over, and after an attempt without an answer a watch may lag behind it.
    const watched = run && certain ? this.context.targets.podsOfStep(run.metadata.uid, injection.spec.step) : undefined;
    const known = run && certain ? watched : await this.#read(injection);
    return {
      injection,
      fault: fault.name,
      oneShot: fault.oneShot,
      runIsLive: run !== undefined,
      stopping: !run || isStopping(run, halts(this.context)),
      pods: known && this.#marked(injection, known),
      outcomes,
      undone: new Map(),
      certain,
    };
  }

  #liveRun({ spec }: Injection): ExperimentRun | undefined {
    const cached = this.context.caches.runs.get(spec.run.namespace, spec.run.name);
    if (cached?.uid !== spec.run.uid || cached.finished || cached.run.status?.finishTime) return undefined;
    return cached.run;
  }

  #marked({ spec }: Injection, known: ReadonlyMap<string, KnownPod>): ReadonlyMap<string, TargetPod> {
    if (!isProtectedNamespace(this.context, spec.run.namespace)) return known;
    return new Map([...known].map(([uid, pod]) => [uid, { ...pod, protected: true }]));
  }

  /** Reads the targets that are not settled, one by one. */
  async #read({ spec, status }: Injection): Promise<ReadonlyMap<string, KnownPod>> {
    const states = new Map(status?.targets?.map(({ uid, state }) => [uid, state]));
    const isOpen = ({ uid }: Target) => [undefined, 'Applying', 'Confirmed'].includes(states.get(uid));
    const found = new Map<string, KnownPod>();
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
    this.context.assertLeading();
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
    for (const step of fault.apply(params, target)) {
      try {
        memory.outcomes.set(target.uid, await perform(this.context.client, step));
      } catch (error) {
        memory.certain = false;
        throw error;
      }
    }
  }

  async #persist(injection: Injection, { status, events }: ReturnType<typeof decideInjection>): Promise<void> {
    const { client, caches } = this.context;
    const patch = difference(injection.status ?? {}, status);
    if (patch === undefined) return;
    const { namespace, name, resourceVersion } = injection.metadata;
    this.context.assertLeading();
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
