import type { Experiment } from '../../api/experiment.js';
import { checkExperiment, problemText } from '../../catalogue.js';
import { decideSchedule } from '../../domain/schedule/decide.js';
import type { ScheduleDecision, ScheduleObserved } from '../../domain/schedule/observed.js';
import { difference } from '../../kubernetes/difference.js';
import { ApiError } from '../../kubernetes/errors.js';
import type { ReconcileResult } from '../../kubernetes/queue.js';
import { splitKey } from '../../kubernetes/resource.js';
import type { Context } from '../context.js';
import { halts } from '../gather.js';
import { experiments } from '../resources.js';
import { actOnExperiment, NameTakenError } from './experiment-actions.js';
import { readUnready } from './start-conditions.js';

/** A timer can't be set for longer than 24 days; nobody minds an idle look a day. */
const LONGEST_WAIT_MILLISECONDS = 86_400_000;
/** For how long it is believed what was read of the targets: a status that tells of it makes for another look. */
const READINESS_MILLISECONDS = 3_000;

/** What is kept of an experiment between looks. */
interface Memory {
  uid: string;
  generation: number | undefined;
  problems: readonly string[];
  unready: { at: number; told: readonly string[] } | undefined;
  /** Names of runs that something else has taken. */
  taken: Set<string>;
}

/** Looks at one experiment: starts what is due, ends and deletes what it has to, and says so in its status. */
export class ExperimentReconciler {
  readonly #memories = new Map<string, Memory>();

  constructor(readonly context: Context) {}

  /** `key` is `namespace/name`. */
  async reconcile(key: string): Promise<ReconcileResult | undefined> {
    const { caches, client } = this.context;
    const { namespace, name } = splitKey(key);
    const experiment = caches.experiments.get(namespace, name);
    if (!experiment || experiment.metadata.deletionTimestamp) {
      this.#memories.delete(key);
      return undefined;
    }
    const memory = this.#remember(key, experiment);
    const decision = await this.#decide(experiment, memory);
    try {
      await actOnExperiment(this.context, experiment, decision.actions);
    } catch (error) {
      if (!(error instanceof NameTakenError)) throw error;
      memory.taken.add(error.run);
      return { after: 0 };
    }
    await this.#persist(experiment, decision);
    if (decision.wakeAt === undefined) return undefined;
    return { after: Math.min(LONGEST_WAIT_MILLISECONDS, Math.max(0, decision.wakeAt - client.clock.now())) };
  }

  /** Forgets everything, such as when another controller has led meanwhile. */
  reset(): void {
    this.#memories.clear();
  }

  async #decide(experiment: Experiment, memory: Memory): Promise<ScheduleDecision> {
    const { clock } = this.context.client;
    const decision = decideSchedule(this.#gather(experiment, memory), clock.now());
    if (!decision.asksReadiness) return decision;
    const told = await readUnready(this.context, experiment);
    memory.unready = { at: clock.now(), told };
    return decideSchedule(this.#gather(experiment, memory), clock.now());
  }

  #gather(experiment: Experiment, { problems, unready, taken }: Memory): ScheduleObserved {
    const { caches, client } = this.context;
    const { namespace, name, uid } = experiment.metadata;
    const isFresh = unready !== undefined && client.clock.now() - unready.at < READINESS_MILLISECONDS;
    return {
      experiment,
      problems,
      runs: caches.experimentRuns.of(namespace, name, uid),
      halts: halts(this.context),
      policies: caches.policies.list().map(({ spec }) => ({ windows: spec.windows, freezes: spec.freezes })),
      taken,
      ...(isFresh && { unready: unready.told }),
    };
  }

  #remember(key: string, { metadata, spec }: Experiment): Memory {
    const { uid, generation } = metadata;
    const known = this.#memories.get(key);
    if (known?.uid === uid && known.generation === generation) return known;
    const problems = checkExperiment(spec, ['spec']).map(problemText);
    const fresh = { uid, generation, problems, unready: undefined, taken: new Set<string>() };
    this.#memories.set(key, fresh);
    return fresh;
  }

  /** The one place that writes an experiment's status and tells of it; only the difference goes out. */
  async #persist(experiment: Experiment, { status, events }: ScheduleDecision): Promise<void> {
    const { caches, client } = this.context;
    const { namespace, name, uid, resourceVersion } = experiment.metadata;
    const patch = difference(experiment.status ?? {}, status);
    if (patch !== undefined) {
      try {
        caches.experiments.upsert(await client.patchStatus(experiments, namespace, name, patch, resourceVersion));
      } catch (error) {
        if (error instanceof ApiError && error.isNotFound) return;
        throw error;
      }
    }
    const object = {
      apiVersion: experiment.apiVersion,
      kind: 'Experiment',
      name,
      uid,
      ...(namespace && { namespace }),
    };
    for (const event of events) this.context.events.record({ object, ...event });
  }
}
