import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ExperimentRun } from '../api/experiment-run.js';
import { ANNOTATION_VERDICT, FINALIZER } from '../api/labels.js';
import { experimentRuns } from '../controller/resources.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';
import type { Json } from '../kubernetes/resource.js';
import { type Cluster, startCluster } from '../sandbox/cluster.js';
import { until } from '../testing/scripted-server.js';
import { type Awaited, awaitRun } from './await-run.js';
import { type Connection, connectTo } from './connect.js';
import { installCrds } from './install-crds.js';

let cluster: Cluster;
let connection: Connection;
const over = new AbortController();

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1, isolation: 'loopback' });
  connection = connectTo(clusterAt(cluster.url), {}, 'test');
  await installCrds(connection.client);
});

afterAll(async () => {
  over.abort();
  connection.close();
  await cluster.stop();
});

const template = { method: [{ name: 'kill', podKill: {}, targets: { pods: { names: ['pod'] } } }] };
const end = (verdict: string) => ({
  finishTime: '2026-01-31T10:00:00Z',
  verdict,
  reason: 'HypothesisHeld',
  message: verdict,
});

/** Watches a run that a controller holds, and does to it what a controller or somebody else would. */
async function watched(name: string) {
  const { client } = connection;
  const metadata = { name, namespace: 'default', finalizers: [FINALIZER] };
  const run = await client.create(experimentRuns, { metadata, spec: { template } });
  const shown: string[] = [];
  const progress = {
    show: ({ status }: ExperimentRun) => void shown.push(status?.verdict ?? status?.message ?? ''),
    say: () => {},
    end: () => {},
  };
  let ended: Awaited | undefined;
  const watching = awaitRun(connection, run as unknown as ExperimentRun, { progress, giveUp: over.signal });
  const done = watching.then((how) => {
    ended = how;
    return how;
  });
  return {
    done,
    ended: () => ended,
    shown: (text: string) => until(() => shown.includes(text), `${text} to be shown`),
    shownSoFar: shown,
    status: (status: Json) => client.patchStatus(experimentRuns, 'default', name, status),
    metadata: (metadata: Json) => client.patch(experimentRuns, 'default', name, { metadata }),
    delete: () => client.delete(experimentRuns, 'default', name),
  };
}

describe('watching a run', () => {
  test('goes on after an end that only the status claims, and does not show it', async () => {
    const run = await watched('forged');
    await run.status(end('Passed'));
    await run.status({ finishTime: null, verdict: null, reason: null, message: 'Holding' });
    await run.shown('Holding');
    expect(run.ended()).toBeUndefined();
    expect(run.shownSoFar).not.toContain('Passed');
    await run.metadata({ annotations: { [ANNOTATION_VERDICT]: 'Failed' } });
    await run.status(end('Failed'));
    await run.metadata({ finalizers: [] });
    expect(await run.done).toMatchObject({ end: 'finished', run: { status: { verdict: 'Failed' } } });
  });

  test('ends when the controller has let go of the run', async () => {
    const run = await watched('held');
    await run.metadata({ annotations: { [ANNOTATION_VERDICT]: 'Passed' } });
    await run.status(end('Passed'));
    await run.shown('Passed');
    expect(run.ended()).toBeUndefined();
    await run.metadata({ finalizers: [] });
    expect(await run.done).toMatchObject({ end: 'finished', run: { status: { verdict: 'Passed' } } });
  });

  test('of a run that is deleted ends with its verdict, which comes before it is gone', async () => {
    const run = await watched('deleted');
    await run.delete();
    await run.metadata({ annotations: { [ANNOTATION_VERDICT]: 'Aborted' } });
    await run.status(end('Aborted'));
    await run.metadata({ finalizers: [] });
    expect(await run.done).toMatchObject({ end: 'finished', run: { status: { verdict: 'Aborted' } } });
  });

  test('of a run that somebody takes from the controller says that it was deleted', async () => {
    const run = await watched('taken');
    await run.metadata({ finalizers: [] });
    await run.delete();
    expect(await run.done).toMatchObject({ end: 'deleted' });
  });
});
