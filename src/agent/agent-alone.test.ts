import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CONTROLLER_LEASE, DEFAULT_NAMESPACE } from '../api/labels.js';
import { injections, type KubeObject, leases } from '../kubernetes/resource.js';
import { AgentLab, quickTimes } from '../testing/agents.js';
import { until } from '../testing/scripted-server.js';

let lab: AgentLab;

beforeEach(async () => {
  lab = await AgentLab.start();
}, 20_000);

afterEach(() => lab?.stop());

describe('a controller that is gone', () => {
  test('has everything taken back, for good', async () => {
    const { agent } = await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('lost', [a]);
    await lab.reach('lost', ['Effective']);
    lab.stopController();
    await until(() => lab.injection('lost')?.status?.ended !== undefined);
    await lab.reach('lost', ['Reverted']);
    expect(lab.injection('lost')?.status?.ended).toMatchObject({ reason: 'ControllerLost' });
    expect(lab.node.hit).toEqual([]);
    await lab.startController();
    await until(() => agent.busy.held === 0);
    expect(lab.node.count('apply', a.uid)).toBe(1);
  });

  test('has nothing put on', async () => {
    const { agent } = await lab.agent();
    await until(() => agent.isReady);
    lab.stopController();
    const renewTime = '2026-01-01T00:00:00.000000Z';
    await lab.client.patch(leases, DEFAULT_NAMESPACE, CONTROLLER_LEASE, { spec: { renewTime } });
    const a = await lab.pod('a');
    await lab.inject('idle', [a]);
    await until(() => lab.targets('idle').length > 0 || agent.busy.injections > 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(lab.node.done).toEqual([]);
    await lab.startController();
    await lab.reach('idle', ['Effective']);
  });

  test('is told from one whose Lease another controller took over', async () => {
    await lab.agent();
    await lab.inject('kept', [await lab.pod('a')]);
    await lab.reach('kept', ['Effective']);
    await new Promise((resolve) => setTimeout(resolve, 600));
    lab.stopController();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await lab.client.patch(leases, DEFAULT_NAMESPACE, CONTROLLER_LEASE, { spec: { leaseTransitions: 7 } });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(lab.injection('kept')?.status?.ended).toBeUndefined();
    expect(lab.node.hit).toHaveLength(1);
  });

  test('counts from its last sign also for an agent that is started again and again', async () => {
    const a = await lab.pod('a');
    const times = { ...quickTimes, deadMan: { grace: 4_000, every: 200, patience: 300 } };
    let present = await lab.agent({ times });
    await lab.inject('looping', [a]);
    await lab.reach('looping', ['Effective']);
    lab.stopController();
    const since = performance.now();
    while (lab.node.hit.length > 0 && performance.now() - since < 15_000) {
      await present.kill();
      present = await lab.agent({ times });
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
    expect(performance.now() - since).toBeLessThan(9_000);
    await until(() => lab.injection('looping')?.status?.ended !== undefined);
  });
});

describe('a controller that is there', () => {
  test('is not taken for gone by an agent that can not know when it saw it last', async () => {
    const first = await lab.agent();
    await lab.inject('kept', [await lab.pod('a')]);
    await lab.reach('kept', ['Effective']);
    await first.kill();
    rmSync(join(lab.folder, 'controller-seen.json'));
    const { agent } = await lab.agent();
    await until(() => agent.busy.held === 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(lab.injection('kept')?.status?.ended).toBeUndefined();
  });
});

describe('an API server that does not answer', () => {
  const away = () => true;

  test('has everything taken back, which is told when it is there again, also by another agent', async () => {
    const first = await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('away', [a]);
    await lab.reach('away', ['Effective']);
    first.proxy.intercept.before = away;
    lab.cluster.knobs.dropWatches();
    await until(() => lab.node.hit.length === 0);
    await first.kill();
    expect((await lab.records()).map(({ ended }) => ended?.reason)).toEqual(['ControllerLost']);
    const second = await lab.agent();
    await lab.reach('away', ['Reverted']);
    expect(lab.injection('away')?.status?.ended).toMatchObject({ reason: 'ControllerLost' });
    expect(lab.node.count('apply', a.uid)).toBe(1);
    await lab.revert('away');
    await until(() => second.agent.busy.injections === 0);
    await second.stop();
    expect(await lab.records()).toEqual([]);
  });

  test('when an agent starts does not keep it from taking back what was on', async () => {
    const first = await lab.agent();
    await lab.inject('orphaned', [await lab.pod('a')]);
    await lab.reach('orphaned', ['Effective']);
    await first.kill();
    await lab.cluster.knobs.set({ faults: [{ path: 'leases|injections', code: 500 }] });
    await lab.agent();
    await until(() => lab.node.hit.length === 0);
    lab.cluster.knobs.set({ faults: [] });
    await lab.reach('orphaned', ['Reverted']);
    expect(lab.injection('orphaned')?.status?.ended).toMatchObject({ reason: 'ControllerLost' });
  });
});

describe('an agent that is replaced', () => {
  test('leaves what is on to the next one, which holds it as it is', async () => {
    const first = await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('handed', [a]);
    await lab.reach('handed', ['Effective']);
    await first.stop();
    expect(lab.node.hit).toEqual([a.uid]);
    const held = lab.node.count('hold', a.uid);
    await lab.agent();
    await until(() => lab.node.count('hold', a.uid) > held + 2);
    expect(lab.targets('handed')[0]).toMatchObject({ state: 'Effective' });
    expect(lab.targets('handed')[0]?.drifts).toBeUndefined();
    expect(lab.node.count('apply', a.uid)).toBe(1);
  });

  test('has the next one wait until it has ended', async () => {
    const first = await lab.agent();
    await lab.inject('waited', [await lab.pod('a')]);
    await lab.reach('waited', ['Effective']);
    const next = lab.agent();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await first.stop();
    const { agent } = await next;
    await until(() => agent.isReady && agent.busy.held === 1);
  });

  test('takes back what was reverted, or whose injection went, meanwhile', async () => {
    const first = await lab.agent();
    await lab.inject('reverted', [await lab.pod('a')]);
    await lab.inject('deleted', [await lab.pod('b')]);
    await lab.reach('reverted', ['Effective']);
    await lab.reach('deleted', ['Effective']);
    await first.kill();
    await lab.revert('reverted');
    await lab.client.delete(injections, DEFAULT_NAMESPACE, 'deleted');
    const { agent, stop } = await lab.agent();
    await lab.reach('reverted', ['Reverted']);
    await until(() => lab.node.hit.length === 0 && agent.busy.injections === 0);
    await stop();
    expect(await lab.records()).toEqual([]);
  });

  test('takes back what a status says is on though its own records are lost', async () => {
    const first = await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('forgotten', [a]);
    await lab.reach('forgotten', ['Effective']);
    await first.kill();
    rmSync(join(lab.folder, 'journal'), { recursive: true });
    await lab.revert('forgotten');
    const { agent, stop } = await lab.agent();
    await lab.reach('forgotten', ['Reverted']);
    expect(lab.node.hit).toEqual([]);
    expect(lab.node.count('revert', a.uid)).toBe(1);
    await until(() => agent.busy.injections === 0);
    await stop();
    expect(await lab.records()).toEqual([]);
  });

  test('after a reboot finds nothing on, and puts on what is still wanted', async () => {
    const first = await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('rebooted', [a]);
    await lab.reach('rebooted', ['Effective']);
    await first.kill();
    lab.node.bootId = 'boot-2';
    lab.node.run(a.uid);
    await lab.agent();
    await until(() => lab.targets('rebooted')[0]?.drifts === 1);
    await lab.reach('rebooted', ['Effective']);
    expect(lab.node.hit).toEqual([a.uid]);
  });

  test('says on its Lease that it is there, and what the node can do', async () => {
    await lab.agent();
    const name = 'squall-agent-n1';
    const lease = () => lab.cluster.store.get('leases.coordination.k8s.io', DEFAULT_NAMESPACE, name) as KubeObject;
    await until(() => lease()?.spec?.renewTime !== undefined);
    const { metadata, spec } = lease();
    expect(metadata.annotations).toMatchObject({ 'squall.dev/node-name': 'n1', 'squall.dev/boot-id': 'boot-1' });
    expect(JSON.parse(metadata.annotations?.['squall.dev/abilities'] ?? '')).toMatchObject({ nft: '', netem: '' });
    expect(spec.renewTime).toMatch(/^.{19}\.\d{6}Z$/);
    await until(() => lease().spec.renewTime !== spec.renewTime);
  });
});
