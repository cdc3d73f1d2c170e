import type { Experiment } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import { experimentRuns, experiments } from '../controller/resources.js';
import type { Json } from '../kubernetes/resource.js';
import { killStep, type TestCluster } from './controllers.js';
import { until } from './scripted-server.js';

interface Wanted {
  namespace?: string;
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
  spec?: Json;
}

/** A method that keeps a run under way until it is ended. */
export const lasting = { method: [killStep('web', { duration: '55m' })] };
/** A rhythm that counts from the creation of the experiment. */
export const everyMinute = { every: '1m' };

/** Waits for what should not happen. */
export const idle = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What tests do to experiments with schedules, on a cluster whose clock they move. */
export function scheduledExperiments(cluster: TestCluster) {
  /** An experiment whose runs hit nothing and end at once, unless it says otherwise. */
  async function create(name: string, schedule: Json | undefined, more: Wanted = {}): Promise<void> {
    const { namespace = 'default', annotations = {}, labels = {}, spec = {} } = more;
    await cluster.client.create(experiments, {
      metadata: { name, namespace, annotations, labels },
      spec: { method: [killStep('nobody')], ...(schedule && { schedule }), ...spec },
    });
    await until(() => stored(name, namespace).status?.observedGeneration === 1, `the first look at ${name}`);
  }

  function stored(name: string, namespace = 'default'): Experiment {
    return cluster.cluster.store.get('experiments.squall.dev', namespace, name) as unknown as Experiment;
  }

  function statusOf(name: string, namespace = 'default') {
    return stored(name, namespace).status ?? {};
  }

  function runs(): ExperimentRun[] {
    return cluster.cluster.store.list('experimentruns.squall.dev') as unknown as ExperimentRun[];
  }

  function runsOf(name: string, namespace = 'default'): ExperimentRun[] {
    return runs()
      .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.['squall.dev/experiment'] === name)
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  function condition(name: string, type: string): string {
    const found = statusOf(name).conditions?.find((each) => each.type === type);
    return found ? `${found.status}/${found.reason}` : 'none';
  }

  function patch(name: string, change: Json, namespace = 'default'): Promise<unknown> {
    return cluster.client.patch(experiments, namespace, name, change);
  }

  async function abort(name: string | undefined): Promise<void> {
    await cluster.client.patch(experimentRuns, 'default', name ?? '', { spec: { abort: { reason: 'end of test' } } });
  }

  let touches = 0;

  /** Moves the API server's clock on, and has all experiments looked at: no timer knows of it. */
  async function pass(seconds: number): Promise<void> {
    cluster.cluster.knobs.settings.clockOffsetMilliseconds += seconds * 1_000;
    const renewals = () =>
      cluster.cluster.store.get('leases.coordination.k8s.io', 'squall-system', 'squall-controller')?.spec;
    for (let seen = 0; seen < 2; seen += 1) {
      const before = renewals()?.renewTime;
      await until(() => renewals()?.renewTime !== before, 'the controller to hear of the time');
    }
    touches += 1;
    for (const { metadata } of cluster.cluster.store.list('experiments.squall.dev'))
      await patch(metadata.name ?? '', { metadata: { annotations: { touched: String(touches) } } }, metadata.namespace);
  }

  /** Deletes all experiments, and waits until their runs are gone. */
  async function clearAway(): Promise<void> {
    for (const { metadata } of cluster.cluster.store.list('experiments.squall.dev'))
      await cluster.client.delete(experiments, metadata.namespace, metadata.name ?? '');
    for (const { metadata } of runs())
      if (!metadata.ownerReferences) await cluster.client.delete(experimentRuns, metadata.namespace, metadata.name);
    await until(() => runs().length === 0, 'the runs to go with their experiments', 20_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(runs(), undefined, 1)}`);
    });
  }

  return { create, stored, statusOf, runs, runsOf, condition, patch, abort, pass, clearAway };
}
