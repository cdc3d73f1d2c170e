import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DEFAULT_NAMESPACE } from '../api/labels.js';
import { events, injections, type KubeObject, pods } from '../kubernetes/resource.js';
import { AgentLab, quickTimes } from '../testing/agents.js';
import { until } from '../testing/scripted-server.js';
import { RefusedError } from './handler.js';

let lab: AgentLab;

beforeEach(async () => {
  lab = await AgentLab.start();
}, 20_000);

afterEach(() => lab?.stop());

const statusWrites = (requests: { method: string; path: string }[]) =>
  requests.filter(({ method, path }) => method === 'PATCH' && path.includes('/injections/')).length;

const reasons = async () => (await lab.client.list<KubeObject>(events)).items.map(({ reason }) => reason);

describe('an injection', () => {
  test('is put on, held while it is wanted, and taken back', async () => {
    const { agent, stop } = await lab.agent();
    const [a, b] = [await lab.pod('a'), await lab.pod('b')];
    await lab.inject('both', [a, b]);
    await lab.reach('both', ['Effective']);
    expect(lab.node.hit.sort()).toEqual([a.uid, b.uid].sort());
    await until(() => lab.node.count('hold', a.uid) > 3);
    await lab.revert('both');
    const reverted = await lab.reach('both', ['Reverted']);
    expect(lab.node.hit).toEqual([]);
    expect(reverted[0]).toMatchObject({ effective: true, evidence: { packets: expect.any(Number) } });
    await until(() => agent.busy.injections === 0 && agent.busy.held === 0);
    await until(async () => (await reasons()).filter((reason) => reason === 'FaultReverted').length === 2);
    await stop();
    expect(await lab.records()).toEqual([]);
  });

  test('of a fault that only a newer version knows is refused, in words that help', async () => {
    const group = 'apiextensions.k8s.io';
    const crds = { group, version: 'v1', plural: 'customresourcedefinitions', namespaced: false };
    const crd = await lab.client.get<KubeObject>(crds, undefined, 'injections.squall.dev');
    const { properties } = crd.spec.versions[0].schema.openAPIV3Schema.properties.spec;
    properties.flood = { type: 'object', properties: {} };
    delete crd.spec.versions[0].schema.openAPIV3Schema.properties.spec['x-kubernetes-validations'];
    await lab.client.patch(crds, undefined, 'injections.squall.dev', { spec: crd.spec });
    const { agent } = await lab.agent();
    await lab.inject('newer', [await lab.pod('a')], { flood: {} });
    const [target] = await lab.reach('newer', ['Refused']);
    expect(target?.message).toMatch(
      /^the agent of node n1 can't: this version .* does not know .*; bring the agents up/,
    );
    expect(lab.node.done).toEqual([]);
    await lab.revert('newer');
    await until(() => agent.busy.injections === 0);
  });

  test('that only waits is left alone', async () => {
    const { agent } = await lab.agent();
    await until(() => agent.isReady);
    await lab.inject('waits', [await lab.pod('a')], { processPause: {}, state: 'Pending' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(agent.busy).toEqual({ injections: 0, held: 0, keys: 0 });
    expect(lab.injection('waits')?.status).toBeUndefined();
    expect(lab.node.done).toEqual([]);
  });

  test('that was made for another boot of the node is not put on', async () => {
    await lab.agent();
    await lab.inject('old', [await lab.pod('a')], { processPause: {}, bootId: 'boot-0' });
    await lab.reach('old', ['Missed']);
    expect(lab.node.done).toEqual([]);
  });

  test('whose only difference are counters is written every five seconds at most', async () => {
    const { proxy } = await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('one', [a]);
    await lab.reach('one', ['Effective']);
    const before = statusWrites(proxy.requests);
    await until(() => lab.node.count('hold', a.uid) > 8);
    expect(statusWrites(proxy.requests) - before).toBeLessThanOrEqual(1);
  });

  test('with a hundred targets takes few writes, and all are held', async () => {
    const { agent, proxy } = await lab.agent({ times: { ...quickTimes, holds: { every: 1_000, atOnce: 4 } } });
    const targets = await Promise.all(Array.from({ length: 100 }, (_, index) => lab.pod(`pod-${index}`)));
    await lab.inject('many', targets);
    await lab.reach('many', ['Effective']);
    expect(statusWrites(proxy.requests)).toBeLessThan(12);
    await until(() => targets.every(({ uid }) => lab.node.count('hold', uid) >= 3));
    expect(agent.busy.held).toBe(100);
    await lab.revert('many');
    await lab.reach('many', ['Reverted']);
    expect(lab.node.hit).toEqual([]);
  }, 20_000);

  test('of a fault that happens once is confirmed, and leaves no undo record', async () => {
    const { agent, stop } = await lab.agent();
    await lab.inject('once', [await lab.pod('a')], { containerKill: {} });
    await lab.reach('once', ['Effective']);
    await lab.revert('once');
    await until(() => agent.busy.injections === 0);
    await stop();
    expect(await lab.records()).toEqual([]);
  });

  test('that is deleted by force is taken back', async () => {
    const { agent } = await lab.agent();
    await lab.inject('deleted', [await lab.pod('a')]);
    await lab.reach('deleted', ['Effective']);
    await lab.client.delete(injections, DEFAULT_NAMESPACE, 'deleted');
    await until(() => lab.node.hit.length === 0 && agent.busy.injections === 0);
  });

  test('that someone writes at the same moment is decided on again', async () => {
    const { proxy } = await lab.agent();
    const a = await lab.pod('a');
    let writes = 0;
    lab.node.hooks.apply = async () => {
      writes += 1;
      const metadata = { annotations: { written: String(writes) } };
      await lab.client.patch(injections, DEFAULT_NAMESPACE, 'contested', { metadata });
    };
    await lab.inject('contested', [a]);
    await lab.reach('contested', ['Effective']);
    expect(lab.node.count('apply', a.uid)).toBe(1);
    expect(statusWrites(proxy.requests)).toBeGreaterThanOrEqual(2);
  });

  test('is carried on when the answers to its writes are lost', async () => {
    const { proxy } = await lab.agent();
    let lost = 0;
    proxy.intercept.answered = ({ method, path }) => {
      if (method !== 'PATCH' || !path.includes('/injections/') || lost >= 3) return false;
      lost += 1;
      return true;
    };
    const a = await lab.pod('a');
    await lab.inject('lossy', [a]);
    await lab.reach('lossy', ['Effective']);
    await lab.revert('lossy');
    await lab.reach('lossy', ['Reverted']);
    expect(lost).toBe(3);
    expect(lab.node.count('apply', a.uid)).toBe(1);
    expect(lab.node.hit).toEqual([]);
  });
});

describe('a target', () => {
  test('that was gone before is missed, and one that goes takes its fault along', async () => {
    const { agent } = await lab.agent();
    const [a, b] = [await lab.pod('a'), { namespace: 'default', name: 'nobody', uid: 'no-uid' }];
    await lab.inject('gone', [a, b]);
    await until(
      () =>
        lab
          .targets('gone')
          .map(({ state }) => state)
          .join() === 'Effective,Missed',
    );
    lab.node.end(a.uid);
    await lab.client.delete(pods, 'default', 'a', { gracePeriodSeconds: 0 });
    await until(() => lab.targets('gone')[0]?.state === 'Reverted');
    expect(lab.targets('gone')[0]).toMatchObject({ effective: true });
    await lab.revert('gone');
    await until(() => agent.busy.injections === 0);
  });

  test('that another pod took the name of is missed', async () => {
    await lab.agent();
    const { uid } = await lab.pod('a');
    await lab.inject('renamed', [{ namespace: 'default', name: 'a', uid: 'another' }]);
    await lab.reach('renamed', ['Missed']);
    expect(lab.node.count('apply', uid)).toBe(0);
  });

  test('that refuses half-way is cleaned at once, and says why', async () => {
    const { agent, stop } = await lab.agent();
    const a = await lab.pod('a');
    lab.node.hooks.hold = () => {
      throw new RefusedError('the kernel would not');
    };
    await lab.inject('refused', [a]);
    const [target] = await lab.reach('refused', ['Failed']);
    expect(target?.message).toBe('the kernel would not');
    expect(lab.node.hit).toEqual([]);
    await lab.revert('refused');
    await lab.reach('refused', ['Reverted']);
    await until(() => agent.busy.injections === 0);
    await stop();
    expect(await lab.records()).toEqual([]);
  });

  test('on which the fault can not be taken back says so, until it can', async () => {
    await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('stuck', [a]);
    await lab.reach('stuck', ['Effective']);
    lab.node.hooks.revert = () => {
      throw new Error('a qdisc is left');
    };
    await lab.revert('stuck');
    const [target] = await lab.reach('stuck', ['Failed']);
    expect(target?.message).toBe('a qdisc is left');
    lab.node.hooks.revert = () => {};
    await lab.reach('stuck', ['Reverted']);
    expect(lab.node.hit).toEqual([]);
  });

  test('that hangs does not keep the others of its injection waiting', async () => {
    const { agent } = await lab.agent();
    const targets = [await lab.pod('hangs'), await lab.pod('b'), await lab.pod('c')];
    const hanging = targets[0]?.uid;
    let release = () => {};
    lab.node.hooks.apply = (uid) => (uid === hanging ? new Promise<void>((resolve) => (release = resolve)) : undefined);
    await lab.inject('slow', targets);
    await until(() => lab.targets('slow').filter(({ state }) => state === 'Effective').length === 2);
    expect(lab.targets('slow')[0]?.state).toBe('Applying');
    await lab.revert('slow');
    await until(() => lab.targets('slow').filter(({ state }) => state === 'Reverted').length === 2);
    release();
    await lab.reach('slow', ['Reverted']);
    expect(lab.node.hit).toEqual([]);
    await until(() => agent.busy.held === 0 && agent.busy.injections === 0);
  });
});

describe('a fault that vanishes', () => {
  test('is noticed, told, and put back', async () => {
    await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('drifts', [a]);
    await lab.reach('drifts', ['Effective']);
    lab.node.flush(a.uid);
    await until(() => lab.targets('drifts')[0]?.drifts === 1);
    await lab.reach('drifts', ['Effective']);
    expect(lab.node.hit).toEqual([a.uid]);
    await until(async () => (await reasons()).includes('FaultVanished'));
  });

  test('ends the injection when that is asked for', async () => {
    await lab.agent();
    const [a, b] = [await lab.pod('a'), await lab.pod('b')];
    await lab.inject('ends', [a, b], { processPause: {}, onDrift: 'End' });
    await lab.reach('ends', ['Effective']);
    lab.node.flush(a.uid);
    await lab.reach('ends', ['Reverted']);
    expect(lab.injection('ends')?.status?.ended).toMatchObject({ reason: 'FaultLost' });
    expect(lab.node.hit).toEqual([]);
  });

  test('with the sandbox of a pod that lives on is put on the new one', async () => {
    await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('sandbox', [a]);
    await lab.reach('sandbox', ['Effective']);
    lab.node.end(a.uid);
    await until(() => lab.targets('sandbox')[0]?.drifts === 1);
    lab.node.run(a.uid);
    await lab.reach('sandbox', ['Effective']);
    expect(lab.node.hit).toEqual([a.uid]);
    await lab.revert('sandbox');
    await lab.reach('sandbox', ['Reverted']);
    expect(lab.node.hit).toEqual([]);
  });

  test('as soon as it is put on is refused, and not put on again and again', async () => {
    await lab.agent();
    const a = await lab.pod('a');
    lab.node.hooks.hold = (uid) => lab.node.flush(uid);
    await lab.inject('slippery', [a]);
    const [target] = await lab.reach('slippery', ['Failed']);
    expect(target?.message).toBe('it was put on and did not stay: it was flushed');
  });

  test('is not claimed when it can not be looked at', async () => {
    await lab.agent();
    const a = await lab.pod('a');
    await lab.inject('blind', [a]);
    await lab.reach('blind', ['Effective']);
    lab.node.hooks.hold = () => {
      throw new Error('nft took longer than 10 s');
    };
    await until(() => lab.targets('blind')[0]?.drifts === 1);
  });
});
