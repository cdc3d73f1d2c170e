import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ProcessMatch, Signal } from '../../faults/step.js';
import { placeOf } from '../../testing/process-places.js';
import { until } from '../../testing/scripted-server.js';
import { TargetGoneError } from '../handler.js';
import { ProcessTable } from './process-table.js';
import { type SignalUndo, signalHandler } from './signal-handler.js';

const children: ChildProcess[] = [];
const inputs = { exempt: [] };
const table = new ProcessTable();

/** Starts a script whose processes count as one container; ready when it has printed something. */
async function start(script: string): Promise<ChildProcess & { text(): string }> {
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  let text = '';
  child.stdout.on('data', (part) => {
    text += part;
  });
  await until(() => text !== '', 'the start of the script');
  return Object.assign(child, { text: () => text });
}

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await until(() => child.exitCode !== null || child.signalCode !== null);
  }
});

const step = (signal: string, which: ProcessMatch['which'] = 'Main'): Signal => ({
  do: 'signal',
  signal,
  processes: { which },
});

const isOver = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;
const asRead = (undo: SignalUndo): SignalUndo => JSON.parse(JSON.stringify(undo));

test('SIGKILL ends the first process, and only that one', async () => {
  const child = await start('sleep 300 & echo $!; wait');
  const pid = Number(child.text());
  const place = placeOf(() => [child.pid ?? 0]);
  const handler = signalHandler();
  const undo = await handler.prepare(step('SIGKILL'), place, 'a', inputs);
  expect(undo.processes).toHaveLength(1);
  await handler.apply(undo, place, inputs);
  expect(await handler.hold(undo, place, inputs)).toEqual({ evidence: { processes: 1 }, effective: true });
  expect(() => process.kill(pid, 'SIGKILL')).not.toThrow();
  expect(await handler.revert(undo, place)).toEqual({ processes: 1 });
});

test('a pattern picks processes by their command line', async () => {
  const child = await start('sleep 301 & sleep 302 & echo ready; wait %1; echo first; wait');
  const place = placeOf(() => [child.pid ?? 0]);
  const handler = signalHandler();
  const undo = await handler.prepare(step('SIGKILL', { pattern: '^sleep 301$' }), place, 'a', inputs);
  await handler.apply(undo, place, inputs);
  await until(() => child.text().includes('first'));
  const left = (await place.processes()).map(({ commandLine }) => commandLine);
  expect(left).toContain('sleep 302');
  expect(left).not.toContain('sleep 301');
  await handler.apply(await handler.prepare(step('SIGKILL', { pattern: 'sleep' }), place, 'b', inputs), place, inputs);
});

test('SIGTERM is effective once the process has ended', async () => {
  const child = await start("trap 'sleep 0.3; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
  const place = placeOf(() => [child.pid ?? 0]);
  const handler = signalHandler();
  const undo = await handler.prepare(step('SIGTERM'), place, 'a', inputs);
  await handler.apply(undo, place, inputs);
  expect(await handler.hold(undo, place, inputs)).toEqual({ evidence: { processes: 1 }, effective: true });
  await until(() => child.exitCode === 0);
});

test('SIGTERM that the process survives is delivered and not effective', async () => {
  const child = await start("trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done");
  const place = placeOf(() => [child.pid ?? 0]);
  const handler = signalHandler({ patience: 300 });
  const undo = await handler.prepare(step('SIGTERM'), place, 'a', inputs);
  await handler.apply(undo, place, inputs);
  expect(await handler.hold(undo, place, inputs)).toEqual({ evidence: { processes: 1 }, effective: false });
  await until(() => child.text().includes('no'));
});

test('SIGHUP is effective once it was delivered', async () => {
  const child = await start("trap 'echo reloaded' HUP; echo ready; while :; do sleep 0.05; done");
  const place = placeOf(() => [child.pid ?? 0]);
  const handler = signalHandler();
  const undo = await handler.prepare(step('SIGHUP'), place, 'a', inputs);
  await handler.apply(undo, place, inputs);
  expect(await handler.hold(undo, place, inputs)).toEqual({ evidence: { processes: 1 }, effective: true });
  await until(() => child.text().includes('reloaded'));
});

test('a signal that the process ignores is refused', async () => {
  const child = await start("trap '' HUP; echo ready; while :; do sleep 0.05; done");
  const prepared = signalHandler().prepare(
    step('SIGHUP'),
    placeOf(() => [child.pid ?? 0]),
    'a',
    inputs,
  );
  await expect(prepared).rejects.toThrow(
    /^SIGHUP would do nothing: process \d+ of container 'app' \(sh\) ignores it; /,
  );
});

test('a pod without any process is gone', async () => {
  await expect(
    signalHandler().prepare(
      step('SIGKILL'),
      placeOf(() => []),
      'a',
      inputs,
    ),
  ).rejects.toThrow(TargetGoneError);
});

describe('after a crash of the agent', () => {
  test('SIGKILL is sent to a process that has not got it', async () => {
    const child = await start('echo ready; exec sleep 300');
    const place = placeOf(() => [child.pid ?? 0]);
    const undo = asRead(await signalHandler().prepare(step('SIGKILL'), place, 'a', inputs));
    const next = signalHandler();
    await next.apply(undo, place, inputs);
    expect(await next.hold(undo, place, inputs)).toEqual({ evidence: { processes: 1 }, effective: true });
    await until(() => isOver(child));
  });

  test('SIGKILL does not reach the process that came after the one it was meant for', async () => {
    const child = await start('echo ready; exec sleep 300');
    const place = placeOf(() => [child.pid ?? 0]);
    const undo = asRead(await signalHandler().prepare(step('SIGKILL'), place, 'a', inputs));
    child.kill('SIGKILL');
    await until(() => isOver(child));
    const restarted = await start('echo ready; exec sleep 300');
    const next = signalHandler();
    const there = placeOf(() => [restarted.pid ?? 0]);
    await next.apply(undo, there, inputs);
    expect(await next.hold(undo, there, inputs)).toEqual({ evidence: { processes: 1 }, effective: true });
    expect(isOver(restarted)).toBe(false);
  });

  test('another signal is not sent a second time, and nothing claims that it was', async () => {
    const child = await start("trap 'echo reloaded' HUP; echo ready; while :; do sleep 0.05; done");
    const place = placeOf(() => [child.pid ?? 0]);
    const handler = signalHandler();
    const undo = await handler.prepare(step('SIGHUP'), place, 'a', inputs);
    await handler.apply(undo, place, inputs);
    await until(() => child.text().includes('reloaded'));
    await handler.apply(undo, place, inputs);
    const next = signalHandler();
    await next.apply(asRead(undo), place, inputs);
    expect(await next.hold(asRead(undo), place, inputs)).toEqual({ evidence: {}, effective: false });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(child.text()).toBe('ready\nreloaded\n');
  });
});

test('a process with the same number and another start time is never signalled', async () => {
  const child = await start('echo ready; exec sleep 300');
  const place = placeOf(() => [child.pid ?? 0]);
  const handler = signalHandler();
  const undo = await handler.prepare(step('SIGKILL'), place, 'a', inputs);
  const [known] = undo.processes as [SignalUndo['processes'][0]];
  const reused = { ...undo, processes: [{ ...known, startTime: String(Number(known.startTime) - 1) }] };
  await handler.apply(reused, place, inputs);
  expect(readFileSync(`/proc/${child.pid}/stat`, 'utf8')).toContain(') S ');
  expect(table.look(known)).toBeDefined();
  expect(table.send(reused.processes[0] as typeof known, 'SIGKILL')).toBe(false);
  expect(isOver(child)).toBe(false);
});

test('processes that ended before they were signalled do not count as hit', async () => {
  const child = await start('echo ready; exec sleep 300');
  const place = placeOf(() => [child.pid ?? 0]);
  const handler = signalHandler();
  const undo = await handler.prepare(step('SIGKILL'), place, 'a', inputs);
  child.kill('SIGKILL');
  await until(() => isOver(child));
  await expect(handler.apply(undo, place, inputs)).rejects.toThrow('ended by themselves');
});
