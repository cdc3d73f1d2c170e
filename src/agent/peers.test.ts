import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Peers } from '../api/peers.js';
import { type Connection, connectTo } from '../cli/connect.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';
import { endpointSlices, type Json, type KubeObject, pods, services } from '../kubernetes/resource.js';
import { systemTiming } from '../kubernetes/timing.js';
import { type Cluster, startCluster } from '../sandbox/cluster.js';
import { until } from '../testing/scripted-server.js';
import type { LookUp } from './host-names.js';
import { PeerAddresses } from './peers.js';

let cluster: Cluster;
let connection: Connection;
/** Moves the clock that addresses grow old by. */
let ahead = 0;
const problems: string[] = [];

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1, simulated: true });
  connection = connectTo(clusterAt(cluster.url), {}, 'test');
});

afterAll(async () => {
  connection?.close();
  await cluster?.stop();
});

afterEach(() => {
  problems.length = 0;
  cluster.knobs.set({ faults: [] });
});

const noNames: LookUp = async (host) => {
  throw Object.assign(new Error(`queryA ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
};

function peers(named: Peers, lookUp: LookUp = noNames): PeerAddresses {
  const timing = { ...systemTiming, now: () => systemTiming.now() + ahead };
  return new PeerAddresses(named, {
    client: connection.client,
    namespace: 'default',
    timing,
    lookUp,
    onProblem: (problem) => problems.push(problem),
  });
}

async function service(name: string, spec: Json, slice?: Json): Promise<void> {
  const metadata = { name, namespace: 'default' };
  await connection.client.create<KubeObject>(services, { metadata, spec });
  if (!slice) return;
  const labels = { 'kubernetes.io/service-name': name };
  await connection.client.create<KubeObject>(endpointSlices, { metadata: { ...metadata, labels }, ...slice });
}

async function pod(name: string, app: string): Promise<string> {
  const metadata = { name, namespace: 'default', labels: { app } };
  await connection.client.create<KubeObject>(pods, {
    metadata,
    spec: { containers: [{ name: 'main', image: 'a:1' }] },
  });
  const address = () => (cluster.store.get('pods', 'default', name) as Json)?.status?.podIP;
  await until(() => address() !== undefined);
  return address();
}

describe('peers', () => {
  test('are ranges in one form, each once', async () => {
    const found = await peers({ cidrs: ['10.1.2.3/8', '10.0.0.0/8', '2001:DB8::1'] }).current();
    expect(found).toEqual({ ranges: ['10.0.0.0/8', '2001:db8::1/128'], endpoints: [] });
  });

  test('that are no ranges are refused with what was written', async () => {
    await expect(peers({ cidrs: ['10.0.0.0/40'] }).current()).rejects.toThrow("'10.0.0.0/40' is no range");
  });

  test('are the pods with these labels, as they come and go', async () => {
    const [a, b] = [await pod('a', 'payment'), await pod('b', 'payment')];
    await pod('c', 'another');
    const named = peers({ pods: { selector: { matchLabels: { app: 'payment' } } } });
    expect((await named.current()).ranges).toEqual([`${a}/32`, `${b}/32`].sort());
    await connection.client.delete(pods, 'default', 'a', { gracePeriodSeconds: 0 });
    expect((await named.current()).ranges).toHaveLength(2);
    ahead += 5_000;
    await until(async () => (await named.current()).ranges.length === 1);
    expect((await named.current()).ranges).toEqual([`${b}/32`]);
  });

  test('leave out pods that have ended', async () => {
    await pod('ended', 'job');
    await connection.client.patchStatus(pods, 'default', 'ended', { phase: 'Succeeded' });
    expect((await peers({ pods: { selector: { matchLabels: { app: 'job' } } } }).current()).ranges).toEqual([]);
  });

  test('are listed in pages', async () => {
    const many = Array.from({ length: 501 }, (_, index) => ({
      metadata: { name: `many-${index}`, namespace: 'default', labels: { app: 'many' } },
      spec: { nodeName: 'nowhere', containers: [{ name: 'main', image: 'a:1' }] },
    }));
    for (let from = 0; from < many.length; from += 50) {
      await Promise.all(many.slice(from, from + 50).map((one) => connection.client.create<KubeObject>(pods, one)));
    }
    const last = many.at(-1)?.metadata.name ?? '';
    await connection.client.patchStatus(pods, 'default', 'many-0', { podIPs: [{ ip: '10.9.0.1' }] });
    await connection.client.patchStatus(pods, 'default', last, { podIPs: [{ ip: '10.9.0.2' }, { ip: 'fd00::2' }] });
    const { ranges } = await peers({ pods: { selector: { matchLabels: { app: 'many' } } } }).current();
    expect(ranges).toEqual(['10.9.0.1/32', '10.9.0.2/32', 'fd00::2/128']);
  }, 20_000);

  test('are the cluster addresses of a Service with its ports, and those behind it with theirs', async () => {
    const slice = {
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.7.0.1'] }, { addresses: ['10.7.0.2'] }],
      ports: [{ port: 8080, protocol: 'TCP' }],
    };
    await service(
      'shop',
      {
        ports: [
          { port: 80, name: 'web' },
          { port: 53, protocol: 'UDP', name: 'dns' },
        ],
      },
      slice,
    );
    const { spec } = await connection.client.get(services, 'default', 'shop');
    const { endpoints, ranges } = await peers({ services: [{ name: 'shop' }] }).current();
    expect(ranges).toEqual([]);
    expect(endpoints).toEqual(
      expect.arrayContaining([
        { address: spec.clusterIP, port: 80, protocol: 'TCP' },
        { address: spec.clusterIP, port: 53, protocol: 'UDP' },
        { address: '10.7.0.1', port: 8080, protocol: 'TCP' },
        { address: '10.7.0.2', port: 8080, protocol: 'TCP' },
      ]),
    );
    expect(endpoints).toHaveLength(4);
  });

  test('of a headless Service are only the addresses behind it', async () => {
    const slice = { addressType: 'IPv4', endpoints: [{ addresses: ['10.7.1.1'] }], ports: [{ port: 5432 }] };
    await service('headless', { clusterIP: 'None', ports: [{ port: 5432 }] }, slice);
    const found = await peers({ services: [{ name: 'headless' }] }).current();
    expect(found).toEqual({ ranges: [], endpoints: [{ address: '10.7.1.1', port: 5432, protocol: 'TCP' }] });
  });

  test('that are no Services of the cluster are refused', async () => {
    await service('elsewhere', { type: 'ExternalName', externalName: 'db.example.org' });
    await expect(peers({ services: [{ name: 'elsewhere' }] }).current()).rejects.toThrow('name that under hosts');
    await expect(peers({ services: [{ name: 'no', namespace: 'other' }] }).current()).rejects.toThrow(
      "there is no Service 'no' in namespace 'other'",
    );
  });

  test('are the addresses of host names, for as long as the answer lives', async () => {
    let asked = 0;
    const lookUp: LookUp = async () => {
      asked += 1;
      return { addresses: [`192.0.2.${asked}`, '2001:db8::9'], timeToLiveSeconds: 60 };
    };
    const named = peers({ hosts: ['db.example.org'] }, lookUp);
    expect((await named.current()).ranges).toEqual(['192.0.2.1/32', '2001:db8::9/128']);
    ahead += 30_000;
    await named.current();
    expect(asked).toBe(1);
    ahead += 31_000;
    await until(async () => (await named.current()).ranges[0] === '192.0.2.2/32');
  });

  test('whose names can not be looked up any more stay what they were, and that is said once', async () => {
    let fails = false;
    const lookUp: LookUp = async (host) => (fails ? noNames(host) : { addresses: ['192.0.2.7'], timeToLiveSeconds: 0 });
    const named = peers({ hosts: ['db.example.org'] }, lookUp);
    await named.current();
    fails = true;
    for (let round = 0; round < 3; round += 1) {
      ahead += 6_000;
      expect((await named.current()).ranges).toEqual(['192.0.2.7/32']);
    }
    expect(problems).toEqual([expect.stringContaining("no address for 'db.example.org' (ENOTFOUND)")]);
    await expect(peers({ hosts: ['db.example.org'] }).current()).rejects.toThrow('ENOTFOUND');
  });

  test('stay what they were while the API server is away', async () => {
    const address = await pod('steady', 'steady');
    const named = peers({ pods: { selector: { matchLabels: { app: 'steady' } } } });
    await named.current();
    cluster.knobs.set({ faults: [{ path: '/pods', code: 500 }] });
    ahead += 6_000;
    expect((await named.current()).ranges).toEqual([`${address}/32`]);
    await until(() => problems.length > 0);
    await expect(peers({ pods: { selector: { matchLabels: { app: 'steady' } } } }).current()).rejects.toThrow();
  });

  test('that are too many are refused with a way out', async () => {
    const lookUp: LookUp = async () => ({
      addresses: Array.from({ length: 10_001 }, (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`),
      timeToLiveSeconds: 0,
    });
    await expect(peers({ hosts: ['many.example.org'] }, lookUp).current()).rejects.toThrow('10001 addresses');
  });
});
