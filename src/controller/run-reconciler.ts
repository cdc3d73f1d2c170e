import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import { checkExperiment, problemText } from '../catalogue.js';
import type { DomainEvent, RunDecision } from '../domain/observed.js';
import { decideRun } from '../domain/run.js';
import { difference } from '../kubernetes/difference.js';
import { ApiError } from '../kubernetes/errors.js';
import { type ObjectReference, targetReference } from '../kubernetes/events.js';
import type { ReconcileResult } from '../kubernetes/queue.js';
import { type Json, splitKey } from '../kubernetes/resource.js';
import { type Context, NotLeadingError } from './context.js';
import { gatherRun } from './gather.js';
import { experimentRuns } from './resources.js';
import { actOnRun, confirmVerdict } from './run-actions.js';
import type { RunMemory } from './run-records.js';

/** Samples change all the time; a status in which only they differ is not written more often than this. */
const CHECKPOINT_MILLISECONDS = 2_000;

/** How long it may take to see whether a write without an answer was made. */
const READ_BACK_MILLISECONDS = 5_000;
/** A timer can't be set for longer than 24 days; nobody minds an idle look a day. */
const LONGEST_WAIT_MILLISECONDS = 86_400_000;
/** That a run waits for its targets to be listed and its rights to be known is told only when that takes this long. */
const FIRST_WRITE_MILLISECONDS = 500;

/** Looks at one run: gathers, decides, acts, and writes the status at the end. */
export class RunReconciler {
  constructor(readonly context: Context) {}

  /** `key` is `namespace/name`. */
  async reconcile(key: string): Promise<ReconcileResult | undefined> {
    const { caches, client, ledger, nodes, prober, records, surveyor, targets } = this.context;
    const { namespace, name } = splitKey(key);
    const cached = caches.runs.get(namespace, name);
    const memory = records.memory(key);
    if (memory && memory.uid !== cached?.uid) this.#forget(key, memory.uid);
    const run = records.run(namespace, name);
    if (!cached || cached.finished || !run) {
      if (cached) this.#forget(key, cached.uid);
      return undefined;
    }
    const known = this.#remember(key, run);
    if (!run.status?.finishTime) targets.ensure(run);
    const decision = decideRun(gatherRun(this.context, run, known), client.clock.now());
    // In the same turn as the decision: two runs can't both count on the same room.
    ledger.set(run, decision.reserves);
    surveyor.ensure(run, decision.surveyFrom);
    prober.ensure(run, decision.probing);
    known.nodes = decision.nodes;
    nodes.ensure(run.metadata.uid, namespace ?? '', decision.nodes);
    const latest = await actOnRun(this.context, cached.run, decision.actions).catch((error: unknown) => {
      // More tries will not help; the next look ends the run and says why.
      if (error instanceof ApiError && error.isForbidden) known.refusal = error.message;
      throw error;
    });
    if (isFirstLook(known, decision)) {
      known.status = decision.status;
      return { after: FIRST_WRITE_MILLISECONDS };
    }
    await this.#persist(known, latest, decision);
    if (decision.wakeAt === undefined) return undefined;
    return { after: Math.min(LONGEST_WAIT_MILLISECONDS, Math.max(0, decision.wakeAt - client.clock.now())) };
  }

  /** Forgets everything, such as when another controller has led meanwhile. */
  reset(): void {
    for (const [key, { uid }] of this.context.records.entries()) this.#forget(key, uid);
  }

  #remember(key: string, { metadata, spec }: ExperimentRun): RunMemory {
    const { records } = this.context;
    const known = records.memory(key);
    if (known) return known;
    const problems = checkExperiment(spec.template, []).map(problemText);
    const fresh = {
      uid: metadata.uid,
      status: undefined,
      knownSince: performance.now(),
      writtenAt: Number.NEGATIVE_INFINITY,
      problems,
      nodes: [],
      plans: new Map(),
    };
    records.remember(key, fresh);
    return fresh;
  }

  #forget(key: string, uid: string): void {
    this.context.records.forget(key);
    this.context.prober.stop(uid);
    this.context.targets.stop(uid);
    this.context.nodes.stop(uid);
    this.context.surveyor.stop(uid);
    this.context.ledger.release(uid);
  }

  /** The one place that writes a run's status and tells of it; only the difference goes out. */
  async #persist(memory: RunMemory, before: ExperimentRun, { status, events }: RunDecision): Promise<void> {
    const { log } = this.context;
    const patch = difference(before.status ?? {}, status);
    const isCheckpoint = patch !== undefined && Object.keys(patch).every((field) => field === 'probes');
    if (patch === undefined || (isCheckpoint && performance.now() - memory.writtenAt < CHECKPOINT_MILLISECONDS)) {
      memory.status = status;
      return;
    }
    if (!(await this.#write(memory, before, status, patch))) return;
    const { namespace, name } = before.metadata;
    if (before.status?.stage !== status.stage) {
      log.info(
        { run: `${namespace}/${name}`, stage: status.stage, verdict: status.verdict, reason: status.reason },
        'Run entered stage',
      );
    }
    memory.status = status;
    memory.writtenAt = performance.now();
    for (const event of events) this.#tell(before, event);
  }

  /** Returns whether it is written; it is not when the run was deleted and let go of: there is nobody left to tell. */
  async #write(memory: RunMemory, before: ExperimentRun, status: RunStatus, patch: Json): Promise<boolean> {
    const { client, caches } = this.context;
    const { namespace, name } = before.metadata;
    try {
      const run = status.finishTime ? await confirmVerdict(this.context, before, status) : before;
      const { resourceVersion } = run.metadata;
      caches.runs.upsert(await client.patchStatus(experimentRuns, namespace, name, patch, resourceVersion));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.isNotFound) return false;
      if (await this.#isWritten(before, status)) return true;
      // What may have been written is not decided anew: a second end would be another one.
      if (!isAnswer(error)) memory.status = undefined;
      throw error;
    }
  }

  /** Whether a write whose answer was lost, or that was sent again after that and met itself, has been made. */
  async #isWritten({ metadata }: ExperimentRun, status: RunStatus): Promise<boolean> {
    const { client, caches } = this.context;
    const limits = { timeoutMs: READ_BACK_MILLISECONDS };
    const found = await client.get(experimentRuns, metadata.namespace, metadata.name, limits).catch(() => undefined);
    if (!found || found.metadata.uid !== metadata.uid) return false;
    caches.runs.upsert(found);
    return difference(found.status ?? {}, status) === undefined;
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
    this.context.events.record({ object: pod ? targetReference(pod) : self, type, reason, message });
  }
}

/** Whether nothing was written, for certain: it was refused, or not even sent. */
function isAnswer(error: unknown): boolean {
  return error instanceof NotLeadingError || (error instanceof ApiError && error.status < 500);
}

/** The first looks at a run only find that its targets and rights are not known yet, which is no news for a moment. */
function isFirstLook({ knownSince, writtenAt }: RunMemory, { status }: RunDecision): boolean {
  const isNew = performance.now() - knownSince < FIRST_WRITE_MILLISECONDS && writtenAt === Number.NEGATIVE_INFINITY;
  return isNew && status.stage === 'Admitted' && !status.findings?.length;
}
