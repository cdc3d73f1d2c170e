import type { RunStatus } from '../src/api/experiment-run.js';
import type { Target } from '../src/api/injection.js';
import { experimentRuns, injections } from '../src/controller/resources.js';
import type { Client } from '../src/kubernetes/client.js';
import { inParallel } from '../src/kubernetes/parallel.js';
import { type KubeObject, pods } from '../src/kubernetes/resource.js';
import type { Benchmark, Figure } from './figure.js';
import { inTurn, sleep, timed } from './rounds.js';
import { endRun, isFinished, runUntil } from './runs.js';
import { openSightings, type Sightings } from './sightings.js';
import { BENCH_NAMESPACE, OTHER_NAMESPACE, type TestBed, withTestBed } from './test-bed.js';

const TARGETS = 6_000;
const TARGETS_PER_INJECTION = 100;
const DRAWS = 5;
const WRITES_AT_ONCE = 16;
const DELETES_AT_ONCE = 32;
/** After it the controller's client may send a full burst again. */
const REFILL_MILLISECONDS = 2_000;
const app = 'target';
const batch = { namespace: BENCH_NAMESPACE, prefix: app, app, count: TARGETS };

/** How long it takes to draw and record thousands of targets, and to hit them, against the bare calls that needs. */
export const manyTargets: Benchmark = { name: 'many-targets', run: () => withTestBed(measure) };

async function measure(bed: TestBed): Promise<Figure[]> {
  const { client } = bed;
  await bed.createPods(batch);
  await bed.startController();
  const runs = await openSightings(client, experimentRuns, BENCH_NAMESPACE);
  const draws = await inTurn(DRAWS, { floor: () => bareDraw(client), ours: () => draw(client, runs) }, (one) => one());
  const hits = { ours: [await hit(client, runs)], floor: [0] };
  await bed.createPods({ ...batch, prefix: 'again' });
  hits.floor = [await bareHit(client)];
  runs.stop();
  return [
    {
      what: `from creating a run to its record of ${TARGETS} drawn targets`,
      against: `list, and create ${TARGETS / TARGETS_PER_INJECTION} objects`,
      unit: 'ms',
      ...draws,
    },
    {
      what: `from creating a run to its record that ${TARGETS} targets are gone`,
      against: `${TARGETS} bare DELETEs, ${DELETES_AT_ONCE} at once`,
      unit: 'ms',
      ...hits,
    },
  ];
}

/** The baseline of this run takes minutes, so nothing is hit before the run is ended. */
async function draw(client: Client, runs: Sightings): Promise<number> {
  const probe = { apiVersion: 'v1', kind: 'Pod', name: `${app}-0`, interval: '1m' };
  const hypothesis = [{ name: 'there', resource: probe, expect: { that: 'object.metadata.name != ""' } }];
  const run = { name: `draw-${performance.now().toFixed()}`, app, percent: 100, hypothesis };
  const milliseconds = await timed(async () => {
    const { status } = await runUntil(client, runs, run, (now) => now.selection !== undefined || isFinished(now));
    if (status.selection?.[0]?.chosen !== TARGETS) throw new Error(`not all were drawn: ${status.message}`);
  });
  await endRun(client, runs, run.name);
  await sleep(REFILL_MILLISECONDS);
  return milliseconds;
}

async function bareDraw(client: Client): Promise<number> {
  const made: string[] = [];
  const milliseconds = await timed(async () => {
    const targets = await listTargets(client);
    const parts = Array.from({ length: TARGETS / TARGETS_PER_INJECTION }, (_, part) => part);
    await inParallel(WRITES_AT_ONCE, parts, async (part) => {
      const first = part * TARGETS_PER_INJECTION;
      const spec = injectionSpec(part, parts.length, targets.slice(first, first + TARGETS_PER_INJECTION));
      const object: KubeObject = { metadata: { generateName: 'bare-', namespace: OTHER_NAMESPACE }, spec };
      made.push((await client.create(injections, object)).metadata.name ?? '');
    });
  });
  await inParallel(WRITES_AT_ONCE, made, (name) => client.delete(injections, OTHER_NAMESPACE, name));
  return milliseconds;
}

async function listTargets(client: Client): Promise<Target[]> {
  const targets: Target[] = [];
  for await (const { items } of client.listAll(pods, { namespace: BENCH_NAMESPACE, labelSelector: `app=${app}` })) {
    for (const { metadata } of items)
      targets.push({ namespace: BENCH_NAMESPACE, name: metadata.name ?? '', uid: metadata.uid ?? '' });
  }
  return targets;
}

/** No controller looks at injections outside of Squall's own namespace. */
function injectionSpec(part: number, parts: number, targets: Target[]): object {
  const run = { namespace: BENCH_NAMESPACE, name: 'bare', uid: '00000000-0000-0000-0000-000000000000' };
  return { run, step: 'lose', round: 0, part, parts, state: 'Pending', podKill: {}, targets };
}

async function hit(client: Client, runs: Sightings): Promise<number> {
  const run = { name: 'hit', app, percent: 100 };
  const milliseconds = await timed(async () => {
    const allGone = (status: RunStatus) => status.steps?.[0]?.effective === TARGETS;
    const { status } = await runUntil(client, runs, run, (now) => allGone(now) || isFinished(now));
    if (!allGone(status)) throw new Error(`not all were hit: ${status.message}`);
  });
  await endRun(client, runs, run.name);
  return milliseconds;
}

async function bareHit(client: Client): Promise<number> {
  const targets = await listTargets(client);
  const events = await openSightings(client, pods, BENCH_NAMESPACE);
  const milliseconds = await timed(async () => {
    let gone = 0;
    const allGone = events.next(({ type }) => type === 'DELETED' && ++gone === TARGETS);
    await inParallel(DELETES_AT_ONCE, targets, ({ name }) => client.delete(pods, BENCH_NAMESPACE, name));
    await allGone;
  });
  events.stop();
  return milliseconds;
}
