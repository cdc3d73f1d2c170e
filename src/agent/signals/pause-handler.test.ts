import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { ProcessMatch } from '../../faults/step.js';
import { bundlePauses, type PauseBundles } from '../../testing/pause-guard.js';
import { placeOf } from '../../testing/process-places.js';
import { until } from '../../testing/scripted-server.js';
import type { Handler } from '../handler.js';
import type { Place } from '../place.js';
import { parseStat, readProcFile } from '../proc-files.js';
import { PauseGuard } from './guard.js';
import { type PauseUndo, pauseHandler } from './pause-handler.js';

const children: ChildProcess[] = [];
const guards: PauseGuard[] = [];
const inputs = { exempt: [] };
const all: ProcessMatch = { which: { pattern: '' } };
let bundles: PauseBundles;

// On a busy machine scans of all processes take their time.
jest.setTimeout(30_000);

beforeAll(async () => {
  bundles = await bundlePauses();
});
afterAll(() => bundles.remove());

afterEach(async () => {
  for (const guard of guards.splice(0)) await guard.close();
  for (const child of children.splice(0)) {
    killGroup(child);
    await until(() => child.exitCode !== null || child.signalCode !== null);
  }
});

/** Starts a script in a process group of its own; ready when it has printed something, and each `sleep` in it is one. */
async function start(script: string, sleeps = script.match(/sleep/g)?.length): Promise<number> {
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  children.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdout.resume();
  const place = placeOf(() => [child.pid ?? 0]);
  await until(async () => (await place.processes()).filter(({ name }) => name === 'sleep').length === sleeps);
  return child.pid ?? 0;
}

function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-(pid ?? 0), 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

function newGuard(patience?: number): PauseGuard {
  const guard = new PauseGuard({ program: bundles.guard, warn: () => {}, ...(patience && { patience }) });
  guards.push(guard);
  return guard;
}

function stateOf(pid: number): string {
  const text = readProcFile(`/proc/${pid}/stat`);
  return text ? parseStat(text).state : '';
}

async function statesIn(place: Place): Promise<string> {
  const states = (await place.processes()).map(({ pid }) => stateOf(pid));
  return [...new Set(states)].sort().join('');
}

/** Everything of it is running or waiting. */
const isRunning = async (place: Place) => /^[RSD]+$/.test(await statesIn(place));

async function pause(handler: Handler<never, PauseUndo>, place: Place, id = 'aaaaaaaa', processes = all) {
  const undo = await handler.prepare({ do: 'pause', processes } as never, place, id, inputs);
  await handler.apply(undo, place, inputs);
  return undo;
}

const asRead = (undo: PauseUndo): PauseUndo => JSON.parse(JSON.stringify(undo));

test('pauses all processes of a container, and lets them go on', async () => {
  const pid = await start('sleep 300 & sleep 300 & echo ready; wait');
  const place = placeOf(() => [pid]);
  const handler = pauseHandler(newGuard());
  const undo = await pause(handler, place);
  expect(await statesIn(place)).toBe('T');
  expect(await handler.hold(undo, place, inputs)).toEqual({ evidence: { processes: 3 }, effective: true });
  expect(await handler.revert(undo, place)).toEqual({ processes: 3 });
  await until(() => isRunning(place));
  // A second time is as once.
  expect(await handler.revert(undo, place)).toEqual({ processes: 0 });
});

test('nothing is touched before the undo record is written', async () => {
  const pid = await start('echo ready; exec sleep 300');
  const place = placeOf(() => [pid]);
  await pauseHandler(newGuard()).prepare({ do: 'pause', processes: all }, place, 'aaaaaaaa', inputs);
  expect(await isRunning(place)).toBe(true);
});

test('only what matches is paused', async () => {
  const pid = await start('sleep 301 & sleep 302 & echo ready; wait');
  const place = placeOf(() => [pid]);
  const handler = pauseHandler(newGuard());
  const undo = await pause(handler, place, 'aaaaaaaa', { which: { pattern: '^sleep 302$' } });
  const states = Object.fromEntries(
    (await place.processes()).map((one) => [one.commandLine.slice(0, 9), stateOf(one.pid)]),
  );
  expect(states).toEqual({ 'sh -c sle': 'S', 'sleep 301': 'S', 'sleep 302': 'T' });
  await handler.revert(undo, place);
  await until(() => isRunning(place));
});

describe('what was stopped before', () => {
  test('stays stopped', async () => {
    const pid = await start('sleep 301 & sleep 302 & echo ready; wait');
    const place = placeOf(() => [pid]);
    const stopped = (await place.processes()).find(({ commandLine }) => commandLine === 'sleep 301')?.pid ?? 0;
    process.kill(stopped, 'SIGSTOP');
    await until(() => stateOf(stopped) === 'T');
    const handler = pauseHandler(newGuard());
    const undo = await pause(handler, place);
    expect(await handler.hold(undo, place, inputs)).toEqual({ evidence: { processes: 2 }, effective: true });
    await handler.revert(undo, place);
    expect(stateOf(stopped)).toBe('T');
    expect(stateOf(pid)).not.toBe('T');
  });

  test('is a drift when it runs again, and is recorded anew then', async () => {
    const pid = await start('sleep 301 & sleep 302 & echo ready; wait');
    const place = placeOf(() => [pid]);
    const stopped = (await place.processes()).find(({ commandLine }) => commandLine === 'sleep 301')?.pid ?? 0;
    process.kill(stopped, 'SIGSTOP');
    await until(() => stateOf(stopped) === 'T');
    const handler = pauseHandler(newGuard());
    const undo = await pause(handler, place);
    process.kill(stopped, 'SIGCONT');
    await until(() => stateOf(stopped) !== 'T');
    expect((await handler.hold(undo, place, inputs)).drift).toBe('1 of the processes run: sleep');
    await expect(handler.apply(undo, place, inputs)).rejects.toThrow('other processes are to be paused than before');
    await handler.revert(undo, place);
    const anew = await pause(handler, place);
    expect(await handler.hold(anew, place, inputs)).toEqual({ evidence: { processes: 3 }, effective: true });
  });

  test('is refused when it is all there is', async () => {
    const pid = await start('echo ready; exec sleep 300');
    const place = placeOf(() => [pid]);
    process.kill(pid, 'SIGSTOP');
    await until(() => stateOf(pid) === 'T');
    await expect(pause(pauseHandler(newGuard()), place)).rejects.toThrow(
      'stopped already, though not by Squall: sleep',
    );
  });

  test('is refused when another fault of ours stopped it', async () => {
    const pid = await start('echo ready; exec sleep 300');
    const place = placeOf(() => [pid]);
    const handler = pauseHandler(newGuard());
    await pause(handler, place);
    await expect(pause(handler, place, 'bbbbbbbb')).rejects.toThrow('another fault keeps some of the processes paused');
  });
});

describe('drift', () => {
  test('a process that someone let go on is noticed, and stopped again', async () => {
    const pid = await start('sleep 300 & echo ready; wait');
    const place = placeOf(() => [pid]);
    const handler = pauseHandler(newGuard());
    const undo = await pause(handler, place);
    process.kill(pid, 'SIGCONT');
    await until(() => stateOf(pid) !== 'T');
    expect(await handler.hold(undo, place, inputs)).toEqual({
      drift: '1 of the processes run: sh',
      evidence: { processes: 1 },
      effective: false,
    });
    await handler.apply(undo, place, inputs);
    expect(await handler.hold(undo, place, inputs)).toEqual({ evidence: { processes: 2 }, effective: true });
  });

  test('a container that was started anew is noticed, paused by the same record, and goes on with it', async () => {
    const first = await start('echo ready; exec sleep 300');
    let pid = first;
    const place = placeOf(() => [pid]);
    const handler = pauseHandler(newGuard());
    const undo = await pause(handler, place);
    process.kill(first, 'SIGKILL');
    await until(async () => (await place.processes()).length === 0);
    expect(await handler.hold(undo, place, inputs)).toEqual({ evidence: { processes: 0 }, effective: false });
    pid = await start('echo ready; exec sleep 300');
    expect((await handler.hold(undo, place, inputs)).drift).toBe('1 of the processes run: sleep');
    await handler.apply(undo, place, inputs);
    expect(stateOf(pid)).toBe('T');
    await handler.revert(asRead(undo), place);
    await until(() => stateOf(pid) === 'S');
  });
});

test('processes that start others while they are stopped are all stopped, and go on', async () => {
  const pid = await start('for i in 1 2 3 4; do while :; do sleep 0.02 & wait; done & done; echo ready; wait', 4);
  const place = placeOf(() => [pid]);
  const handler = pauseHandler(newGuard());
  const undo = await pause(handler, place);
  expect(await statesIn(place)).toBe('T');
  const paused = (await handler.hold(undo, place, inputs)).evidence.processes;
  expect(paused).toBeGreaterThanOrEqual(5);
  // Also by an agent that only has the record, in which those that came later are not.
  await handler.revert(asRead(undo), place);
  await until(() => isRunning(place));
});

test('a process with the same number and another start time is neither stopped nor let go on', async () => {
  const pid = await start('echo ready; exec sleep 300');
  const place = placeOf(() => [pid]);
  const handler = pauseHandler(newGuard());
  const undo = await handler.prepare({ do: 'pause', processes: all }, place, 'aaaaaaaa', inputs);
  const processes = undo.processes.map((one) => ({ ...one, startTime: String(Number(one.startTime) - 1) }));
  const reused = { ...undo, processes, since: undo.since + 1_000_000 };
  await expect(handler.apply(reused, place, inputs)).rejects.toThrow('other processes are to be paused than before');
  expect(await isRunning(place)).toBe(true);
  process.kill(pid, 'SIGSTOP');
  await until(() => stateOf(pid) === 'T');
  await handler.revert(reused, place);
  expect(stateOf(pid)).toBe('T');
});

describe('the guard', () => {
  test('is one for all pauses, and ends after the last', async () => {
    const [first, second] = [await start('echo ready; exec sleep 300'), await start('echo ready; exec sleep 300')];
    const [here, there] = [placeOf(() => [first]), placeOf(() => [second])];
    const guard = newGuard();
    const handler = pauseHandler(guard);
    expect(await guard.pid()).toBeUndefined();
    const undos = await Promise.all([pause(handler, here), pause(handler, there, 'bbbbbbbb')]);
    const pid = (await guard.pid()) ?? 0;
    expect(pid).toBeGreaterThan(0);
    await handler.revert(undos[0], here);
    expect(await guard.pid()).toBe(pid);
    expect(stateOf(second)).toBe('T');
    await handler.revert(undos[1], there);
    expect(await guard.pid()).toBeUndefined();
    await until(() => stateOf(pid) === '');
  });

  test('is started anew when it was killed, and knows all pauses', async () => {
    const pids = [await start('echo ready; exec sleep 300'), await start('echo ready; exec sleep 300')];
    const guard = newGuard();
    const handler = pauseHandler(guard);
    const places = pids.map((pid) => placeOf(() => [pid]));
    const [first] = await Promise.all(places.map((place, index) => pause(handler, place, `0000000${index}`)));
    const pid = (await guard.pid()) ?? 0;
    process.kill(pid, 'SIGKILL');
    await until(() => stateOf(pid) === '');
    expect(await handler.hold(first as PauseUndo, places[0] as Place, inputs)).toEqual({
      evidence: { processes: 1 },
      effective: true,
    });
    expect(await guard.pid()).not.toBe(pid);
    expect(pids.map(stateOf)).toEqual(['T', 'T']);
    await guard.close();
    await until(() => pids.every((one) => stateOf(one) === 'S'));
  });

  test('lets everything go on when the agent is killed', async () => {
    const pid = await start('sleep 300 & echo ready; wait');
    const agent = spawn(process.execPath, [bundles.agent, bundles.guard, String(pid)], {
      stdio: ['ignore', 'pipe', 2],
    });
    children.push(agent);
    const [line] = (await new Promise((resolve) => agent.stdout?.once('data', resolve)).then(String)).split('\n');
    const guard = JSON.parse(line ?? '').guard as number;
    const place = placeOf(() => [pid]);
    expect(await statesIn(place)).toBe('T');
    agent.kill('SIGKILL');
    await until(() => isRunning(place), 'that the processes go on', 30_000);
    await until(() => stateOf(guard) === '', 'the end of the guard');
  });

  test('lets go on what nothing was heard of for a while, such as when the agent hangs', async () => {
    const pids = [await start('echo ready; exec sleep 300'), await start('echo ready; exec sleep 300')];
    const [here, there] = pids.map((pid) => placeOf(() => [pid])) as [Place, Place];
    const handler = pauseHandler(newGuard(1_500));
    const undo = await pause(handler, here);
    await pause(handler, there, 'bbbbbbbb');
    await until(async () => {
      await handler.hold(undo, here, inputs);
      return isRunning(there);
    });
    expect(await statesIn(here)).toBe('T');
  });

  test('without one nothing is stopped', async () => {
    const pid = await start('echo ready; exec sleep 300');
    const place = placeOf(() => [pid]);
    const guard = new PauseGuard({ program: '/nowhere/guard.mjs', warn: () => {} });
    await expect(pause(pauseHandler(guard), place)).rejects.toThrow("the agent died can't be started: it ended with 1");
    expect(stateOf(pid)).toBe('S');
  });
});
