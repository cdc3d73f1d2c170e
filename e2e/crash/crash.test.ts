import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Bundled, bundled } from '../../src/testing/bundled.js';
import { eventually } from '../processes.js';
import { MARK } from './doomed-process.js';
import {
  agentDeaths,
  agentsGone,
  clusterAccidents,
  controllerDeaths,
  controllersGone,
  nodeAccidents,
  type SuiteContext,
} from './groups.js';
import { matrixOf } from './matrix.js';
import type { SceneResult } from './scene.js';
import { processesWith } from './spaces.js';
import { Station } from './station.js';

const { SQUALL_CRASH_SEED, SQUALL_CRASH = 'sample', SQUALL_CRASH_REPORT, SQUALL_CRASH_ONLY } = process.env;
const isExhaustive = SQUALL_CRASH === 'exhaustive';
const WITHIN_MILLISECONDS = isExhaustive ? 7_200_000 : 600_000;

const allGroups = { agentDeaths, agentsGone, controllerDeaths, controllersGone, nodeAccidents, clusterAccidents };

const seed = Number(SQUALL_CRASH_SEED ?? Math.floor(Math.random() * 1e6));
const mark = `suite-${process.pid}-${Date.now()}`;
const folder = mkdtempSync(join(tmpdir(), 'squall-crash-'));
const results: SceneResult[] = [];
let station: Station;
let preload: Bundled;
let groups: Record<string, Promise<SceneResult[]>>;

beforeAll(async () => {
  preload = await bundled('doomed.ts');
  station = await Station.open();
  const context: SuiteContext = { facts: { preload: preload.file, mark, folder }, station, seed, isExhaustive };
  const isWanted = (name: string) => SQUALL_CRASH_ONLY === undefined || SQUALL_CRASH_ONLY.split(',').includes(name);
  // Nearly all of it is waiting, so all of it waits at the same time.
  const begin = (name: keyof typeof allGroups) => (isWanted(name) ? play(name, context) : Promise.resolve([]));
  const after = (before: Promise<unknown>, name: keyof typeof allGroups) =>
    before.then(
      () => begin(name),
      () => begin(name),
    );
  const agents = begin('agentDeaths');
  const gone = begin('agentsGone');
  groups = {
    agentDeaths: agents,
    agentsGone: gone,
    controllersGone: begin('controllersGone'),
    clusterAccidents: begin('clusterAccidents'),
    nodeAccidents: after(agents, 'nodeAccidents'),
    controllerDeaths: after(gone, 'controllerDeaths'),
  };
  for (const group of Object.values(groups)) group.catch(() => {});
}, 60_000);

afterAll(async () => {
  await Promise.allSettled(Object.values(groups ?? {}));
  station?.close();
  preload?.remove();
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`\nCrash suite, seed ${seed} (SQUALL_CRASH_SEED):\n${matrixOf(results)}\n`);
  if (SQUALL_CRASH_REPORT) writeFileSync(SQUALL_CRASH_REPORT, JSON.stringify(results, undefined, 1));
}, WITHIN_MILLISECONDS);

/** What a machine that is busy with all these scenes may do to one: a run that ends before anything was seen of its fault. */
const isOfTime = (problem: string) => /^it ended with |never took effect/.test(problem);

/**
 * Plays a group, and all of it once more when nothing but time went against a scene; that is printed. Whatever is left
 * behind, or said and not so, is never played again.
 */
async function play(name: keyof typeof allGroups, context: SuiteContext): Promise<SceneResult[]> {
  const played = await allGroups[name](context);
  const problems = played.flatMap((each) => each.problems);
  if (isExhaustive || problems.length === 0 || !problems.every(isOfTime)) return played;
  process.stdout.write(`\nCrash suite plays ${name} again: ${problems.join('\n')}\n`);
  return allGroups[name](context);
}

async function holds(group: keyof typeof allGroups): Promise<void> {
  const found = (await groups[group]) ?? [];
  results.push(...found);
  const wrong = found.filter(({ problems }) => problems.length > 0);
  const told = wrong.map(
    ({ victim, fault, what, problems }) => `${victim}, ${fault}, ${what}:\n${problems.join('\n')}`,
  );
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${found.length} cases:\n\n${told.join('\n\n')}`);
  expect(found.length > 0 || SQUALL_CRASH_ONLY !== undefined).toBe(true);
}

describe('nothing is left, and the verdict is true', () => {
  test('when the agent dies at any step and comes back', () => holds('agentDeaths'), WITHIN_MILLISECONDS);
  test('when the agent dies and never comes back', () => holds('agentsGone'), WITHIN_MILLISECONDS);
  test('when the controller dies at any step and comes back', () => holds('controllerDeaths'), WITHIN_MILLISECONDS);
  test(
    'when the controller never comes back, with or without the agent',
    () => holds('controllersGone'),
    WITHIN_MILLISECONDS,
  );
  test('when a target, the node or somebody else does something', () => holds('nodeAccidents'), WITHIN_MILLISECONDS);
  test('when the API server is away or clocks are stepped', () => holds('clusterAccidents'), WITHIN_MILLISECONDS);

  test(
    'on the machine either',
    async () => {
      await Promise.allSettled(Object.values(groups));
      await eventually(
        () => processesWith('', `${MARK}=${mark}`).length === 0,
        () => `processes are left: ${execFileSync('ps', ['-f', ...processesWith('', `${MARK}=${mark}`).map(String)])}`,
      );
    },
    WITHIN_MILLISECONDS,
  );
});
