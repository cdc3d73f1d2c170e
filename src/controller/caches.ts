import type { Experiment } from '../api/experiment.js';
import type { Injection } from '../api/injection.js';
import type { SafetyPolicy } from '../api/safety-policy.js';
import type { Client } from '../kubernetes/client.js';
import { Reflector } from '../kubernetes/reflector.js';
import type { KubeObject, Resource } from '../kubernetes/resource.js';
import { ExperimentRuns } from './experiments/experiment-runs.js';
import { type FinishedRun, type LiveRun, projectRun, withoutManagedFields } from './projections.js';
import { experimentRuns, experiments, injections, safetyPolicies } from './resources.js';

/** Squall's own objects, which are few; nothing else of the cluster is kept as a whole. */
export class Caches {
  readonly runs: Reflector<LiveRun | FinishedRun>;
  readonly experiments: Reflector<Experiment>;
  readonly injections: Reflector<Injection>;
  readonly policies: Reflector<SafetyPolicy>;
  /** The runs by their experiment. */
  readonly experimentRuns: ExperimentRuns;

  /** `namespace` is Squall's own, where injections live. */
  constructor(client: Client, namespace: string, onError: (error: unknown) => void) {
    const make = <T>(resource: Resource, project: (object: KubeObject) => T, where: { namespace?: string } = {}) =>
      new Reflector<T>({ client, resource, project, onError, ...where });
    const whole = <T>(object: KubeObject) => withoutManagedFields(object) as unknown as T;
    this.runs = make(experimentRuns, projectRun);
    this.experiments = make(experiments, whole<Experiment>);
    this.injections = make(injections, whole<Injection>, { namespace });
    this.policies = make(safetyPolicies, whole<SafetyPolicy>);
    this.experimentRuns = new ExperimentRuns(this.runs);
  }

  /** Begins to watch, and resolves when everything that is there is known. */
  async start(): Promise<void> {
    const all = this.#all();
    for (const reflector of all) reflector.start();
    await Promise.all(all.map(({ synced }) => synced));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all().map((reflector) => reflector.stop()));
  }

  /** The injections of one run, by the UID of the run. */
  injectionsOf(runUid: string): Injection[] {
    return this.injections.list().filter(({ spec }) => spec.run.uid === runUid);
  }

  #all(): Reflector<unknown>[] {
    return [this.runs, this.experiments, this.injections, this.policies] as Reflector<unknown>[];
  }
}
