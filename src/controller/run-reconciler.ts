import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import type { DomainEvent, RunDecision } from '../domain/observed.js';
import { decideRun } from '../domain/run.js';
import { ApiError } from '../kubernetes/errors.js';
import type { ObjectReference } from '../kubernetes/events.js';
import type { ReconcileResult } from '../kubernetes/queue.js';
import { splitKey } from '../kubernetes/resource.js';
import type { Context } from './context.js';
import { difference } from './difference.js';
import { gatherRun } from './gather.js';
import { experimentRuns } from './resources.js';
import { actOnRun } from './run-actions.js';

/** Samples change all the time; a status in which only they differ is not written more often than this. */
const CHECKPOINT_MILLISECONDS = 2_000;

/** What this process remembers of a run between two looks. All of it can be lost: the status and the injections say enough. */
interface Memory {
  uid: string;
  /** The status we last decided on. While we lead it is the truth, whatever someone wrote into the object. */
  status: RunStatus | undefined;
  /** When the status was last written, on the monotonic clock. */
  writtenAt: number;
}

/** Looks at one run: gathers, decides, acts, and writes the status at the end. */
export class RunReconciler {
  readonly #memory = new Map<string, Memory>();

  constructor(readonly context: Context) {}

  /** `key` is `namespace/name`. */
  async reconcile(key: string): Promise<ReconcileResult | undefined> {
    const { caches, client, prober, targets } = this.context;
    const { namespace, name } = splitKey(key);
    const cached = caches.runs.get(namespace, name);
    const memory = this.#memory.get(key);
    if (memory && memory.uid !== cached?.uid) this.#forget(key, memory.uid);
    if (!cached || cached.finished) {
      if (cached) this.#forget(key, cached.uid);
      return undefined;
    }
    const known = this.#remember(key, cached.uid);
    const run: ExperimentRun = { ...cached.run, ...(known.status && { status: known.status }) };
    if (!run.status?.finishTime) targets.ensure(run);
    const now = client.clock.now();
    const decision = decideRun(gatherRun(this.context, run), now);
    prober.ensure(run, decision.probing);
    const latest = await actOnRun(this.context, cached.run, decision.actions);
    await this.#persist(known, latest, decision);
    return decision.wakeAt === undefined ? undefined : { after: Math.max(0, decision.wakeAt - client.clock.now()) };
  }

  /** Forgets everything, such as when another controller has led meanwhile. */
  reset(): void {
    for (const [key, { uid }] of [...this.#memory]) this.#forget(key, uid);
  }

  #remember(key: string, uid: string): Memory {
    const known = this.#memory.get(key);
    if (known) return known;
    const fresh = { uid, status: undefined, writtenAt: Number.NEGATIVE_INFINITY };
    this.#memory.set(key, fresh);
    return fresh;
  }

  #forget(key: string, uid: string): void {
    this.#memory.delete(key);
    this.context.prober.stop(uid);
    this.context.targets.stop(uid);
  }

  /** The one place that writes a run's status and tells of it; only the difference goes out. */
  async #persist(memory: Memory, run: ExperimentRun, { status, events }: RunDecision): Promise<void> {
    const { client, caches, log } = this.context;
    const patch = difference(run.status ?? {}, status);
    const isCheckpoint = patch !== undefined && Object.keys(patch).every((field) => field === 'probes');
    if (patch === undefined || (isCheckpoint && performance.now() - memory.writtenAt < CHECKPOINT_MILLISECONDS)) {
      memory.status = status;
      return;
    }
    const { namespace, name, resourceVersion } = run.metadata;
    this.context.assertLeading();
    try {
      caches.runs.upsert(await client.patchStatus(experimentRuns, namespace, name, patch, resourceVersion));
    } catch (error) {
      // Deleted and let go of: there is nobody left to tell.
      if (error instanceof ApiError && error.isNotFound) return;
      throw error;
    }
    if (run.status?.stage !== status.stage) {
      log.info(
        { run: `${namespace}/${name}`, stage: status.stage, verdict: status.verdict, reason: status.reason },
        'Run entered stage',
      );
    }
    memory.status = status;
    memory.writtenAt = performance.now();
    for (const event of events) this.#tell(run, event);
  }

  #tell(run: ExperimentRun, { type, reason, message, pod }: DomainEvent): void {
    const { name, namespace, uid } = run.metadata;
    const self: ObjectReference = {
      apiVersion: run.apiVersion,
      kind: 'ExperimentRun',
      name,
      uid,
      ...(namespace && { namespace }),
    };
    this.context.events.record({ object: pod ? podReference(pod) : self, type, reason, message });
  }
}

/** The reference of a pod for an event. */
export function podReference(pod: { namespace: string; name: string; uid: string }): ObjectReference {
  return { apiVersion: 'v1', kind: 'Pod', namespace: pod.namespace, name: pod.name, uid: pod.uid };
}
