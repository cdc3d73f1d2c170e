import type { Injection } from '../../api/injection.js';
import { decideInjection } from '../../domain/injection.js';
import type { InjectionAction, InjectionDecision } from '../../domain/injection-observed.js';
import { difference } from '../../kubernetes/difference.js';
import { ApiError } from '../../kubernetes/errors.js';
import { targetReference } from '../../kubernetes/events.js';
import { inParallel } from '../../kubernetes/parallel.js';
import type { ReconcileResult } from '../../kubernetes/queue.js';
import { splitKey } from '../../kubernetes/resource.js';
import type { Context } from '../context.js';
import { injections } from '../resources.js';
import { SidecarReconciler } from '../sidecars/reconciler.js';
import { actOnInjection } from './injection-actions.js';
import { gatherInjection, liveRun, TARGETS_AT_ONCE } from './injection-gather.js';
import { beginLook, forgetPrepared, InjectionMemories } from './injection-memory.js';
import { LifeCycleReconciler } from './life-cycle-reconciler.js';

/** Looks at one injection: carries it out when its effects go through the API server, and leaves that to agents else. */
export class InjectionReconciler {
  readonly #memories = new InjectionMemories();
  readonly #lifeCycles: LifeCycleReconciler;
  readonly #sidecars: SidecarReconciler;

  constructor(readonly context: Context) {
    this.#lifeCycles = new LifeCycleReconciler(context);
    this.#sidecars = new SidecarReconciler(context);
  }

  /** How many injections are remembered. */
  get size(): number {
    return this.#memories.size + this.#lifeCycles.size + this.#sidecars.size;
  }

  /** `key` is `namespace/name`. */
  async reconcile(key: string): Promise<ReconcileResult | undefined> {
    const { namespace, name } = splitKey(key);
    const injection = this.context.caches.injections.get(namespace, name);
    if (!injection) {
      this.#memories.forget(key);
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
        return this.#lifeCycles.reconcile(key, injection, liveRun(this.context, injection));
    }
  }

  async #bySidecar(key: string, injection: Injection): Promise<ReconcileResult | undefined> {
    const run = liveRun(this.context, injection);
    const soon = await this.#sidecars.reconcile(key, injection, run);
    const { namespace, name } = injection.metadata;
    const latest = this.context.caches.injections.get(namespace, name);
    const later = latest && (await this.#lifeCycles.reconcile(key, latest, run));
    return soon ?? later;
  }

  async #carryOut(key: string, injection: Injection): Promise<ReconcileResult | undefined> {
    const { clock } = this.context.client;
    const memory = this.#memories.of(key, injection);
    beginLook(memory, clock.now());
    const observed = await gatherInjection(this.context, injection, memory);
    const { actions } = decideInjection(observed, clock.now());
    const act = (action: InjectionAction) => actOnInjection(this.context, injection, memory, action);
    // What came of the others must not be lost when one of them throws.
    const failure = await inParallel(TARGETS_AT_ONCE, actions, act).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const decision = decideInjection(observed, clock.now());
    await this.#persist(injection, decision).finally(() => forgetPrepared(memory));
    if (failure) throw failure.error;
    return decision.wakeAt === undefined ? undefined : { after: Math.max(0, decision.wakeAt - clock.now()) };
  }

  /** Forgets everything, such as when another controller has led meanwhile. */
  reset(): void {
    this.#memories.clear();
    this.#lifeCycles.reset();
    this.#sidecars.reset();
  }

  async #persist(injection: Injection, { status, events }: InjectionDecision): Promise<void> {
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
      if (pod) this.context.events.record({ object: targetReference(pod), type, reason, message });
    }
  }
}
