import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ExperimentRun } from '../api/experiment-run.js';
import { type Json, pods } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { type CrashProxy, startCrashProxy } from '../testing/crash-proxy.js';

/** As in a real cluster: an outage of a minute takes the Lease away, one of ten seconds does not. */
const realLease = { leaseDurationMs: 15_000, renewEveryMs: 5_000, renewDeadlineMs: 10_000 };

let bundle: ControllerBundle;

beforeAll(async () => {
  bundle = await bundleController();
}, 30_000);

afterAll(() => bundle?.remove());

interface Scene {
  cluster: TestCluster;
  proxy: CrashProxy;
  run: ExperimentRun;
}

/** What an API server does to a run of two steps that hits two of four pods. */
async function scene(trouble: (cluster: TestCluster) => Promise<void>, template: Json = {}): Promise<Scene> {
  const cluster = await startTestCluster(bundle.workerUrl);
  const proxy = await startCrashProxy(cluster.cluster.url);
  cluster.onStop(() => proxy.close());
  try {
    await cluster.deploy('web', 4);
    cluster.controller({ server: proxy.url, lease: realLease });
    await cluster.createRun('run', {
      hypothesis: [availableProbe('web', 1, { minSamples: 3 })],
      method: [killStep('web', { name: 'first', duration: '2s' }), killStep('web', { name: 'second', duration: '1s' })],
      ...template,
    });
    await trouble(cluster);
    const run = await cluster.finished('run', { within: 40_000 });
    const killed = cluster.deletedOf('web');
    const hit = run.status?.steps?.reduce((sum, step) => sum + step.hit, 0);
    expect({ killed: killed.length, distinct: new Set(killed).size }).toEqual({ killed: hit, distinct: hit });
    expect(cluster.injections()).toEqual([]);
    return { cluster, proxy, run };
  } finally {
    await cluster.stop();
  }
}

const verdictOf = ({ run: { status } }: Scene) => `${status?.verdict}/${status?.reason}`;

/** The most requests in any second. */
function busiestSecond({ proxy }: Scene): number {
  const seconds = new Map<number, number>();
  for (const { at } of proxy.requests) {
    const second = Math.floor(at / 1000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  }
  return Math.max(...seconds.values());
}

/** Troubles work side by side: nearly all of it is waiting. */
const scenes: Record<string, () => Promise<Scene>> = {
  tenSeconds: () =>
    scene(async (cluster) => {
      await cluster.inStage('run', 'Holding');
      await cluster.cluster.knobs.outage(10_000);
    }),
  oneMinute: () =>
    scene(async (cluster) => {
      await cluster.inStage('run', 'Holding');
      await cluster.cluster.knobs.outage(60_000);
    }),
  whileRecovering: () =>
    scene(
      async (cluster) => {
        await cluster.inStage('run', 'Recovering');
        await cluster.cluster.knobs.outage(8_000);
      },
      { recovery: { within: '3s' }, method: [killStep('web', { duration: '1s' })] },
    ),
  slow: () => scene(async ({ cluster }) => cluster.knobs.set({ latencyMilliseconds: 150 })),
  errors: () =>
    scene(async ({ cluster }) => {
      const codes = [409, 429, 500, 503];
      cluster.knobs.set({
        faults: codes.map((code) => ({ path: '/squall.dev|/pods', method: 'GET|POST|PATCH|DELETE', code, rate: 0.12 })),
      });
      await new Promise((resolve) => setTimeout(resolve, 12_000));
      cluster.knobs.set({ faults: [] });
    }),
  conflicts: () =>
    scene(async ({ cluster }) => {
      // No pod is gone because somebody else's write was in the way.
      cluster.knobs.set({ faults: [{ path: '/pods/', method: 'DELETE', code: 409, count: 5 }] });
    }),
  watches: () =>
    scene(async (test) => {
      const { knobs } = test.cluster;
      for (let round = 0; !test.run('run')?.status?.finishTime && round < 60; round += 1) {
        if (round % 3 === 0) knobs.dropWatches();
        if (round % 3 === 1) knobs.expireWatches();
        if (round % 3 === 2) knobs.compact();
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
    }),
  deafToRuns: () =>
    scene(async ({ cluster }) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      cluster.knobs.hangWatches('experimentruns');
      cluster.knobs.hangWatches('injections');
    }),
};

/** A run that hits a pod which somebody else's finalizer keeps for ever. */
async function stuckPod(): Promise<ExperimentRun> {
  const cluster = await startTestCluster(bundle.workerUrl);
  try {
    await cluster.deploy('web', 1);
    const [pod] = cluster.pods('web');
    const finalizers = { metadata: { finalizers: ['example.com/never'] } };
    await cluster.client.patch(pods, 'default', pod?.metadata.name ?? '', finalizers);
    cluster.controller({ lease: realLease });
    await cluster.createRun('run', { method: [killStep('web', { duration: '1s' })] });
    const run = await cluster.finished('run', { within: 60_000 });
    expect(cluster.deletedOf('web')).toEqual([]);
    return run;
  } finally {
    await cluster.stop();
  }
}

let stuck: Promise<ExperimentRun>;
const shown: Record<string, Promise<Scene>> = {};

beforeAll(() => {
  const begin = (name: string) => {
    const outcome = scenes[name]!();
    outcome.catch(() => {});
    shown[name] = outcome;
    return outcome.catch(() => {});
  };
  void begin('oneMinute');
  stuck = stuckPod();
  stuck.catch(() => {});
  // The others a few at a time, so that a busy machine does not make samples late.
  const rest = Object.keys(scenes).filter((name) => name !== 'oneMinute');
  const waiting = rest.map((name) => {
    let start: () => void = () => {};
    shown[name] = new Promise((resolve, reject) => {
      start = () => scenes[name]!().then(resolve, reject).finally(next);
    });
    shown[name].catch(() => {});
    return () => start();
  });
  const next = () => waiting.shift()?.();
  for (let lane = 0; lane < 3; lane += 1) next();
});

test.each([
  ['away for ten seconds during the fault', 'tenSeconds'],
  ['slow', 'slow'],
  ['answering every second request with an error', 'errors'],
  ['answering deletions with conflicts', 'conflicts'],
  ['cutting, expiring and forgetting watches all the time', 'watches'],
  ['saying nothing on the watches of runs and injections', 'deafToRuns'],
])(
  'a run with an API server that is %s ends with a truthful verdict, without a hot loop',
  async (_, name) => {
    const result = await shown[name]!;
    const { status } = result.run;
    expect(['Passed/HypothesisHeld', 'Inconclusive/NotEnoughSamples']).toContain(verdictOf(result));
    expect(status?.steps).toMatchObject([
      { hit: 1, effective: 1 },
      { hit: 1, effective: 1 },
    ]);
    expect(busiestSecond(result)).toBeLessThan(150);
  },
  90_000,
);

test('a conflict does not make a pod count as gone', async () => {
  const { status } = (await shown.conflicts!).run;
  // Every step draws for itself. Where both drew the same pod it is gone for the second, which then takes another one.
  const [first, second] = status?.selection?.map(({ digest }) => digest) ?? [];
  expect(status?.steps?.map(({ rounds }) => rounds)).toEqual([1, first === second ? 2 : 1]);
}, 90_000);

test.each([
  ['read its pods', 'GET', '/namespaces/[^/]+/pods'],
  ['write injections', 'POST', '/injections'],
])(
  'a controller that may not %s says so at once',
  async (_, method, path) => {
    const cluster = await startTestCluster(bundle.workerUrl);
    try {
      await cluster.deploy('web', 1);
      cluster.cluster.knobs.set({ faults: [{ method, path, code: 403 }] });
      cluster.controller({});
      await cluster.createRun('run', { method: [killStep('web')] });
      const { status } = await cluster.finished('run');
      expect(status).toMatchObject({ verdict: 'Error', reason: 'InjectionFailed' });
      expect(status?.message).toMatch(/^The controller may not do this: .+/);
    } finally {
      await cluster.stop();
    }
  },
  60_000,
);

test('an answer that is lost does not write history anew', async () => {
  const cluster = await startTestCluster(bundle.workerUrl);
  const proxy = await startCrashProxy(cluster.cluster.url);
  cluster.onStop(() => proxy.close());
  try {
    const told = { startTime: new Set(), revertedTime: new Set(), finishTime: new Set(), verdict: new Set() };
    cluster.cluster.store.subscribe('experimentruns.squall.dev', ({ object }) => {
      for (const [field, values] of Object.entries(told)) if (object.status?.[field]) values.add(object.status[field]);
    });
    const lost = new Set<string>();
    proxy.intercept.answered = ({ method, path }) => {
      if (method !== 'PATCH' || !path.includes('/run/status')) return false;
      // The first write of each of them arrives, and its answer does not.
      const fresh = Object.keys(told).filter(
        (field) => cluster.run('run')?.status?.[field as 'verdict'] && !lost.has(field),
      );
      for (const field of fresh) lost.add(field);
      return fresh.length > 0;
    };
    await cluster.deploy('web', 2);
    cluster.controller({ server: proxy.url });
    await cluster.createRun('run', { method: [killStep('web', { duration: '1s' })] });
    await cluster.finished('run');
    expect([...lost].sort()).toEqual(Object.keys(told).sort());
    const sizes = Object.fromEntries(Object.entries(told).map(([field, values]) => [field, values.size]));
    expect(sizes).toEqual({ startTime: 1, revertedTime: 1, finishTime: 1, verdict: 1 });
  } finally {
    await cluster.stop();
  }
}, 60_000);

test('a pod that never goes is no effect, and is waited for no longer than half a minute beyond its grace', async () => {
  const { status } = await stuck;
  expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'FaultNotEffective' });
  expect(status?.steps).toMatchObject([{ hit: 1, effective: 0 }]);
  expect(Date.parse(status?.finishTime ?? '') - Date.parse(status?.startTime ?? '')).toBeLessThan(45_000);
}, 90_000);

test('a recovery that nobody could watch is not called too slow', async () => {
  const result = await shown.whileRecovering!;
  expect(['Passed/HypothesisHeld', 'Inconclusive/NotEnoughSamples']).toContain(verdictOf(result));
}, 90_000);

test('a run whose API server is away for a minute during the fault ends with a truthful verdict', async () => {
  const result = await shown.oneMinute!;
  expect(['Passed/HypothesisHeld', 'Inconclusive/NotEnoughSamples']).toContain(verdictOf(result));
  expect(result.run.status?.steps).toMatchObject([
    { hit: 1, effective: 1 },
    { hit: 1, effective: 1 },
  ]);
  expect(busiestSecond(result)).toBeLessThan(150);
  expect(result.proxy.requests.length).toBeLessThan(2_000);
}, 120_000);
