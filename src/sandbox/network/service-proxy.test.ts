import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { nodeContainer, read, startTestWorkloads, until, webContainer } from '../../testing/workloads.js';
import type { Json } from '../store/types.js';

let cluster: Awaited<ReturnType<typeof startTestWorkloads>>;

beforeEach(async () => {
  cluster = await startTestWorkloads();
});

afterEach(async () => {
  await cluster.stop();
});

const clusterIP = (name: string): string => cluster.store.get('services', 'default', name)!.spec.clusterIP;

/** The first endpoint of the only Service, as the proxy sees it. */
const endpoint = (): Json =>
  cluster.store.list('endpointslices.discovery.k8s.io')[0]?.endpoints[0] ?? { conditions: {} };

describe('a Service', () => {
  test('spreads connections over all ready pods of a Deployment', async () => {
    cluster.createDeployment('web', 3, webContainer);
    cluster.createService('web');
    await until(() => cluster.status('deployments.apps', 'web').availableReplicas === 3);
    const names = new Set<string>();
    await until(() => cluster.store.get('endpoints', 'default', 'web')?.subsets[0]?.addresses?.length === 3);
    for (let index = 0; index < 6; index += 1) {
      names.add(await read(clusterIP('web')));
    }
    expect([...names].sort()).toEqual(
      cluster
        .podsOf('web')
        .map((pod) => pod.metadata.name)
        .sort(),
    );
  });

  test('refuses connections at once while no pod is ready, and takes them as soon as one is', async () => {
    const program = `
      let ready = false;
      process.on('SIGUSR2', () => { ready = !ready; });
      require('node:http').createServer((request, response) => {
        response.statusCode = request.url === '/ready' && !ready ? 503 : 200;
        response.end('hello');
      }).listen(8080, process.env.POD_IP);`;
    const readinessProbe = { httpGet: { port: 8080, path: '/ready' }, periodSeconds: 1, failureThreshold: 1 };
    cluster.createPod('web', nodeContainer(program, { readinessProbe }));
    cluster.createService('web');
    await until(() => cluster.store.list('events').some(({ message }) => message.includes('statuscode: 503')));
    await expect(read(clusterIP('web'))).rejects.toThrow('ECONNREFUSED');
    const toggle = () =>
      process.kill(Number(cluster.pod('web').status.containerStatuses[0].containerID.slice(10)), 'SIGUSR2');
    toggle();
    await until(() => endpoint().conditions.ready);
    expect(await read(clusterIP('web'))).toBe('hello');
    toggle();
    await until(() => endpoint().conditions.ready === false);
    await expect(read(clusterIP('web'))).rejects.toThrow('ECONNREFUSED');
  });

  test('keeps a connection that stands when its pod is no longer ready, and ends it when the pod dies', async () => {
    const program = `
      require('node:net').createServer((socket) => socket.pipe(socket)).listen(8080, process.env.POD_IP);
      process.on('SIGTERM', () => {});`;
    const readinessProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1 };
    cluster.createPod('web', nodeContainer(program, { readinessProbe }), { terminationGracePeriodSeconds: 1 });
    cluster.createService('web');
    await until(() => endpoint().conditions.ready);
    const socket = connect(80, clusterIP('web'));
    const closed = new Promise((resolve) => socket.on('close', resolve).on('error', () => undefined));
    const echo = (text: string) =>
      new Promise((resolve) => {
        socket.once('data', (chunk) => resolve(chunk.toString()));
        socket.write(text);
      });
    expect(await echo('before')).toBe('before');
    cluster.store.delete('pods', 'default', 'web');
    await until(() => !endpoint().conditions.ready);
    expect(await echo('while terminating')).toBe('while terminating');
    await closed;
    await until(() => cluster.store.get('pods', 'default', 'web') === undefined);
  });

  test('that is headless or external gets no address', async () => {
    const { store } = cluster;
    const metadata = (name: string) => ({ name, namespace: 'default' });
    store.create('services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata('a'),
      spec: { clusterIP: 'None' },
    });
    const spec = { type: 'ExternalName', externalName: 'example.org' };
    store.create('services', { apiVersion: 'v1', kind: 'Service', metadata: metadata('b'), spec });
    cluster.createService('c');
    await until(() => clusterIP('c') !== undefined);
    expect([clusterIP('a'), clusterIP('b')]).toEqual(['None', undefined]);
  });
});
