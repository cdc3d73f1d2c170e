import { afterEach, describe, expect, test } from '@jest/globals';
import { type ScriptedServer, sendJson, sendStatus, startScriptedServer, until } from '../testing/scripted-server.js';
import { Client } from './client.js';
import { clusterAt } from './kubeconfig.js';
import { LeaderElector, type LeaderElectorOptions, type Lease } from './lease.js';
import { createTransport } from './transport.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** An API server that holds one Lease, with optimistic concurrency, and from which electors can be cut off. */
interface LeaseServer extends ScriptedServer {
  lease: Lease | undefined;
  cutOff: Set<string>;
  /** Milliseconds by which its `Date` is off. */
  skewMs: number;
}

async function startLeaseServer(): Promise<LeaseServer> {
  let version = 0;
  const state: Pick<LeaseServer, 'lease' | 'cutOff' | 'skewMs'> = { lease: undefined, cutOff: new Set(), skewMs: 0 };
  const server = await startScriptedServer(({ method, body, headers }, response) => {
    if (state.cutOff.has(headers['user-agent'] ?? '')) return;
    response.setHeader('date', new Date(Date.now() + state.skewMs).toUTCString());
    if (method === 'POST' && state.lease) return sendStatus(response, 409, 'AlreadyExists');
    if (method !== 'POST' && !state.lease) return sendStatus(response, 404, 'NotFound');
    if (method === 'GET') return sendJson(response, 200, state.lease);
    const stale = method === 'PUT' && body.metadata.resourceVersion !== state.lease?.metadata.resourceVersion;
    if (stale) return sendStatus(response, 409, 'Conflict');
    version += 1;
    state.lease = { ...body, metadata: { ...body.metadata, resourceVersion: String(version) } };
    sendJson(response, 200, state.lease);
  });
  closers.push(() => server.close());
  return Object.assign(state, server);
}

function startElector(
  server: LeaseServer,
  identity: string,
  options: Partial<LeaderElectorOptions> = {},
): { elector: LeaderElector; log: string[] } {
  const transport = createTransport(clusterAt(server.url), { userAgent: identity });
  const log: string[] = [];
  const elector = new LeaderElector({
    client: new Client(transport),
    namespace: 'squall-system',
    name: 'squall-controller',
    identity,
    leaseDurationMs: 600,
    renewEveryMs: 80,
    renewDeadlineMs: 300,
    canRenew: () => true,
    onAcquired: ({ continued }) => log.push(continued ? 'continued' : 'acquired'),
    onLost: () => log.push('lost'),
    ...options,
  });
  closers.push(
    () => transport.close(),
    () => elector.stop(),
  );
  elector.start();
  return { elector, log };
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('LeaderElector', () => {
  test('writes a record that a real API server takes', async () => {
    const server = await startLeaseServer();
    const { elector } = startElector(server, 'a');
    await until(() => elector.isLeader());
    expect(server.lease).toMatchObject({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      spec: { holderIdentity: 'a', leaseDurationSeconds: 1, leaseTransitions: 0 },
    });
    const microTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
    expect(server.lease?.spec?.renewTime).toMatch(microTime);
    expect(server.lease?.spec?.acquireTime).toMatch(microTime);
    expect(server.requests[0]?.path).toBe(
      '/apis/coordination.k8s.io/v1/namespaces/squall-system/leases/squall-controller',
    );
  });

  test('renews on time and keeps the lead, and the second never leads meanwhile', async () => {
    const server = await startLeaseServer();
    const first = startElector(server, 'a');
    await until(() => first.elector.isLeader());
    const second = startElector(server, 'b');
    await pause(1_200);
    expect(first.log).toEqual(['acquired']);
    expect(second.log).toEqual([]);
    expect(server.lease?.spec?.leaseTransitions).toBe(0);
  });

  test('hands over at once when it stops, sooner than the lease would run out', async () => {
    const server = await startLeaseServer();
    const long = { leaseDurationMs: 60_000, renewDeadlineMs: 50_000 };
    const first = startElector(server, 'a', long);
    await until(() => first.elector.isLeader());
    const second = startElector(server, 'b', long);
    await pause(100);
    await first.elector.stop();
    expect(first.log).toEqual(['acquired', 'lost']);
    expect(server.lease?.spec?.holderIdentity).toBe('');
    await until(() => second.elector.isLeader());
    expect(second.log).toEqual(['acquired']);
    expect(server.lease?.spec?.leaseTransitions).toBe(1);
  });

  test.each([0, 3_600_000, -3_600_000])(
    'a leader that is cut off stops before another one begins, with clocks %i ms apart',
    async (skewMs) => {
      const server = await startLeaseServer();
      const first = startElector(server, 'a');
      await until(() => first.elector.isLeader());
      server.skewMs = skewMs;
      const second = startElector(server, 'b');
      await pause(100);
      server.cutOff.add('a');
      let both = false;
      await until(() => {
        both ||= first.elector.isLeader() && second.elector.isLeader();
        return second.elector.isLeader();
      });
      expect(both).toBe(false);
      expect(first.log).toEqual(['acquired', 'lost']);
      server.cutOff.clear();
      await pause(700);
      expect(first.elector.isLeader()).toBe(false);
      expect(second.log).toEqual(['acquired']);
    },
  );

  test('does not lead by the clock, also before any timer could tell it', async () => {
    const server = await startLeaseServer();
    const { elector, log } = startElector(server, 'a');
    await until(() => elector.isLeader());
    const blockedUntil = performance.now() + 400;
    while (performance.now() < blockedUntil) {}
    expect(log).toEqual(['acquired']);
    expect(elector.isLeader()).toBe(false);
  });

  test('stops leading while its run loop is stuck, and continues when nobody else led meanwhile', async () => {
    const server = await startLeaseServer();
    let stuck = false;
    const { elector, log } = startElector(server, 'a', { canRenew: () => !stuck });
    await until(() => elector.isLeader());
    stuck = true;
    await until(() => log.includes('lost'));
    expect(elector.isLeader()).toBe(false);
    stuck = false;
    await until(() => elector.isLeader());
    expect(log).toEqual(['acquired', 'lost', 'continued']);
  });

  test('does not continue what another one led meanwhile', async () => {
    const server = await startLeaseServer();
    let stuck = false;
    const first = startElector(server, 'a', { canRenew: () => !stuck });
    await until(() => first.elector.isLeader());
    stuck = true;
    const second = startElector(server, 'b');
    await until(() => second.elector.isLeader());
    stuck = false;
    await second.elector.stop();
    await until(() => first.elector.isLeader());
    expect(first.log).toEqual(['acquired', 'lost', 'acquired']);
  });

  test('a process that finds its own name on the Lease waits like any other', async () => {
    const server = await startLeaseServer();
    const spec = {
      holderIdentity: 'a',
      leaseDurationSeconds: 1,
      leaseTransitions: 3,
      renewTime: '2020-01-01T00:00:00.000000Z',
    };
    server.lease = { metadata: { name: 'squall-controller', namespace: 'squall-system', resourceVersion: 'x' }, spec };
    const { elector, log } = startElector(server, 'a');
    await pause(500);
    expect(elector.isLeader()).toBe(false);
    await until(() => elector.isLeader());
    expect(log).toEqual(['acquired']);
  });

  test('loses the lead when another one overwrote the record', async () => {
    const server = await startLeaseServer();
    const { elector, log } = startElector(server, 'a');
    await until(() => elector.isLeader());
    const { metadata } = server.lease as Lease;
    server.lease = {
      metadata: { ...metadata, resourceVersion: 'forced' },
      spec: { holderIdentity: 'b', leaseTransitions: 1 },
    };
    await until(() => log.includes('lost'));
    expect(elector.isLeader()).toBe(false);
    expect(server.lease.spec?.holderIdentity).toBe('b');
  });

  test('refuses times with which two could lead at once', async () => {
    const server = await startLeaseServer();
    expect(() => startElector(server, 'a', { renewDeadlineMs: 600 })).toThrow(
      'renewEveryMs < renewDeadlineMs < leaseDurationMs',
    );
  });
});
