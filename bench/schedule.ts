import type { ChildProcess } from 'node:child_process';
import { experimentRuns, experiments } from '../src/controller/resources.js';
import type { Client } from '../src/kubernetes/client.js';
import { inParallel } from '../src/kubernetes/parallel.js';
import type { KubeObject } from '../src/kubernetes/resource.js';
import type { Benchmark, Figure } from './figure.js';
import { memoryOf, processorOf } from './processes.js';
import { sleep } from './rounds.js';
import { BENCH_NAMESPACE, OTHER_NAMESPACE, type TestBed, withTestBed } from './test-bed.js';

const EXPERIMENTS = 10_000;
/** How many of them are due while it is measured; the others wait for another day. */
const DUE = 1_000;
const WRITES_AT_ONCE = 32;
/** A controller creates this many at once. */
const CREATES_AT_ONCE = 8;
/** Over how many seconds jitter spreads those that are due, when it does. */
const SPREAD = '60s';
const IDLE_MILLISECONDS = 30_000;
const SETTLE_MILLISECONDS = 5_000;
const MINUTE_MILLISECONDS = 60_000;
/** Longer than it takes to create and to look at those that are due. */
const AHEAD_MILLISECONDS = 90_000;

/** Ten thousand experiments with schedules: how late runs are started, and what the controller costs while nothing is due. */
export const schedule: Benchmark = {
  name: 'schedule',
  run: () => withTestBed((empty) => withTestBed((full) => measure(empty, full))),
};

async function measure(empty: TestBed, full: TestBed): Promise<Figure[]> {
  await inParallel(WRITES_AT_ONCE, names('waiting', EXPERIMENTS - DUE), async (name) => {
    await full.client.create(experiments, experiment(name, OTHER_NAMESPACE, { cron: '0 0 1 1 *', jitter: '24h' }));
  });
  const [idle, busy] = await Promise.all([idleOf(empty), idleOf(full)]);
  const bare = await bareCreates(full.client);
  const spread = await lags(full, 'spread', SPREAD);
  const burst = await lags(full, 'burst', undefined);
  const lag = (what: string, ours: number, floor: number, against: string): Figure => ({
    what,
    against,
    unit: 'ms',
    ours: [ours],
    floor: [floor],
  });
  const [one, all] = ['a bare create', `the same of ${DUE} bare creates, ${CREATES_AT_ONCE} at once`];
  return [
    lag(`due until created, ${DUE} of ${EXPERIMENTS} in ${SPREAD}, p50`, at(spread, 0.5), at(bare.each, 0.5), one),
    lag(`due until created, ${DUE} of ${EXPERIMENTS} in ${SPREAD}, p99`, at(spread, 0.99), at(bare.each, 0.99), one),
    lag(`due until created, ${DUE} of ${EXPERIMENTS} at once, p50`, at(burst, 0.5), at(bare.since, 0.5), all),
    lag(`due until created, ${DUE} of ${EXPERIMENTS} at once, p99`, at(burst, 0.99), at(bare.since, 0.99), all),
    {
      what: `controller with ${EXPERIMENTS - DUE} schedules, RSS idle`,
      against: 'without any',
      unit: 'MiB',
      ours: [busy.memory],
      floor: [idle.memory],
    },
    {
      what: `controller with ${EXPERIMENTS - DUE} schedules, processor time in ${IDLE_MILLISECONDS / 1_000} s`,
      against: 'without any',
      unit: 'ms',
      ours: [busy.processor],
      floor: [idle.processor],
    },
  ];
}

async function idleOf(bed: TestBed): Promise<{ memory: number; processor: number }> {
  const controller: ChildProcess = await bed.startController();
  await untilLookedAt(bed.client, OTHER_NAMESPACE);
  await sleep(SETTLE_MILLISECONDS);
  const before = processorOf(controller);
  await sleep(IDLE_MILLISECONDS);
  return { memory: memoryOf(controller).now, processor: processorOf(controller) - before };
}

/** How late the runs of experiments that are due in about a minute are seen on a watch. Milliseconds. */
async function lags({ client }: TestBed, prefix: string, jitter: string | undefined): Promise<number[]> {
  const due = new Date(Math.ceil((Date.now() + AHEAD_MILLISECONDS) / MINUTE_MILLISECONDS) * MINUTE_MILLISECONDS);
  const cron = `${due.getUTCMinutes()} ${due.getUTCHours()} ${due.getUTCDate()} ${due.getUTCMonth() + 1} *`;
  const seen = await watchCreations(client, prefix);
  const own = names(prefix, DUE);
  await inParallel(WRITES_AT_ONCE, own, async (name) => {
    await client.create(experiments, experiment(name, BENCH_NAMESPACE, { cron, ...(jitter && { jitter }) }));
  });
  const starts = await untilLookedAt(client, BENCH_NAMESPACE);
  if (Date.now() > due.getTime()) throw new Error('the machine is too slow to create the experiments in time');
  await seen.all;
  await Promise.all(own.map((name) => client.delete(experiments, BENCH_NAMESPACE, name)));
  return own.map((name) => (seen.at.get(name) ?? Number.NaN) - (starts.get(name) ?? Number.NaN));
}

/** When the runs of each experiment are first seen. */
async function watchCreations(client: Client, prefix: string) {
  const abort = new AbortController();
  const at = new Map<string, number>();
  const namespace = BENCH_NAMESPACE;
  const { resourceVersion } = await client.list(experimentRuns, { namespace, limit: 1 });
  const follow = async () => {
    for await (const { type, object } of client.watch(experimentRuns, {
      namespace,
      resourceVersion,
      signal: abort.signal,
    })) {
      const name = object.metadata.labels?.['squall.dev/experiment'] ?? '';
      if (type === 'ADDED' && name.startsWith(prefix) && !at.has(name)) at.set(name, Date.now());
      if (at.size === DUE) return;
    }
    throw new Error('the watch of runs ended before all were created');
  };
  return { at, all: follow().finally(() => abort.abort()) };
}

/** Waits until the controller has said of all experiments when they run next; by name. Milliseconds since the epoch. */
async function untilLookedAt(client: Client, namespace: string): Promise<Map<string, number>> {
  for (;;) {
    const found: KubeObject[] = [];
    for await (const { items, restarted } of client.listAll(experiments, { namespace })) {
      if (restarted) found.length = 0;
      found.push(...items);
    }
    if (found.every(({ status }) => status?.nextRunTime !== undefined))
      return new Map(found.map(({ metadata, status }) => [metadata.name ?? '', Date.parse(status?.nextRunTime)]));
    await sleep(1_000);
  }
}

/** What the API server takes to create as many runs: each by itself, and counted from the first. Milliseconds. */
async function bareCreates(client: Client): Promise<{ each: number[]; since: number[] }> {
  const { method } = experiment('', '', {}).spec;
  const each: number[] = [];
  const since: number[] = [];
  const begun = performance.now();
  await inParallel(CREATES_AT_ONCE, names('bare', DUE), async (name) => {
    const from = performance.now();
    // Aborted at once, so that the controller has little to do with it.
    const spec = { template: { method }, abort: { reason: 'measured' } };
    await client.create(experimentRuns, { metadata: { name, namespace: BENCH_NAMESPACE }, spec });
    each.push(performance.now() - from);
    since.push(performance.now() - begun);
  });
  await sleep(SETTLE_MILLISECONDS);
  return { each, since };
}

function experiment(name: string, namespace: string, when: object) {
  const targets = { pods: { names: ['nobody'] } };
  const spec = { schedule: when, method: [{ name: 'lose', podKill: {}, targets }] };
  return { metadata: { name, namespace }, spec };
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

/** A quantile, such as 0.99. */
function at(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}
