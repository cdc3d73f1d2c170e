import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Injection } from '../../api/injection.js';
import { decideLifeCycle, type LifeCycleDecision } from '../../domain/life-cycle.js';
import { faultOf } from '../../faults/index.js';
import { difference } from '../../kubernetes/difference.js';
import { ApiError } from '../../kubernetes/errors.js';
import type { ReconcileResult } from '../../kubernetes/queue.js';
import type { Context } from '../context.js';
import { injections } from '../resources.js';
import { deleteInjection, setInjectionState } from '../run-actions.js';

/**
 * Looks at one injection that an agent carries out: has it taken back when no run owns it, looks for proof when the agent
 * does not answer, and lets go of it when nothing is left.
 */
export class LifeCycleReconciler {
  /** By `namespace/name`, since when an injection has been wanted back, on the monotonic clock. */
  readonly #wantedBack = new Map<string, { uid: string; since: number }>();

  constructor(readonly context: Context) {}

  /** How many injections are remembered. */
  get size(): number {
    return this.#wantedBack.size;
  }

  /** `run` is the one it belongs to, if that is there and has not finished. */
  async reconcile(
    key: string,
    injection: Injection,
    run: ExperimentRun | undefined,
  ): Promise<ReconcileResult | undefined> {
    const { client, nodes } = this.context;
    const { spec } = injection;
    const observed = {
      injection,
      oneShot: faultOf(spec).fault.oneShot,
      runIsLive: run !== undefined,
      waited: this.#waited(key, injection),
    };
    let decision = decideLifeCycle(observed, client.clock.now());
    if (decision.needsBootId) {
      const bootId = await nodes.reader.bootIdOf(spec.node ?? '');
      decision = decideLifeCycle({ ...observed, ...(bootId !== undefined && { bootId }) }, client.clock.now());
    }
    await this.#act(injection, decision);
    return decision.after === undefined ? undefined : { after: decision.after };
  }

  /** Forgets an injection that is gone, by `namespace/name`. */
  forget(key: string): void {
    this.#wantedBack.delete(key);
  }

  /** Forgets everything, such as when another controller has led meanwhile. */
  reset(): void {
    this.#wantedBack.clear();
  }

  #waited(key: string, { metadata, spec }: Injection): number {
    if (spec.state !== 'Revert' && !metadata.deletionTimestamp) return 0;
    const now = performance.now();
    const known = this.#wantedBack.get(key);
    if (known?.uid === metadata.uid) return now - known.since;
    this.#wantedBack.set(key, { uid: metadata.uid, since: now });
    return 0;
  }

  async #act(injection: Injection, { actions, status }: LifeCycleDecision): Promise<void> {
    const { client, caches } = this.context;
    const { namespace, name, uid, resourceVersion } = injection.metadata;
    const patch = difference(injection.status ?? {}, status);
    if (patch !== undefined) {
      const written = await client
        .patchStatus(injections, namespace, name, patch, resourceVersion)
        .catch((error: unknown) => {
          if (error instanceof ApiError && error.isNotFound) return undefined;
          throw error;
        });
      if (written) caches.injections.upsert(written);
    }
    for (const action of actions) {
      if (action.do === 'setInjectionState') await setInjectionState(this.context, name, action.state);
      else await deleteInjection(this.context, name, uid);
    }
  }
}
