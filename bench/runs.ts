import { experimentRuns } from '../src/controller/resources.js';
import type { Client } from '../src/kubernetes/client.js';
import type { KubeObject } from '../src/kubernetes/resource.js';
import type { Sightings } from './sightings.js';
import { BENCH_NAMESPACE } from './test-bed.js';

/** A run that does something to pods of an app. */
export interface BenchRun {
  name: string;
  app: string;
  /** Left out: pods are lost. */
  fault?: object;
  /** Of the app's pods; left out: one. */
  percent?: number;
  duration?: string;
  /** The probes; left out, the run has none. */
  hypothesis?: object[];
}

/** Creates a run and waits until it is first seen as wanted. `runs` watches the runs. */
export async function runUntil(
  client: Client,
  runs: Sightings,
  { name, app, fault = { podKill: {} }, percent, duration, hypothesis }: BenchRun,
  wanted: (status: NonNullable<KubeObject['status']>) => boolean,
): Promise<KubeObject> {
  const found = seen(runs, name, wanted);
  const targets = { pods: { selector: { matchLabels: { app } }, minAge: '0s', unmanaged: true }, percent };
  const template = { hypothesis, method: [{ name: 'lose', ...fault, targets, duration }] };
  await client.create(experimentRuns, { metadata: { name, namespace: BENCH_NAMESPACE }, spec: { template } });
  return found;
}

/** Aborts a run, unless it is over, and waits until everything of it is taken back. */
export async function endRun(client: Client, runs: Sightings, name: string): Promise<void> {
  const finished = seen(runs, name, isFinished);
  await client.patch(experimentRuns, BENCH_NAMESPACE, name, { spec: { abort: { reason: 'measured' } } });
  await finished;
}

/** Whether this is the status of a run that is over. */
export function isFinished(status: NonNullable<KubeObject['status']>): boolean {
  return status.finishTime !== undefined;
}

/** The run of a name as it is first seen as wanted. */
export function seen(
  runs: Sightings,
  name: string,
  wanted: (status: KubeObject['status']) => boolean,
): Promise<KubeObject> {
  return runs.next(({ object }) => object.metadata.name === name && wanted(object.status ?? {}));
}
