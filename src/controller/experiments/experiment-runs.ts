import { LABEL_EXPERIMENT } from '../../api/labels.js';
import type { KnownRun } from '../../domain/schedule/observed.js';
import { timeOf } from '../../domain/schedule/schedule-draft.js';
import type { Reflector } from '../../kubernetes/reflector.js';
import { keyOf, splitKey } from '../../kubernetes/resource.js';
import type { FinishedRun, LiveRun } from '../projections.js';

type CachedRun = LiveRun | FinishedRun;

/**
 * The runs of every experiment, by its namespace and name: thousands of experiments must not each go through the runs of
 * all others. Two experiments of one name in two namespaces have nothing to do with each other.
 */
export class ExperimentRuns {
  readonly #byExperiment = new Map<string, Map<string, CachedRun>>();

  constructor(runs: Pick<Reflector<CachedRun>, 'onChange'>) {
    runs.onChange((key, next, previous) => {
      const { namespace } = splitKey(key);
      const [from, to] = [experimentOf(namespace, previous), experimentOf(namespace, next)];
      if (from !== undefined && from !== to) this.#remove(from, key);
      if (next && to !== undefined) this.#add(to, key, next);
    });
  }

  /** The runs that say they belong to an experiment. Those that it owns are told by its UID. */
  of(namespace: string | undefined, name: string, uid: string): KnownRun[] {
    const runs = this.#byExperiment.get(keyOf(namespace, name))?.values() ?? [];
    return Array.from(runs, (run) => knownRun(run, uid));
  }

  #add(experiment: string, key: string, run: CachedRun): void {
    const runs = this.#byExperiment.get(experiment) ?? new Map<string, CachedRun>();
    this.#byExperiment.set(experiment, runs.set(key, run));
  }

  #remove(experiment: string, key: string): void {
    const runs = this.#byExperiment.get(experiment);
    runs?.delete(key);
    if (runs?.size === 0) this.#byExperiment.delete(experiment);
  }
}

/** The experiment that a run says it belongs to, as `namespace/name`. */
export function experimentOf(namespace: string | undefined, run: CachedRun | undefined): string | undefined {
  const name = run?.finished ? run.experiment : run?.run.metadata.labels?.[LABEL_EXPERIMENT];
  return name === undefined ? undefined : keyOf(namespace, name);
}

function knownRun(run: CachedRun, ownerUid: string): KnownRun {
  if (run.finished) {
    const { uid, name, trigger, scheduledTime, ending, verdict, reason, finishTime } = run;
    const isOwned = run.ownerUid === ownerUid;
    return {
      ...{ name, uid, trigger, ending, verdict, reason, finishTime },
      owned: isOwned && isMade(trigger),
      active: false,
      ...dueOf(scheduledTime),
    };
  }
  const { metadata, spec } = run.run;
  return {
    name: metadata.name,
    uid: run.uid,
    trigger: spec.trigger,
    owned: metadata.ownerReferences?.some(({ uid }) => uid === ownerUid) === true && isMade(spec.trigger),
    active: true,
    ending: spec.abort !== undefined || metadata.deletionTimestamp !== undefined,
    verdict: '',
    reason: '',
    finishTime: '',
    ...dueOf(spec.scheduledTime),
  };
}

function isMade(trigger: KnownRun['trigger']): boolean {
  return trigger === 'Schedule' || trigger === 'RunNow';
}

function dueOf(text: string | undefined): { scheduledTime?: number } {
  const scheduledTime = timeOf(text);
  return scheduledTime === undefined ? {} : { scheduledTime };
}
