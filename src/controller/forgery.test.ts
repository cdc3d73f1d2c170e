import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ANNOTATION_VERDICT } from '../api/labels.js';
import type { Json } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  experimentRuns,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';

let bundle: ControllerBundle;
let cluster: TestCluster;

beforeAll(async () => {
  bundle = await bundleController();
}, 30_000);

beforeEach(async () => {
  cluster = await startTestCluster(bundle.workerUrl);
});

afterEach(() => cluster?.stop());

afterAll(() => bundle?.remove());

/** A run that hits one of three pods and holds for two seconds. */
const slow = (app: string, more: Json = {}) => ({
  hypothesis: [availableProbe(app, 1, { minSamples: 3 })],
  method: [killStep(app, { duration: '2s' })],
  ...more,
});

async function start(name: string, stage: string, template: Json = slow(name)): Promise<void> {
  await cluster.deploy(name, 3);
  await cluster.createRun(name, template);
  await cluster.inStage(name, stage);
}

describe('a forged status', () => {
  const finished = {
    stage: 'Finished',
    verdict: 'Passed',
    reason: 'HypothesisHeld',
    message: 'trust me',
    finishTime: '2030-01-01T00:00:00Z',
  };
  const condition = (type: string) => ({
    type,
    status: 'True',
    reason: type,
    message: 'trust me',
    lastTransitionTime: '2030-01-01T00:00:00Z',
  });
  const step = (name: string, more: Json) => ({
    name: `kill-${name}`,
    fault: 'podKill',
    rounds: 1,
    targets: 1,
    hit: 0,
    effective: 0,
    ...more,
  });
  const forge = (name: string, status: Json) => cluster.client.patchStatus(experimentRuns, 'default', name, status);

  test('changes nothing while the controller looks', async () => {
    cluster.controller();
    await start('forged-live', 'Holding');
    await forge('forged-live', {
      ...finished,
      findings: [],
      steps: [step('forged-live', { state: 'Done', effective: 9 })],
    });
    await until(() => cluster.run('forged-live')?.status?.stage === 'Holding', 'the status to be right again');
    const { status, metadata } = await cluster.finished('forged-live');
    expect(status).toMatchObject({ verdict: 'Passed', steps: [{ hit: 1, effective: 1 }] });
    expect(status?.message).not.toContain('trust me');
    expect(metadata.annotations?.[ANNOTATION_VERDICT]).toBe('Passed');
    expect(cluster.deletedOf('forged-live')).toHaveLength(1);
  }, 20_000);

  test('written while no controller looked makes it neither hit more, nor leave anything, nor pass', async () => {
    const first = cluster.controller();
    // Its baseline can never hold, so a pass would be a lie.
    const unmet = (app: string) => slow(app, { hypothesis: [availableProbe(app, 99, { minSamples: 30 })] });
    const held = ['ended', 'wiped', 'more', 'done'];
    await start('baseline', 'Baseline', unmet('baseline'));
    // Long enough for the second controller to see enough of the fault itself, also on a busy machine.
    const method = (name: string) => [killStep(name, { duration: '5s' })];
    await Promise.all(held.map((name) => start(name, 'Holding', slow(name, { method: method(name) }))));
    await first.stop();
    await Promise.all(['new', 'new-passed'].map((name) => cluster.deploy(name, 3)));
    await cluster.createRun('new', unmet('new'));
    const claims = { ...finished, conditions: ['TargetsSelected', 'BaselineHeld'].map(condition) };
    await forge('new', { ...claims, steps: [step('new', { state: 'Done', hit: 1, effective: 1 })] });
    await forge('ended', finished);
    await cluster.client.replaceStatus(experimentRuns, 'default', 'wiped', {});
    await forge('more', {
      selection: [{ ...cluster.run('more')?.status?.selection?.[0], chosen: 3 }],
      steps: [step('more', { state: 'Injecting', targets: 3 })],
    });
    await forge('done', {
      conditions: [...(cluster.run('done')?.status?.conditions ?? []), condition('Reverted')],
      revertedTime: '2020-01-01T00:00:00Z',
    });
    await forge('baseline', {
      conditions: ['TargetsSelected', 'BaselineHeld'].map(condition),
      steps: [step('baseline', { state: 'Done', hit: 1, effective: 1 })],
    });
    cluster.controller();
    await until(() => cluster.run('new')?.status?.message !== 'trust me', 'what was forged to be replaced');
    const ended = Object.fromEntries(
      await Promise.all(
        [...held, 'new', 'baseline'].map(async (name) => {
          const { status } = await cluster.finished(name);
          return [name, `${status?.verdict}/${status?.reason} ${cluster.deletedOf(name).length}`];
        }),
      ),
    );
    expect(ended).toMatchObject({
      ended: 'Passed/HypothesisHeld 1',
      wiped: 'Error/InjectionFailed 1',
      more: 'Passed/HypothesisHeld 1',
      new: 'Inconclusive/BaselineUnmet 0',
      baseline: 'Inconclusive/BaselineUnmet 0',
    });
    expect(ended.done).not.toMatch(/Passed/);
    expect(cluster.run('ended')?.status?.message).not.toContain('trust me');
  }, 60_000);
});
