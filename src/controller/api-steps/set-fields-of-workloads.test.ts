import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { FieldChange, ObjectRef } from '../../faults/step.js';
import { deployments } from '../../kubernetes/resource.js';
import { FieldsBench } from '../../testing/held-fields.js';
import { until } from '../../testing/scripted-server.js';
import { horizontalPodAutoscalers } from './objects.js';

let bench: FieldsBench;

beforeAll(async () => {
  bench = await FieldsBench.open();
});

afterAll(() => bench?.close());

describe('a workload that is scaled', () => {
  const to = (wanted: { count: number } | { percent: number }): FieldChange[] => [{ field: 'replicas', to: wanted }];
  const pausing = (wanted: { count: number } | { percent: number }): FieldChange[] => [
    { field: 'autoscalerBounds', to: wanted },
    ...to(wanted),
  ];
  const replicasOf = async (workload: ObjectRef) => (await bench.seen(workload)).spec.replicas;

  test.each([
    [{ percent: 50 }, 3, 1],
    [{ percent: 0 }, 3, 0],
    [{ percent: 200 }, 3, 6],
    [{ count: 0 }, 2, 0],
    [{ count: 4 }, 1, 4],
  ])('to %j of %d has %d, and then as many as before', async (wanted, before, during) => {
    const workload = await bench.deployment(before);
    const whole = await bench.seen(workload);
    const fault = await bench.held(workload, to(wanted));
    expect(await replicasOf(workload)).toBe(during);
    await until(async () => (await fault.inspect()).effective, 'the effect');
    const pods = bench.cluster.store
      .list('pods', 'default')
      .filter(({ metadata }) => metadata.labels?.app === workload.name);
    expect(pods).toHaveLength(during);
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect(await bench.seen(workload)).toEqual(whole);
  });

  test('is left as somebody else scales it meanwhile', async () => {
    const workload = await bench.deployment(2);
    const fault = await bench.held(workload, to({ count: 1 }));
    await bench.client.patch(deployments, 'default', workload.name, { spec: { replicas: 5 } });
    expect(await fault.inspect()).toMatchObject({ on: false, instead: 'spec.replicas is 5' });
    expect(await fault.revert()).toMatchObject({ conflict: expect.stringContaining('spec.replicas is 5') });
    expect(await replicasOf(workload)).toBe(5);
  });

  test.each([
    [{ count: 1 }, 4],
    [{ count: 0 }, 3],
    [{ count: 9 }, 3],
    [{ count: 2 }, 0],
  ])('to %j past its autoscaler has both as they were before', async (wanted, before) => {
    const workload = await bench.deployment(before);
    const autoscaler = await bench.autoscaler(workload, { minReplicas: 2, maxReplicas: 5 });
    const whole = [await bench.seen(workload), await bench.seen(autoscaler)];
    const fault = await bench.held(workload, pausing(wanted), { client: bench.watchedBy(autoscaler) });
    await until(async () => (await fault.inspect()).effective, 'the effect');
    expect(await replicasOf(workload)).toBe(wanted.count);
    expect(await fault.inspect()).toMatchObject({ on: true });
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect([await bench.seen(workload), await bench.seen(autoscaler)]).toEqual(whole);
  });

  test('has the bounds of its autoscaler left as somebody else makes them', async () => {
    const workload = await bench.deployment(3);
    const autoscaler = await bench.autoscaler(workload, { minReplicas: 2, maxReplicas: 5 });
    const fault = await bench.held(workload, pausing({ count: 1 }));
    await bench.client.patch(horizontalPodAutoscalers, 'default', autoscaler.name, {
      spec: { minReplicas: 4, maxReplicas: 8 },
    });
    expect(await fault.revert()).toMatchObject({ conflict: expect.stringContaining('is 4 to 8') });
    expect((await bench.seen(autoscaler)).spec).toMatchObject({ minReplicas: 4, maxReplicas: 8 });
  });

  test('needs no autoscaler to be asked to pause it', async () => {
    const workload = await bench.deployment(2);
    const whole = await bench.seen(workload);
    const fault = await bench.held(workload, pausing({ count: 1 }));
    await fault.revert();
    expect(await bench.seen(workload)).toEqual(whole);
  });
});

describe('a workload that is restarted', () => {
  const restarted: FieldChange[] = [{ field: 'restartedAt' }];
  const timeOf = async (workload: ObjectRef) =>
    (await bench.seen(workload)).spec.template.metadata.annotations?.['kubectl.kubernetes.io/restartedAt'];

  test('makes its pods anew, once', async () => {
    const workload = await bench.deployment(2);
    const fault = bench.fault(workload, restarted);
    expect(await fault.apply()).toEqual({ result: 'done' });
    const time = await timeOf(workload);
    expect(Date.parse(time)).not.toBeNaN();
    await until(async () => (await fault.inspect()).effective, 'new pods');
    await fault.apply();
    expect(await timeOf(workload)).toBe(time);
    await bench.fault(workload, restarted, { mark: 'ffffffff' }).apply();
    expect(await timeOf(workload)).not.toBe(time);
    expect(await fault.inspect()).toMatchObject({ on: false });
  });

  test('is refused while it is paused, for nothing would come of it', async () => {
    const workload = await bench.deployment(1, { paused: true });
    expect(await bench.fault(workload, restarted).apply()).toMatchObject({
      result: 'refused',
      message: expect.stringContaining('is paused'),
    });
  });
});
