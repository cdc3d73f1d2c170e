import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { ProcessMatch } from '../../faults/step.js';
import { bundlePauses, type PauseBundles } from '../../testing/pause-guard.js';
import { PodProcesses } from '../../testing/pod-processes.js';
import { placeOf } from '../../testing/process-places.js';
import { until } from '../../testing/scripted-server.js';
import type { Place } from '../place.js';
import { parseStat, readProcFile } from '../proc-files.js';
import { Processes } from '../processes.js';
import { PauseGuard } from './guard.js';
import { pauseHandler } from './pause-handler.js';
import { signalHandler } from './signal-handler.js';

const uid = '0f4f9e0a-6f0e-4d54-9f6a-5b0f5e0c1a01';
const inputs = { exempt: [] };
const all: ProcessMatch = { which: { pattern: '' } };

/** What a runtime starts a container's first process by: number 1 of a PID namespace, in the pod's network. */
const inContainer = (...command: string[]) => ['unshare', '--net', '--pid', '--fork', '--kill-child', ...command];

// On a busy machine scans of all processes take their time.
jest.setTimeout(30_000);

let bundles: PauseBundles;
let pods: PodProcesses;
let guard: PauseGuard;

beforeAll(async () => {
  bundles = await bundlePauses();
});
afterAll(() => bundles.remove());
beforeEach(() => {
  pods = new PodProcesses();
  guard = new PauseGuard({ program: bundles.guard, warn: () => {} });
});
afterEach(async () => {
  await guard.close();
  await pods.close();
});

function stateOf(pid: number): string {
  const text = readProcFile(`/proc/${pid}/stat`);
  return text ? parseStat(text).state : '';
}

/** A pod as it is found on a node, in which a folder `app…` is a container `app`, and so on; `sandbox` is the sandbox. */
function podPlace(): Place {
  const processes = new Processes('/proc');
  return {
    ...placeOf(() => []),
    processes: async () =>
      Promise.all(
        (await processes.of(uid)).map(async ({ pid, startTime, innerPid, name, container }) => ({
          pid,
          startTime,
          innerPid,
          name,
          commandLine: await processes.commandLine(pid),
          container: container === 'sandbox' ? undefined : container.replace(/-.*/, ''),
          ephemeral: false,
        })),
      ),
  };
}

/** Starts a container, in whose cgroup also the program is that made its PID namespace; the PID of its first process. */
async function startContainer(folder: string, ...command: string[]): Promise<number> {
  await pods.start(`kubepods/pod${uid}/${folder}`, inContainer(...command), 'unshare');
  let first: number | undefined;
  await until(async () => {
    const found = (await new Processes('/proc').of(uid)).find(
      (one) => one.container === folder && one.innerPid === 1 && one.name !== 'unshare',
    );
    first = found?.pid;
    return first !== undefined;
  }, `the first process of ${folder}`);
  return first ?? 0;
}

describe('the first process of a container', () => {
  const step = (signal: string) => ({ do: 'signal' as const, signal, processes: { which: 'Main' as const } });

  test('gets SIGKILL from outside of its PID namespace', async () => {
    const pid = await startContainer('app-1', 'sleep', '300');
    const handler = signalHandler();
    const undo = await handler.prepare(step('SIGKILL'), podPlace(), 'a', inputs);
    expect(undo.processes.map((one) => one.pid)).toEqual([pid]);
    await handler.apply(undo, podPlace(), inputs);
    expect(await handler.hold(undo, podPlace(), inputs)).toEqual({ evidence: { processes: 1 }, effective: true });
  });

  test('is refused another signal that it has no handler for, since the kernel would drop that', async () => {
    const pid = await startContainer('app-1', 'sleep', '300');
    await expect(signalHandler().prepare(step('SIGTERM'), podPlace(), 'a', inputs)).rejects.toThrow(
      "SIGTERM would do nothing: process 1 of container 'app' (sleep) has no handler for it, and to the first process",
    );
    // It is as the message says.
    process.kill(pid, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(stateOf(pid)).toBe('S');
  });

  test('gets another signal when it has a handler', async () => {
    await startContainer('app-1', 'sh', '-c', "trap 'exit 0' TERM; while :; do sleep 0.05; done");
    const handler = signalHandler();
    await until(() =>
      handler.prepare(step('SIGTERM'), podPlace(), 'a', inputs).then(
        () => true,
        () => false,
      ),
    );
    const undo = await handler.prepare(step('SIGTERM'), podPlace(), 'a', inputs);
    await handler.apply(undo, podPlace(), inputs);
    expect(await handler.hold(undo, podPlace(), inputs)).toEqual({ evidence: { processes: 1 }, effective: true });
  });

  test('of the sandbox is never signalled', async () => {
    const sandbox = await startContainer('sandbox', 'sleep', '300');
    const app = await startContainer('app-1', 'sleep', '300');
    const undo = await signalHandler().prepare(step('SIGKILL'), podPlace(), 'a', inputs);
    expect(undo.processes.map((one) => one.pid)).toEqual([app]);
    const paused = await pauseHandler(guard).prepare({ do: 'pause', processes: all }, podPlace(), 'b', inputs);
    expect(paused.processes.map((one) => one.pid)).not.toContain(sandbox);
  });
});

describe('a pause', () => {
  const only: ProcessMatch = { which: { pattern: '^sleep' } };

  test('holds the first process of a container, and again after the container was started anew', async () => {
    const first = await startContainer('app-1', 'sleep', '300');
    const handler = pauseHandler(guard);
    const undo = await handler.prepare({ do: 'pause', processes: only }, podPlace(), 'a', inputs);
    await handler.apply(undo, podPlace(), inputs);
    expect(stateOf(first)).toBe('T');
    await pods.kill(`kubepods/pod${uid}/app-1`);
    expect(await handler.hold(undo, podPlace(), inputs)).toEqual({ evidence: { processes: 0 }, effective: false });
    const second = await startContainer('app-2', 'sleep', '300');
    expect((await handler.hold(undo, podPlace(), inputs)).drift).toBe('1 of the processes run: sleep');
    await handler.apply(undo, podPlace(), inputs);
    expect(stateOf(second)).toBe('T');
    await handler.revert(JSON.parse(JSON.stringify(undo)), podPlace());
    expect(stateOf(second)).toBe('S');
  });

  test('catches up with processes that start others without end, and lets all of them go on', async () => {
    const storm = 'for i in 1 2 3 4; do while :; do sleep 0.01 & done & done; wait';
    await startContainer('app-1', 'sh', '-c', `ulimit -u 4000; ${storm}`);
    const handler = pauseHandler(guard);
    const undo = await handler.prepare({ do: 'pause', processes: all }, podPlace(), 'a', inputs);
    await handler.apply(undo, podPlace(), inputs);
    const seen = await handler.hold(undo, podPlace(), inputs);
    expect(seen).toMatchObject({ effective: true });
    await handler.revert(undo, podPlace());
    const states = (await podPlace().processes()).map(({ pid }) => stateOf(pid));
    expect(states).not.toContain('T');
  });
});

describe('when the whole cgroup of the agent is killed', () => {
  const folders = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup/pids', '/sys/fs/cgroup/systemd', '/sys/fs/cgroup']
    .filter((mount) => existsSync(`${mount}/cgroup.procs`))
    .map((mount) => `${mount}/squall-signals-${process.pid}`);
  let agent: ChildProcess | undefined;

  afterEach(async () => {
    killAll();
    for (const pid of [...pidsOf(target), ...pidsOf(`${process.execPath} ${bundles.guard}`)])
      process.kill(pid, 'SIGKILL');
    await until(() => !agent || agent.exitCode !== null || agent.signalCode !== null);
    for (const folder of folders) await until(() => removed(folder));
  });

  /** Kills what is in the agent's cgroups, as a runtime does. */
  function killAll(): void {
    for (const folder of folders.filter((path) => existsSync(path))) {
      if (existsSync(`${folder}/cgroup.kill`)) writeFileSync(`${folder}/cgroup.kill`, '1');
      const pids = readFileSync(`${folder}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number);
      for (const pid of pids) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It was faster.
        }
      }
    }
  }

  const join = folders.map((folder) => `echo 0 > ${folder}/cgroup.procs`).join(' && ');
  const target = `sleep ${100_000 + process.pid}`;
  const start = `${target} & target=$!; (${join} && exec $1 "$2" "$3" "$4" $target) & wait`;

  test.each([
    ["the node's cgroup namespace", [], 'env'],
    // As the first process of a PID namespace, so that this test may look at what stands for the node's first process.
    [
      'a cgroup namespace of its own',
      ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'],
      'unshare --cgroup',
    ],
  ])('from %s, the guard lives on and lets the processes go on', async (_, node, namespace) => {
    for (const folder of folders) mkdirSync(folder);
    const [program = '', ...args] = [...node, 'sh', '-c', start, 'sh', namespace];
    const own = spawn(program, [...args, process.execPath, bundles.agent, bundles.guard], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    agent = own;
    await new Promise((resolve) => own.stdout.once('data', resolve));
    const [pid = 0] = pidsOf(target);
    const [agentPid = 0] = pidsOf(`${process.execPath} ${bundles.agent}`);
    const [guardPid = 0] = pidsOf(`${process.execPath} ${bundles.guard}`);
    expect(stateOf(pid)).toBe('T');
    expect(readFileSync(`/proc/${agentPid}/cgroup`, 'utf8')).toContain('squall-signals');
    expect(readFileSync(`/proc/${guardPid}/cgroup`, 'utf8')).not.toContain('squall-signals');
    killAll();
    await until(() => stateOf(agentPid) === '', 'the end of the agent');
    await until(() => stateOf(pid) === 'S', 'that the process goes on');
    await until(() => stateOf(guardPid) === '', 'the end of the guard');
  });
});

/** The processes whose command line starts so. */
function pidsOf(command: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const line = (pid: string) => (readProcFile(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ');
  return pids.filter((pid) => line(pid).startsWith(command)).map(Number);
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch {
    return !existsSync(folder);
  }
  return true;
}
