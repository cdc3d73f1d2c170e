import { expect, test } from '@jest/globals';
import type { ProcessMatch } from '../../faults/step.js';
import { RefusedError, TargetGoneError } from '../handler.js';
import { matching, type Relative, required } from './choice.js';

/** The shim that the runtime starts everything in a container by. */
const SHIM = 50;

function one(pid: number, name: string, rest: Partial<Relative> = {}): Relative {
  const own = { pid, startTime: String(1000 + pid), innerPid: pid - 100, name, commandLine: name, parent: SHIM };
  return { ...own, container: 'app', ephemeral: false, ...rest };
}

const pause = one(100, 'pause', { innerPid: 1, container: undefined });

const names = (processes: readonly Relative[], match: ProcessMatch) =>
  matching(processes, match).map(({ name }) => name);
const main: ProcessMatch = { which: 'Main' };
const all: ProcessMatch = { which: { pattern: '' } };

test('the first process of a container is the one with number 1 inside', () => {
  const pod = [
    pause,
    one(101, 'nginx', { innerPid: 1 }),
    one(102, 'worker', { parent: 101 }),
    one(110, 'envoy', { container: 'proxy', innerPid: 1 }),
    one(120, 'exec', {}),
  ];
  expect(names(pod, main)).toEqual(['nginx', 'envoy']);
  expect(names(pod, { ...main, containers: ['proxy'] })).toEqual(['envoy']);
});

test('in a shared process namespace it is the oldest that came from outside, and not the pause process', () => {
  const pod = [
    pause,
    one(103, 'later'),
    one(101, 'server'),
    one(102, 'child', { parent: 101 }),
    one(105, 'agent', { container: 'proxy' }),
  ];
  expect(names(pod, main)).toEqual(['server', 'agent']);
});

test('a process that forked away still belongs to its container', () => {
  const own = [one(101, 'init', { innerPid: 1 }), one(102, 'daemon', { parent: 101 })];
  expect(names(own, all)).toEqual(['init', 'daemon']);
  const shared = [pause, one(101, 'main'), one(102, 'daemon', { parent: 100 })];
  expect(names(shared, all)).toEqual(['main', 'daemon']);
  const ofNode = [one(101, 'main'), one(102, 'daemon', { parent: 1 })];
  expect(names(ofNode, all)).toEqual(['main', 'daemon']);
});

test('what was brought in from outside is spared, with its children', () => {
  const pod = [
    one(101, 'server', { innerPid: 1 }),
    one(102, 'worker', { parent: 101 }),
    one(103, 'sh'),
    one(104, 'probe', { parent: 103 }),
  ];
  expect(names(pod, all)).toEqual(['server', 'worker']);
  expect(names(pod, { which: { pattern: 'probe' } })).toEqual([]);
});

test('an ephemeral container is left alone unless it is named, and the sandbox always', () => {
  const debug = one(110, 'bash', { container: 'debugger', ephemeral: true, innerPid: 1 });
  const pod = [pause, one(101, 'server', { innerPid: 1 }), debug];
  expect(names(pod, all)).toEqual(['server']);
  expect(names(pod, main)).toEqual(['server']);
  expect(names(pod, { ...all, containers: ['debugger'] })).toEqual(['bash']);
});

test('a pattern matches in the name or the command line', () => {
  const pod = [
    one(101, 'java', { innerPid: 1, commandLine: 'java -jar shop.jar' }),
    one(102, 'nginx', { parent: 101, commandLine: 'nginx: worker process' }),
  ];
  expect(names(pod, { which: { pattern: 'shop[.]jar$' } })).toEqual(['java']);
  expect(names(pod, { which: { pattern: '^ngin' } })).toEqual(['nginx']);
  expect(names(pod, { which: { pattern: '^jar' } })).toEqual([]);
});

test('when nothing matches, what there is gets named', () => {
  const pod = [one(101, 'server', { innerPid: 1 }), one(102, 'worker', { parent: 101 })];
  expect(() => required(pod, { which: { pattern: 'redis' } })).toThrow(
    new RefusedError("no process of the pod's containers matches 'redis'; running are server, worker"),
  );
  expect(() => required(pod, { which: 'Main', containers: ['app', 'cache'] })).toThrow(
    new RefusedError("no process runs in container 'cache' of the pod; these do: app"),
  );
});

test('a long list of processes is cut', () => {
  const pod = Array.from({ length: 40 }, (_, index) => one(101 + index, `p${index}`, { parent: 100 + index }));
  expect(() => required(pod, { which: { pattern: 'redis' } })).toThrow('running are p0, p1, p2, p3, p4 and others');
});

test('a pod without any process is gone', () => {
  expect(() => required([], all)).toThrow(TargetGoneError);
});

test('the pod the agent itself runs in is refused', () => {
  const pod = [one(101, 'server', { innerPid: 1 }), one(process.pid, 'agent', { container: 'agent' })];
  expect(() => required(pod, all)).toThrow('the agent itself runs in this pod');
});
