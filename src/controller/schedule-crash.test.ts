import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Experiment } from '../api/experiment.js';
import {
  bundleController,
  type ControllerBundle,
  killStep,
  startControllerProcess,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { type CrashProxy, type ProxiedRequest, startCrashProxy } from '../testing/crash-proxy.js';
import { until } from '../testing/scripted-server.js';
import { experiments } from './resources.js';

jest.setTimeout(60_000);

let bundle: ControllerBundle;
let cluster: TestCluster;
let proxy: CrashProxy;
/** Every run that was ever created, as often as that happened. */
const created: string[] = [];

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
  proxy = await startCrashProxy(cluster.cluster.url);
  cluster.cluster.store.subscribe('experimentruns.squall.dev', ({ type, object }) => {
    if (type === 'ADDED') created.push(object.metadata.name ?? '');
  });
});

afterAll(async () => {
  await proxy?.close();
  await cluster?.stop();
  bundle?.remove();
});

const isCreation = ({ method, path }: ProxiedRequest) => method === 'POST' && path.includes('/experimentruns');
const isStatus = ({ method, path }: ProxiedRequest) => method === 'PATCH' && /\/experiments\/[^/]+\/status/.test(path);
const isDeletion = ({ method, path }: ProxiedRequest) => method === 'DELETE' && path.includes('/experimentruns/');

function stored(name: string): Experiment {
  return cluster.cluster.store.get('experiments.squall.dev', 'default', name) as unknown as Experiment;
}

/** The server's clock goes on; whoever leads hears of it with an answer, and looks at the experiment. */
async function pass(name: string, seconds: number, isDone: () => boolean): Promise<void> {
  cluster.cluster.knobs.settings.clockOffsetMilliseconds += seconds * 1_000;
  let touched = 0;
  const touch = async () => {
    touched += 1;
    const patch = { metadata: { annotations: { touched: String(touched) } } };
    await cluster.client.patch(experiments, 'default', name, patch);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return isDone();
  };
  await until(touch, `${name} to be looked at`, 30_000);
}

describe('a controller that is killed', () => {
  test.each([
    ['before it creates a run', 'before', isCreation],
    ['after it has created a run', 'answered', isCreation],
    ['before it records a run', 'before', isStatus],
    ['after it has recorded a run', 'answered', isStatus],
    ['after it has deleted a run', 'answered', isDeletion],
  ] as const)('%s leaves to the next one neither a run too few nor one too many', async (what, moment, isPoint) => {
    const name = what.replaceAll(' ', '-');
    const first = startControllerProcess(bundle, proxy.url);
    const spec = {
      schedule: { every: '1m', startingDeadline: '50s' },
      history: { passed: 0, failed: 0, other: 0 },
      method: [killStep('nobody')],
    };
    await cluster.client.create(experiments, { metadata: { name, namespace: 'default' }, spec });
    await until(() => stored(name).status?.nextRunTime !== undefined, 'the first look', 20_000);
    const second = startControllerProcess(bundle, proxy.url);
    let isKilled = false;
    proxy.intercept = {
      [moment]: (request: ProxiedRequest) => {
        if (isKilled || !isPoint(request) || !request.path.includes('default')) return false;
        first.kill();
        isKilled = true;
        return true;
      },
    };
    try {
      await pass(name, 60, () => stored(name).status?.lastRun !== undefined);
      expect(isKilled).toBe(true);
      await pass(name, 60, () => created.filter((each) => each.startsWith(name)).length >= 2);
      const due = Date.parse(stored(name).metadata.creationTimestamp) / 60_000;
      const own = created.filter((each) => each.startsWith(name));
      expect(own).toEqual([`${name}-${Math.floor(due + 1)}`, `${name}-${Math.floor(due + 2)}`]);
      expect(stored(name).status?.missedRuns).toBeUndefined();
    } finally {
      proxy.intercept = {};
      first.kill();
      second.kill();
      await Promise.all([first.ended, second.ended]);
      await cluster.client.delete(experiments, 'default', name);
    }
  });
});
