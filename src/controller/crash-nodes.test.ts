import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runStages } from '../api/experiment-run.js';
import { type Json, nodes } from '../kubernetes/resource.js';
import { bundleController, type ControllerBundle, type TestCluster } from '../testing/controllers.js';
import { foreignTaints } from '../testing/crash-ground.js';
import { type Course, type Death, moments } from '../testing/crash-lane.js';
import { type Case, Place, Places } from '../testing/crash-places.js';
import type { ProxiedRequest } from '../testing/crash-proxy.js';
import { stepNames } from '../testing/crash-scenes.js';
import { until } from '../testing/scripted-server.js';
import { experimentRuns } from './resources.js';

/** How many clusters work on the cases side by side. */
const LANES = 3;
/** With SQUALL_CRASH=exhaustive controllers die at every write, and not at some of them. */
const isExhaustive = process.env.SQUALL_CRASH === 'exhaustive';
const TIMEOUT = isExhaustive ? 3_600_000 : 180_000;

/** Which of so many writes to die at: all, or some that are spread evenly. */
function sample(writes: number, size: number, phase: number): number[] {
  if (isExhaustive || writes <= size) return Array.from({ length: writes }, (_, index) => index + 1);
  return Array.from({ length: size }, (_, index) => 1 + (Math.floor(((index + phase) * writes) / size) % writes));
}

/** Deaths before a write is made, and after that. */
function deathsAt(writes: number, size: number): Death[] {
  return moments.flatMap((moment, index) => sample(writes, size, 0.3 + 0.5 * index).map((nth) => ({ moment, nth })));
}

/** One death for each fault alone, at ever later writes. */
async function alone(): Promise<Case[]> {
  const cases = await Promise.all(
    stepNames.map(async (step, index) => {
      if (!isExhaustive)
        return [{ steps: [step], deaths: [{ moment: moments[index % 2] ?? 'before', nth: 11 + ((3 * index) % 8) }] }];
      const { writes } = await places.play({ steps: [step], deaths: [] });
      return deathsAt(writes, writes).map((death) => ({ steps: [step], deaths: [death] }));
    }),
  );
  return cases.flat();
}

/** The one that took over dies at one of its first writes. */
function twice(writes: number): Case[] {
  return sample(writes, 3, 0.6).map((nth, index) => {
    const [first = 'before', second = 'before'] = index % 2 === 0 ? moments : [...moments].reverse();
    return {
      steps: stepNames,
      deaths: [
        { moment: first, nth },
        { moment: second, nth: 1 + (index % 3) },
      ],
    };
  });
}

const reached = (cluster: TestCluster, run: string, stage: (typeof runStages)[number]) =>
  until(
    () => runStages.indexOf(cluster.run(run)?.status?.stage ?? 'Admitted') >= runStages.indexOf(stage),
    `stage ${stage} of ${run}`,
    20_000,
  );

/** From when on deaths are due: everything is on. */
const onceHeld = (cluster: TestCluster, run: string): Course => ({ from: () => reached(cluster, run, 'Holding') });

/** The writes with which everything is taken back. */
const REVERTING_WRITES = 60;

/** Whether something is written that is not Squall's own; evictions and deletions are meant for one pod, whenever they come. */
const isOuter = ({ method, path }: ProxiedRequest) => method === 'PATCH' && !path.includes('squall.dev');
/** How many of these there are. */
const OUTER_WRITES = 18;
/** And with which the faults are put on. */
const APPLYING_WRITES = 11;

const halted = { reason: 'Halted', after: (cluster: TestCluster) => cluster.resume() };

/** Runs with all faults together. */
function together(deaths: readonly Death[], course?: Case['course'], more: Partial<Case> = {}): Case[] {
  return deaths.map((death) => ({ steps: stepNames, deaths: [death], ...(course && { course }), ...more }));
}

const deleteRun = (cluster: TestCluster, run: string) => cluster.client.delete(experimentRuns, 'default', run);

/** Node n6 goes away, and another one of its name comes that looks like it. */
async function replaceNode({ client, cluster: { store } }: TestCluster): Promise<void> {
  const { metadata, spec, status } = structuredClone(store.get('nodes', undefined, 'n6')) as Json;
  await client.delete(nodes, undefined, 'n6');
  const others = (spec.taints as Json[]).filter(({ value }) => value !== 'ours');
  const taints = others.some(({ key, effect }) => key === 'gpu' && effect === 'NoSchedule')
    ? others
    : [foreignTaints[0], ...others];
  store.create('nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n6', labels: metadata.labels },
    spec: { ...spec, taints },
    status,
  });
}

/** Deaths, and what they have in common, by how many writes all faults together take. */
const groups: [string, (writes: number) => Promise<Case[]> | Case[]][] = [
  ['with one fault', alone],
  ['with all faults together', (writes) => together(deathsAt(writes, 3))],
  ['followed by the one that took over', twice],
  ['while it takes everything back', () => together(deathsAt(REVERTING_WRITES, 2), onceHeld)],
  [
    'and is followed by nobody before its Lease is over',
    (writes) =>
      together(
        sample(writes, 1, 0.4).map((nth) => ({ moment: 'answered', nth })),
        () => ({ patient: true }),
      ),
  ],
  [
    'of which a write arrives when the run is over',
    () => [
      ...together(sample(OUTER_WRITES, 1, 0.8).map((nth) => ({ moment: 'late', nth, of: isOuter }))),
      // Nobody else makes the write then.
      ...together(
        sample(APPLYING_WRITES, 3, 0.5).map((nth) => ({ moment: 'late', nth, of: isOuter })),
        (cluster) => ({ onDeath: () => cluster.halt('a death') }),
        halted,
      ),
    ],
  ],
  [
    'while its run is deleted',
    (writes) => [
      ...together(
        sample(REVERTING_WRITES, 1, 0.5).map((nth) => ({ moment: 'answered', nth })),
        (cluster, run) => ({
          ...onceHeld(cluster, run),
          meanwhile: () => deleteRun(cluster, run),
        }),
      ),
      ...together(
        sample(writes, 1, 0.4).map((nth) => ({ moment: 'before', nth })),
        (cluster, run) => ({
          onDeath: () => deleteRun(cluster, run),
        }),
      ),
    ],
  ],
  [
    'while everything is halted',
    (writes) => [
      ...together(
        sample(REVERTING_WRITES, 1, 0.1).map((nth) => ({ moment: 'before', nth })),
        (cluster, run) => ({
          ...onceHeld(cluster, run),
          meanwhile: () => cluster.halt('a death'),
        }),
        halted,
      ),
      ...together(
        sample(writes, 1, 0.45).map((nth) => ({ moment: 'answered', nth })),
        (cluster) => ({
          onDeath: () => cluster.halt('a death'),
        }),
        halted,
      ),
    ],
  ],
  [
    'while a node is replaced by another one of its name',
    (writes) =>
      together(
        sample(writes, 2, 0.9).map((nth) => ({ moment: 'answered', nth })),
        (cluster) => ({
          onDeath: () => replaceNode(cluster),
        }),
      ),
  ],
];

let bundle: ControllerBundle;
let places: Places;
let outcomes: Map<string, Promise<string[]>>;

beforeAll(async () => {
  bundle = await bundleController();
  places = new Places(await Promise.all(Array.from({ length: LANES }, () => Place.make(bundle))));
  const { writes, seen } = await places.play({ steps: stepNames, deaths: [] });
  expect(seen).toEqual(stepNames);
  const lines = async (cases: readonly Case[]) =>
    (await Promise.all(cases.map((one) => places.play(one)))).map((each) => each.line);
  // Most of the work is waiting, so all of it is begun at once.
  outcomes = new Map(groups.map(([name, casesOf]) => [name, Promise.resolve(casesOf(writes)).then(lines)]));
  for (const outcome of outcomes.values()) outcome.catch(() => {});
}, 120_000);

afterAll(async () => {
  for (const { lane } of places?.all ?? []) await lane.stop();
  bundle?.remove();
});

describe('everything is as before after the death of a controller at any write', () => {
  test.each(groups.map(([name]) => name))(
    '%s',
    async (name) => {
      const lines = (await outcomes.get(name)) ?? [];
      const others = lines.filter((line) => !line.includes('Passed'));
      console.info([`${lines.length} runs, ${lines.length - others.length} passed`, ...others].join('\n'));
      expect(lines.length).toBeGreaterThan(0);
    },
    TIMEOUT,
  );
});
