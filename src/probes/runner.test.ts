import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Sample } from '../stats/window.js';
import { bundleProbeWorker, type ProbeWorkerBundle } from '../testing/probe-worker.js';
import type { ResourceQuery } from './probe.js';
import { type ProbePorts, ProbeRunner, type ProbeRunnerOptions } from './runner.js';

let bundle: ProbeWorkerBundle;
let target: ChildProcess;
let url: string;

/** A server of its own process, so that this one can be busy. `/slow` takes 300 ms. */
const targetSource = `
  const server = require('http').createServer((request, response) => {
    if (request.url === '/slow') setTimeout(() => response.end('late'), 300);
    else response.end('fine');
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

beforeAll(async () => {
  bundle = await bundleProbeWorker();
  target = spawn(process.execPath, ['-e', targetSource], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(target.stdout!, 'data')) as [Buffer];
  url = `http://127.0.0.1:${String(port).trim()}/`;
});
afterAll(async () => {
  bundle.remove();
  target.kill();
  await once(target, 'exit');
});

const runners: ProbeRunner[] = [];
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.close()));
});

function runnerWith(ports: Partial<ProbePorts> = {}, options: Partial<ProbeRunnerOptions> = {}): ProbeRunner {
  const runner = new ProbeRunner({
    workerUrl: bundle.url,
    ports: { resolveService: async () => undefined, readResource: async () => undefined, ...ports },
    policy: { blockLoopback: false, blocked: [] },
    ...options,
  });
  runners.push(runner);
  return runner;
}

const httpProbe = (changes: object = {}) => ({
  name: 'shoppers',
  expect: { successRate: '>= 99%' },
  http: { url, method: 'GET', rate: '100/s', timeout: '1s', status: ['2xx'], followRedirects: 0, ...changes },
});
const resourceProbe = (that: string | undefined, changes: object = {}) => ({
  name: 'available',
  expect: that === undefined ? { successRate: '>= 99%' } : { that },
  resource: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout', interval: '100ms', ...changes },
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}
const samplesOf = (runner: ProbeRunner, id: string) => runner.window(id).summary().samples;
const ownErrorsOf = (runner: ProbeRunner, id: string) => runner.window(id).summary().ownErrors;

describe('running probes', () => {
  test('fills a window, and gives each sample with its time on the clock of this thread', async () => {
    const runner = runnerWith();
    const seen: Sample[] = [];
    const startedAt = performance.now();
    runner.start({ id: 'a', probe: httpProbe(), namespace: 'shop' }, (sample) => seen.push(sample));
    await until(() => samplesOf(runner, 'a') >= 50);
    expect(runner.window('a').summary()).toMatchObject({
      successRate: 100,
      latencyP95Milliseconds: expect.any(Number),
    });
    expect(seen[0]!.at).toBeGreaterThan(startedAt);
    expect(seen.at(-1)!.at).toBeLessThan(performance.now());
  });

  test('sends on time while the main thread is busy', async () => {
    const runner = runnerWith();
    const seen: Sample[] = [];
    runner.start({ id: 'a', probe: httpProbe(), namespace: 'shop' }, (sample) => seen.push(sample));
    await until(() => seen.length > 10);
    const busyFrom = performance.now();
    while (performance.now() - busyFrom < 500);
    const busyTo = performance.now();
    await until(() => (seen.at(-1)?.at ?? 0) > busyTo);
    const meanwhile = seen.filter(({ at, ok }) => ok && at > busyFrom && at < busyTo);
    expect(meanwhile.length).toBeGreaterThan(25);
    const quick = meanwhile.filter(({ latencyMilliseconds }) => latencyMilliseconds! < 100);
    expect(quick.length).toBeGreaterThan(meanwhile.length / 2);
  });

  test('gives a sample to the stage in which it was to be sent, however late the answer is', async () => {
    const runner = runnerWith();
    runner.start({ id: 'a', probe: httpProbe({ url: `${url}slow`, rate: '20/s' }), namespace: 'shop' });
    await until(() => samplesOf(runner, 'a') >= 3);
    const before = runner.reset('a');
    const atReset = before.summary().samples;
    expect(runner.settled('a')).toBe(false);
    expect(samplesOf(runner, 'a')).toBe(0);
    await until(() => runner.settled('a'));
    const complete = before.summary().samples;
    expect(complete).toBeGreaterThan(atReset);
    await until(() => samplesOf(runner, 'a') >= 5);
    expect(before.summary().samples).toBe(complete);
    const first = runner.reset('a');
    const short = runner.reset('a');
    await until(() => runner.settled('a'));
    expect(first.summary().samples).toBeGreaterThan(5);
    expect(short.summary().samples).toBe(0);
  });

  test('leaves no thread when what is to be evaluated comes in after the end', async () => {
    const threads = () => process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort').length;
    const before = threads();
    const answers: ((answer: { object: object }) => void)[] = [];
    const runner = runnerWith({ readResource: () => new Promise((resolve) => answers.push(resolve)) });
    runner.start({ id: 'a', probe: resourceProbe('object.ok'), namespace: 'shop' });
    await until(() => answers.length > 0);
    await runner.close();
    for (const answer of answers) answer({ object: { ok: true } });
    await sleep(50);
    expect(threads()).toBe(before);
  });

  test('runs several probes, stops one and keeps the others', async () => {
    const runner = runnerWith();
    for (const id of ['a', 'b', 'c']) runner.start({ id, probe: httpProbe({ rate: '200/s' }), namespace: 'shop' });
    expect(() => runner.start({ id: 'a', probe: httpProbe(), namespace: 'shop' })).toThrow("'a' is already running");
    await until(() => ['a', 'b', 'c'].every((id) => samplesOf(runner, id) >= 10));
    runner.stop('b');
    expect([runner.has('a'), runner.has('b')]).toEqual([true, false]);
    expect(() => runner.window('b')).toThrow("'b' is not running");
    const soFar = samplesOf(runner, 'c');
    await until(() => samplesOf(runner, 'c') >= soFar + 10);
  });

  test('asks for the address of a Service that DNS does not know', async () => {
    const asked: string[] = [];
    const runner = runnerWith({
      resolveService: async (namespace, name) => {
        asked.push(`${namespace}/${name}`);
        return { addresses: ['127.0.0.1'], ports: { 80: Number(new URL(url).port) } };
      },
    });
    runner.start({ id: 'a', probe: httpProbe({ url: 'http://checkout.shop.svc/' }), namespace: 'shop' });
    await until(() => samplesOf(runner, 'a') >= 20);
    expect(runner.window('a').summary().successRate).toBe(100);
    expect(asked).toEqual(['shop/checkout']);
  });

  test('takes a probe that can not be made for an error of its own', async () => {
    const runner = runnerWith();
    runner.start({ id: 'a', probe: httpProbe({ body: { matches: '(' } }), namespace: 'shop' });
    await until(() => ownErrorsOf(runner, 'a') >= 1);
    expect(runner.window('a').lastOwnError).toMatch(/^the probe can not be run: .*missing closing/);
  });
});

describe('a resource probe', () => {
  test('evaluates its expression on what was read', async () => {
    const queries: ResourceQuery[] = [];
    let replicas = 3;
    const runner = runnerWith({
      readResource: async (query) => {
        queries.push(query);
        return { object: { status: { availableReplicas: replicas } } };
      },
    });
    runner.start({ id: 'a', probe: resourceProbe('object.status.availableReplicas >= 2'), namespace: 'shop' });
    await until(() => samplesOf(runner, 'a') >= 2);
    expect(runner.window('a').summary()).toMatchObject({ successRate: 100, latencySamples: 0 });
    replicas = 1;
    await until(() => runner.window('a').failuresInARow >= 2);
    expect(runner.window('a').summary().lastFailure).toBe('not true: object.status.availableReplicas >= 2');
    expect(queries[0]).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout', namespace: 'shop' });
  });

  test('without an expression only asks that the object, or any, is there', async () => {
    const runner = runnerWith({
      readResource: async ({ name }) =>
        name === undefined ? { objects: [] } : name === 'checkout' ? { object: {} } : undefined,
    });
    runner.start({ id: 'there', probe: resourceProbe(undefined), namespace: 'shop' });
    runner.start({ id: 'gone', probe: resourceProbe(undefined, { name: 'payment' }), namespace: 'shop' });
    runner.start({ id: 'none', probe: resourceProbe(undefined, { name: undefined }), namespace: 'shop' });
    await until(() => ['there', 'gone', 'none'].every((id) => samplesOf(runner, id) >= 1));
    expect(runner.window('there').summary().successRate).toBe(100);
    expect(runner.window('gone').summary().lastFailure).toBe("there is no Deployment 'payment' in namespace 'shop'");
    expect(runner.window('none').summary().lastFailure).toBe("there are no Deployment objects in namespace 'shop'");
  });

  test('takes it for an error of its own when nobody can say, or when it would read Secrets', async () => {
    const runner = runnerWith({ readResource: () => Promise.reject(new Error('the API server does not answer')) });
    runner.start({ id: 'a', probe: resourceProbe('object.a == 1'), namespace: 'shop' });
    runner.start({ id: 'b', probe: resourceProbe('object.a == 1', { kind: 'Secret' }), namespace: 'shop' });
    await until(() => ownErrorsOf(runner, 'a') >= 1 && ownErrorsOf(runner, 'b') >= 1);
    expect(runner.window('a').lastOwnError).toBe('the API server does not answer');
    expect(runner.window('b').lastOwnError).toBe('Secrets may not be read by probes');
  });
});

describe('an expression that does not come to an end', () => {
  const objects = Array.from({ length: 3_000 }, (_, index) => ({ x: index }));
  const endless = 'objects.all(a, objects.all(b, objects.all(c, a.x + b.x + c.x >= 0)))';
  const list = { name: undefined };

  const ofTheLoad = /^(the read before this one is still under way|not sent, because it was \d+ms late)$/;

  /** Starts a probe and collects what went wrong on our side, but for what a busy machine explains. */
  function errorsOf(runner: ProbeRunner, id: string, expression: string): string[] {
    const errors: string[] = [];
    runner.start({ id, probe: resourceProbe(expression, list), namespace: 'shop' }, ({ own, detail = '' }) => {
      if (own && !ofTheLoad.test(detail)) errors.push(detail);
    });
    return errors;
  }

  test('is cut off and in the end left alone, and others are still evaluated', async () => {
    const runner = runnerWith({ readResource: async () => ({ objects }) }, { evaluationLimit: 150 });
    const errors = errorsOf(runner, 'endless', endless);
    runner.start({ id: 'sound', probe: resourceProbe('objects.size() == 3000', list), namespace: 'shop' });
    runner.start({ id: 'http', probe: httpProbe(), namespace: 'shop' });
    await until(() => errors.length >= 4);
    const cut = `the evaluation of '${endless}' was cut off: it took longer than 150ms`;
    const leftAlone = `'${endless}' is not evaluated any more: it was cut off 3 times in a row`;
    expect(errors.slice(0, 4)).toEqual([cut, cut, cut, leftAlone]);
    const soFar = samplesOf(runner, 'sound');
    await until(() => samplesOf(runner, 'sound') >= soFar + 2);
    expect(runner.window('sound').summary().successRate).toBe(100);
    expect(samplesOf(runner, 'endless')).toBe(0);
    expect(runner.window('http').summary().successRate).toBe(100);
  }, 20_000);

  test('is cut off when it takes all memory', async () => {
    const greedy = 'objects.map(a, objects.map(b, objects.map(c, [a.x, b.x, c.x]))).size() > 0';
    const runner = runnerWith({ readResource: async () => ({ objects }) }, { evaluationLimit: 4_000 });
    const memory = errorsOf(runner, 'greedy', greedy);
    await until(() => memory.length >= 1);
    expect(memory[0]).toMatch(/was cut off: it ran out of memory/);
  }, 30_000);
});

describe('a thread', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'squall-threads-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A worker that does this when it is told to start a probe. */
  function workerThat(behaviour: string): URL {
    const file = join(folder, `${runners.length}-${Date.now()}.mjs`);
    writeFileSync(
      file,
      `import { parentPort } from 'node:worker_threads';
       parentPort.on('message', () => { ${behaviour} });
       parentPort.postMessage({ type: 'ready' });`,
    );
    return pathToFileURL(file);
  }

  test('that dies is started again with its probes, and the loss is an error of its own', async () => {
    const runner = runnerWith({}, { workerUrl: workerThat("throw new Error('broken')") });
    runner.start({ id: 'a', probe: httpProbe(), namespace: 'shop' });
    await until(() => ownErrorsOf(runner, 'a') >= 3);
    expect(runner.window('a').lastOwnError).toBe('the probe thread was lost and is started again: broken');
    expect(samplesOf(runner, 'a')).toBe(0);
  });

  test('that hangs is ended and started again', async () => {
    const runner = runnerWith({}, { workerUrl: workerThat('for (;;);') });
    runner.start({ id: 'a', probe: httpProbe(), namespace: 'shop' });
    await until(() => ownErrorsOf(runner, 'a') >= 1);
    expect(runner.window('a').lastOwnError).toBe('the probe thread was lost and is started again: it did not answer');
  }, 20_000);
});
