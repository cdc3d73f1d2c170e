import { describe, expect, test } from '@jest/globals';
import type { Injection } from '../../api/injection.js';
import { recordId } from '../../domain/record-id.js';
import { decodeOrder } from '../../faults/sidecar.js';
import type { Client } from '../../kubernetes/client.js';
import { type Json, type KubeObject, pods } from '../../kubernetes/resource.js';
import type { Sidecar } from './container.js';
import { START_MILLISECONDS } from './judge.js';
import { type OrderFacts, orderFor, stepsOf } from './order.js';

const NOW = 1_800_000_000_000;
const target = { namespace: 'shop', name: 'web', uid: 'pod-uid' };
const injectionOf = (more: Json): Injection =>
  ({
    metadata: { name: 'a', uid: 'injection-uid', namespace: 'squall-system' },
    spec: { run: { namespace: 'shop', name: 'r', uid: 'r' }, step: 's', agent: 'Sidecar', duration: '1m', ...more },
  }) as unknown as Injection;
const pod: KubeObject = {
  metadata: { name: 'web' },
  spec: { containers: [{ name: 'main', readinessProbe: { tcpSocket: { port: 8080 } } }] },
  status: { podIPs: [{ ip: '10.1.0.5' }, { ip: 'fd00::5' }], hostIPs: [{ ip: '192.0.2.7' }] },
};

/** Answers lists of pods with one of this address. */
const clientWith = (address: string): Client =>
  ({
    async *listAll(resource: unknown) {
      const items = resource === pods ? [{ metadata: {}, status: { podIPs: [{ ip: address }] } }] : [];
      yield { items, resourceVersion: '1', continue: '', restarted: false };
    },
  }) as unknown as Client;
const client = clientWith('10.2.0.9');

const partition = {
  partition: {
    direction: 'Both',
    peers: { pods: { selector: { matchLabels: { app: 'db' } } }, cidrs: ['10.0.0.1/8'], hosts: ['db.example'] },
  },
};

async function orderOf(more: Json = {}, facts: Partial<OrderFacts> = {}) {
  const injection = injectionOf({ ...partition, ...more });
  const steps = await stepsOf(client, injection);
  return decodeOrder(orderFor(injection, target, { pod, steps, before: undefined, first: undefined, ...facts }, NOW));
}

describe('what a sidecar is told', () => {
  test('is where it has to be, and for how long', async () => {
    expect(await orderOf({ onDrift: 'End' })).toMatchObject({
      pod: target,
      podIPs: ['10.1.0.5', 'fd00::5'],
      hostIPs: ['192.0.2.7'],
      probePorts: [8080],
      milliseconds: 65_000,
      startBy: NOW + START_MILLISECONDS,
      onDrift: 'End',
      drifts: 0,
    });
  });

  test('are the addresses of its peers, and the names of those it has to look up', async () => {
    const [step] = (await orderOf()).steps;
    expect(step?.id).toBe(recordId('injection-uid', 'pod-uid', 0));
    expect(step?.peers).toEqual({ ranges: ['10.0.0.0/8', '10.2.0.9/32'], endpoints: [] });
    expect(step?.step.match.peers).toEqual({ hosts: ['db.example'] });
  });

  test('still names peers when none of them has to be looked up', async () => {
    const [step] = (await orderOf({ partition: { direction: 'Both', peers: { cidrs: ['10.0.0.0/8'] } } })).steps;
    expect(step?.step.match.peers).toEqual({});
  });

  test('lasts for the rest of its time when the fault is put back', async () => {
    const first = (startedAt: number): Sidecar =>
      ({ startBy: NOW - 20_000 + START_MILLISECONDS, startedAt }) as unknown as Sidecar;
    const left = async (startedAt: number) => {
      const before = { uid: 'pod-uid', state: 'Applying' as const, time: '', drifts: 2 };
      const { milliseconds, drifts } = await orderOf({}, { before, first: first(startedAt) });
      expect(drifts).toBe(2);
      return milliseconds;
    };
    expect(await left(NOW - 10_000)).toBe(55_000);
    // Clocks of nodes that are far off.
    expect(await left(NOW - 3_600_000)).toBe(45_000);
    expect(await left(NOW + 3_600_000)).toBe(65_000);
  });

  test.each<[string, Json, Partial<OrderFacts>, RegExp]>([
    ['without a duration', { duration: undefined }, {}, /needs a duration/],
    ['to a pod without an address', {}, { pod: { metadata: {} } }, /no address yet/],
    [
      'of a fault that only agents can carry',
      { partition: undefined, processPause: {} },
      {},
      /can't be carried out by a sidecar/,
    ],
  ])('is nothing %s', async (_, more, facts, message) => {
    await expect(orderOf(more, facts)).rejects.toThrow(message);
  });
});
