import { experimentRuns } from '../src/controller/resources.js';
import { pods } from '../src/kubernetes/resource.js';
import type { Benchmark, Figure } from './figure.js';
import { inTurn, timed } from './rounds.js';
import { isFinished, runUntil } from './runs.js';
import { openSightings, type Sightings } from './sightings.js';
import { BENCH_NAMESPACE, type TestBed, withTestBed } from './test-bed.js';

const ROUNDS = 20;

/** How long after its creation a run without a hypothesis has a pod deleted, against deleting it by hand. */
export const podLoss: Benchmark = { name: 'pod-loss', run: () => withTestBed(measure) };

async function measure(bed: TestBed): Promise<Figure[]> {
  const { client } = bed;
  await bed.startController();
  const podEvents = await openSightings(client, pods, BENCH_NAMESPACE);
  const runEvents = await openSightings(client, experimentRuns, BENCH_NAMESPACE);
  let made = 0;

  async function lose(remove: (app: string) => Promise<unknown>): Promise<number> {
    const app = `app-${made++}`;
    await bed.createPods({ namespace: BENCH_NAMESPACE, prefix: app, app, count: 1 });
    let removing: Promise<unknown> = Promise.resolve();
    const milliseconds = await timed(async () => {
      const gone = podGone(podEvents, `${app}-0`);
      removing = remove(app);
      await gone;
    });
    await removing;
    return milliseconds;
  }
  // The run is awaited, so that the rest of it does not slow what comes next.
  const byRun = (app: string) => runUntil(client, runEvents, { name: app, app, duration: '100ms' }, isFinished);
  const byHand = (app: string) => client.delete(pods, BENCH_NAMESPACE, `${app}-0`);

  await lose(byRun);
  const { ours, floor } = await inTurn(ROUNDS, { floor: byHand, ours: byRun }, lose);
  podEvents.stop();
  runEvents.stop();
  const what = 'from creating a run to the deletion of its pod, as a watch tells';
  return [{ what, against: 'bare DELETE', unit: 'ms', ours, floor }];
}

/** Whichever of the two comes first: the deletion's beginning, or its end. */
function podGone(events: Sightings, name: string): Promise<unknown> {
  return events.next(({ type, object: { metadata } }) => {
    if (type === 'BOOKMARK' || metadata.name !== name) return false;
    return type === 'DELETED' || metadata.deletionTimestamp !== undefined;
  });
}
