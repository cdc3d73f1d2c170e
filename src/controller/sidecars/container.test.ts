import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Connection, connectTo } from '../../cli/connect.js';
import { encodeOrder, encodeReport, type SidecarReport } from '../../faults/sidecar.js';
import { clusterAt } from '../../kubernetes/kubeconfig.js';
import { type Json, type KubeObject, pods } from '../../kubernetes/resource.js';
import { type Cluster, startCluster } from '../../sandbox/cluster.js';
import { addContainer } from './add-container.js';
import { sidecarContainer, sidecarName, viewOf } from './container.js';

const fault = encodeOrder({
  pod: { namespace: 'default', name: 'web', uid: 'u' },
  podIPs: ['10.1.0.5'],
  hostIPs: [],
  probePorts: [],
  steps: [],
  milliseconds: 60_000,
  startBy: 1_800_000_000_000,
  onDrift: 'Reapply',
  drifts: 0,
});
const made = (name: string) => sidecarContainer(name, { image: 'squall:1' }, 'hold', fault, false);
const ID = '0badcafe';

describe('what a pod shows of a fault', () => {
  const report: SidecarReport = { end: 'Over', drifts: 0, effective: true, evidence: { packets: 3 } };
  const pod = (names: string[], statuses: Json[] = [], status: Json = {}): KubeObject => ({
    metadata: { name: 'web' },
    spec: { ephemeralContainers: names.map(made) },
    status: { ephemeralContainerStatuses: statuses, ...status },
  });

  test('is nothing without a container of its own', () => {
    expect(viewOf({ metadata: {} }, ID)).toMatchObject({ hold: [], revert: [], hasEnded: false });
    expect(viewOf(pod(['squall-agent-12345678', 'debugger']), ID).hold).toEqual([]);
  });

  test('are its containers in the order they were added', () => {
    const names = [sidecarName(ID, 'hold', 2), sidecarName(ID, 'revert', 1), sidecarName(ID, 'hold', 1)];
    const { hold, revert } = viewOf(pod(names), ID);
    expect(hold.map(({ name }) => name)).toEqual(['squall-agent-0badcafe', 'squall-agent-0badcafe-2']);
    expect(revert.map(({ name }) => name)).toEqual(['squall-agent-0badcafe-revert']);
  });

  test.each<[string, Json, object]>([
    ['is waiting before the kubelet has seen it', undefined, { state: 'Waiting' }],
    [
      'is waiting',
      { waiting: { reason: 'ErrImagePull', message: 'no' } },
      { state: 'Waiting', words: 'ErrImagePull: no' },
    ],
    ['is running', { running: { startedAt: '2026-01-01T00:00:00Z' } }, { state: 'Running', startedAt: 1767225600000 }],
    [
      'was killed',
      { terminated: { exitCode: 137, reason: 'OOMKilled', message: 'Killed' } },
      { state: 'Ended', words: 'OOMKilled (exit code 137)' },
    ],
    [
      'has ended with its report',
      { terminated: { exitCode: 0, reason: 'Completed', message: encodeReport(report) } },
      { state: 'Ended', report },
    ],
  ])('a container that %s', (_, state, expected) => {
    const name = sidecarName(ID, 'hold', 1);
    const [hold] = viewOf(pod([name], state ? [{ name, state }] : []), ID).hold;
    expect(hold).toMatchObject({ fault, milliseconds: 60_000, startBy: 1_800_000_000_000, ...expected });
    expect('report' in (hold ?? {})).toBe('report' in expected);
  });

  test('is without an end when its order can not be read', () => {
    const name = sidecarName(ID, 'hold', 1);
    const odd = { metadata: {}, spec: { ephemeralContainers: [{ name, args: ['sidecar', 'hold', '--fault', '?'] }] } };
    expect(viewOf(odd, ID).hold[0]).toMatchObject({ milliseconds: Number.POSITIVE_INFINITY, podIPs: [] });
  });

  test('has ended only when every container has, for good', () => {
    const name = sidecarName(ID, 'hold', 1);
    const terminated = { state: { terminated: { exitCode: 0 } } };
    const hasEnded = (status: Json, deletionTimestamp?: string) => {
      const found = pod([name], [{ name, ...terminated }], status);
      return viewOf({ ...found, metadata: { ...(deletionTimestamp && { deletionTimestamp }) } }, ID).hasEnded;
    };
    expect(hasEnded({ containerStatuses: [terminated] }, 'now')).toBe(true);
    expect(hasEnded({ containerStatuses: [terminated], phase: 'Failed' })).toBe(true);
    expect(hasEnded({ containerStatuses: [terminated], phase: 'Running' })).toBe(false);
    expect(hasEnded({ containerStatuses: [{ state: { running: {} } }] }, 'now')).toBe(false);
  });
});

describe('a container of ours', () => {
  let cluster: Cluster;
  let connection: Connection;
  let pod: KubeObject;
  let names = 0;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, simulated: true });
    connection = connectTo(clusterAt(cluster.url), {}, 'test');
  });

  beforeEach(async () => {
    names += 1;
    const metadata = { name: `web-${names}`, namespace: 'default' };
    pod = await connection.client.create<KubeObject>(pods, {
      metadata,
      spec: { nodeName: 'nowhere', containers: [{ name: 'main', image: 'app:1' }] },
    });
  });

  afterEach(() => cluster.knobs.set({ faults: [] }));

  afterAll(async () => {
    connection?.close();
    await cluster?.stop();
  });

  const add = (to: KubeObject, name = 'squall-agent-0badcafe') =>
    addContainer(connection.client, to, made(name), () => {});

  test('is added beside others', async () => {
    const first = await add(pod);
    if (first === 'later' || !('pod' in first)) throw new Error('it was not added');
    const second = await add(first.pod, 'squall-agent-0badcafe-revert');
    expect(second).toMatchObject({
      pod: { spec: { ephemeralContainers: [{}, { args: ['sidecar', 'hold', '--fault', fault] }] } },
    });
  });

  test('has no right but the one it needs', () => {
    expect(made('any').securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
    });
  });

  test('is not added to a pod that has changed since it was read', async () => {
    await add(pod);
    expect(await add(pod)).toBe('later');
  });

  test('is not added to another pod of that name', async () => {
    await connection.client.delete(pods, 'default', pod.metadata.name ?? '', { gracePeriodSeconds: 0 });
    expect(await add(pod)).toEqual({ outcome: { result: 'gone' } });
    await connection.client.create<KubeObject>(pods, {
      metadata: { name: pod.metadata.name ?? '', namespace: 'default' },
      spec: { nodeName: 'nowhere', containers: [{ name: 'main', image: 'app:1' }] },
    });
    expect(await add(pod)).toBe('later');
  });

  test.each([
    [403, /may not add ephemeral containers|refuses the sidecar/],
    [422, /refuses the sidecar/],
    [400, /refuses the sidecar/],
  ])('that is answered with %i is refused for good', async (code, message) => {
    cluster.knobs.set({ faults: [{ path: 'ephemeralcontainers', code }] });
    expect(await add(pod)).toEqual({ outcome: { result: 'refused', message: expect.stringMatching(message) } });
  });

  test('that is answered with 500 may have been added', async () => {
    cluster.knobs.set({ faults: [{ path: 'ephemeralcontainers', code: 500 }] });
    await expect(add(pod)).rejects.toThrow();
  });
});
