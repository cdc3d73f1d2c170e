import { accident, accidents } from './accidents.js';
import { agentDies, type Boundaries, betweenIntentAndEffect, rehearse, sampleOf } from './agent-deaths.js';
import { controllerDies } from './controller-deaths.js';
import { type CrashFault, crashFaults } from './faults.js';
import { agentIsGone, agentIsGoneWhileOn, bothAreGone, controllerIsGone } from './gone-for-ever.js';
import {
  apiServerIsAway,
  controllerClockSteps,
  diskFillsUp,
  diskIsFull,
  podIsGone,
  podIsReplaced,
  SmallDisk,
} from './losses.js';
import { between, inLanes, randomFrom } from './random.js';
import type { SceneResult } from './scene.js';
import { Site, type SuiteFacts } from './site.js';
import type { Station } from './station.js';

/** What all groups of scenes share. */
export interface SuiteContext {
  facts: SuiteFacts;
  station: Station;
  seed: number;
  /** Every boundary rather than a sample. */
  isExhaustive: boolean;
}

/** The seed that is the same in every run of the suite. */
const FIXED_SEED = 5_351;
const RUN_MILLISECONDS = 7_000;

/** How many scenes are played at once where each is short. */
const LANES = 7;

const lasting = crashFaults.filter(({ oneShot }) => !oneShot);

/** The faults with these names. */
function faultsOf(...names: readonly string[]): CrashFault[] {
  return crashFaults.filter(({ name }) => names.includes(name));
}

/** Agents that are killed at boundaries and at random times, and started again at once. */
export async function agentDeaths({ facts, station, seed, isExhaustive }: SuiteContext): Promise<SceneResult[]> {
  return atSite('agents', LANES, facts, async (site, nodes) => {
    const rehearsed = await rehearseAll(site, station, nodes, crashFaults);
    const [fixed, random] = [randomFrom(FIXED_SEED), randomFrom(seed)];
    const tasks = rehearsed.flatMap(({ fault, boundaries }) => {
      const chosen = isExhaustive
        ? boundaries.map((_, index) => index + 1)
        : [...sampleOf(boundaries, fixed), between(random, 1, boundaries.length)];
      const times = Array.from({ length: isExhaustive ? 10 : 1 }, () => between(random, 0, RUN_MILLISECONDS));
      const deaths = [...chosen.map((nth) => ({ nth })), ...times.map((afterMilliseconds) => ({ afterMilliseconds }))];
      return deaths.map((death) => (node: string) => agentDies(site, station, node, fault, death));
    });
    return [...rehearsed.map(({ result }) => result), ...(await inLanes(nodes, tasks))];
  });
}

/** Agents that never come back: from the middle of an apply, and while faults are on. */
export async function agentsGone({ facts, station, seed, isExhaustive }: SuiteContext): Promise<SceneResult[]> {
  const random = randomFrom(seed);
  const nodes = isExhaustive ? 16 : lasting.length + 1;
  return atSite('agents-gone', nodes, facts, async (site, [first = '', ...others]) => {
    const whileOn = agentIsGoneWhileOn(site, station, first, lasting);
    const rehearsed = await rehearseAll(site, station, others, lasting);
    const deaths = rehearsed.flatMap(({ fault, boundaries }) => {
      const every = betweenIntentAndEffect(boundaries);
      const chosen = isExhaustive ? every : every.slice(between(random, 0, every.length - 1)).slice(0, 1);
      return chosen.map((nth) => (node: string) => agentIsGone(site, station, node, fault, nth));
    });
    const results = await inLanes(others, deaths);
    return [...rehearsed.map(({ result }) => result), ...(await whileOn), ...results];
  });
}

async function rehearseAll(site: Site, station: Station, nodes: readonly string[], faults: readonly CrashFault[]) {
  const tasks = faults.map((fault) => async (node: string) => ({
    fault,
    ...(await rehearse(site, station, node, fault)),
  }));
  return inLanes(nodes, tasks);
}

/** A controller that never comes back, and one that leaves together with the agent. */
export async function controllersGone({ facts, station }: SuiteContext): Promise<SceneResult[]> {
  const results = await Promise.all([
    atSite('controller-gone', 1, facts, (site) => controllerIsGone(site, station, 'n1', lasting)),
    atSite('both-gone', 1, facts, (site) => bothAreGone(site, station, 'n1', lasting)),
  ]);
  return results.flat();
}

/** Controllers that are killed while all faults go through a run, and started again at once. */
export async function controllerDeaths({ facts, station, seed, isExhaustive }: SuiteContext): Promise<SceneResult[]> {
  const [fixed, random] = [randomFrom(FIXED_SEED), randomFrom(seed)];
  const lanes = isExhaustive ? 4 : 2;
  const sites = Array.from({ length: lanes }, (_, index) => `controllers-${index + 1}`);
  let share = (_boundaries: Boundaries) => {};
  const shared = new Promise<Boundaries>((resolve) => {
    share = resolve;
  });
  const results = await Promise.all(
    sites.map((name, lane) =>
      atSite(name, 1, facts, async (site) => {
        const first = lane === 0 ? await controllerDies(site, station, crashFaults) : { results: [], boundaries: [] };
        if (lane === 0) share(first.boundaries);
        const { length } = await shared;
        const every = Array.from({ length }, (_, index) => index + 1).filter((nth) => nth % lanes === lane);
        const sample = [between(fixed, 1, length), between(random, 1, length)];
        const deaths = [
          ...(isExhaustive ? every : sample).map((nth) => ({ nth })),
          { afterMilliseconds: between(random, 0, RUN_MILLISECONDS) },
        ];
        const all = [...first.results];
        for (const death of deaths) all.push(...(await controllerDies(site, station, crashFaults, death)).results);
        return all;
      }),
    ),
  );
  return results.flat();
}

/** Everything else that goes wrong on a node. */
export async function nodeAccidents({ facts, station }: SuiteContext): Promise<SceneResult[]> {
  const disks: SmallDisk[] = [];
  const prepare = (site: Site) => disks.push(new SmallDisk(site.stateOf('n1')));
  const play = async (site: Site, [small = '', ...nodes]: string[]) => {
    const [disk] = disks;
    if (!disk) throw new Error('there is no small disk');
    const tasks = [
      ...accidents.flatMap((spec) =>
        faultsOf(...spec.faults).map((fault) => (node: string) => accident(site, station, node, fault, spec)),
      ),
      ...faultsOf('loss egress', 'delay by proxy', 'process pause').flatMap((fault) => [
        (node: string) => podIsReplaced(site, station, node, fault, false),
        (node: string) => podIsReplaced(site, station, node, fault, true),
        (node: string) => podIsGone(site, station, node, fault),
      ]),
    ];
    const onSmall = faultsOf('loss egress', 'process pause').flatMap((fault) => [
      () => diskIsFull(site, station, small, fault, disk),
      () => diskFillsUp(site, station, small, fault, disk),
    ]);
    return [...(await inLanes(nodes, tasks)), ...(await inLanes([small], onSmall))];
  };
  try {
    return await atSite('accidents', LANES, facts, play, prepare);
  } finally {
    for (const disk of disks) disk.remove();
  }
}

/** What happens to all that share an API server or a controller. */
export async function clusterAccidents({ facts, station }: SuiteContext): Promise<SceneResult[]> {
  const faults = faultsOf('loss egress', 'delay by proxy', 'process pause');
  const results = await Promise.all([
    ...[12_000, 45_000].map((milliseconds) =>
      atSite(`api-${milliseconds}`, 1, facts, (site) => apiServerIsAway(site, station, 'n1', faults, milliseconds)),
    ),
    ...[1, -1].map((hours) =>
      atSite(`clock-${hours}`, 1, facts, (site) => controllerClockSteps(site, station, 'n1', faults, hours)),
    ),
  ]);
  return results.flat();
}

let opening: Promise<unknown> = Promise.resolve();

/** Starting a cluster takes all there is of a small machine for a moment: one after the other. */
function oneByOne<T>(work: () => Promise<T>): Promise<T> {
  const mine = opening.then(work);
  opening = mine.catch(() => {});
  return mine;
}

/** Plays scenes in a cluster of their own, with a controller, and an agent on each node. */
async function atSite<Result>(
  name: string,
  nodes: number,
  facts: SuiteFacts,
  play: (site: Site, nodes: string[]) => Promise<Result>,
  prepare: (site: Site) => void = () => {},
): Promise<Result> {
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  const site = await oneByOne(async () => {
    const opened = await Site.open(name, nodes, facts);
    prepare(opened);
    await Promise.all([opened.startController(), ...names.map((node) => opened.startAgent(node))]);
    return opened;
  });
  try {
    return await play(site, names);
  } finally {
    await site.stop();
  }
}
