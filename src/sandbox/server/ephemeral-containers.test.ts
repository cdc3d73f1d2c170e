import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Json } from '../store/types.js';
import { startTestServer, type TestServer } from './test-server.js';

const PODS = '/api/v1/namespaces/default/pods';
const EPHEMERAL = `${PODS}/web/ephemeralcontainers`;
const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
const debug = { name: 'debug', image: 'tool:1', command: ['true'] };

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer();
  const spec = { containers: [{ name: 'main', image: 'app:1' }] };
  await server.call('POST', PODS, { metadata: { name: 'web' }, spec });
});

afterEach(() => server.close());

const add = (...containers: Json[]) =>
  server.call('PATCH', EPHEMERAL, { spec: { ephemeralContainers: containers } }, strategic);
const causes = ({ body }: { body: Json }): string[] =>
  body.details.causes.map(({ field, message }: Json) => `${field}: ${message}`);

describe('ephemeral containers', () => {
  test('are added by a strategic merge patch to those that are there', async () => {
    expect((await add(debug)).code).toBe(200);
    const { code, body } = await add({ ...debug, name: 'second', targetContainerName: 'main' });
    expect(code).toBe(200);
    expect(body.spec.ephemeralContainers.map(({ name }: Json) => name).sort()).toEqual(['debug', 'second']);
    expect(body.spec.ephemeralContainers[0]).toMatchObject({
      imagePullPolicy: 'IfNotPresent',
      terminationMessagePath: '/dev/termination-log',
    });
  });

  test('are added by a PUT of the pod, of which nothing else is taken', async () => {
    const { body: pod } = await server.call('GET', `${PODS}/web`);
    pod.spec.ephemeralContainers = [debug];
    pod.spec.nodeName = 'elsewhere';
    pod.metadata.labels = { app: 'other' };
    const { code, body } = await server.call('PUT', EPHEMERAL, pod);
    expect([code, body.spec.nodeName, body.metadata.labels]).toEqual([200, undefined, undefined]);
    expect(body.spec.ephemeralContainers).toHaveLength(1);
  });

  test('can be neither changed nor removed', async () => {
    await add(debug);
    expect(causes(await add({ ...debug, command: ['false'] }))).toEqual([
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be changed\n',
    ]);
    const merge = { 'content-type': 'application/merge-patch+json' };
    const removed = await server.call('PATCH', EPHEMERAL, { spec: { ephemeralContainers: [] } }, merge);
    expect(causes(removed)).toEqual([
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n',
    ]);
  });

  test.each([
    [{ ...debug, name: 'main' }, 'name: Duplicate value: "main"'],
    [{ ...debug, targetContainerName: 'mian' }, 'targetContainerName: Not found: "mian"'],
    [{ ...debug, ports: [{ containerPort: 80 }] }, 'ports: Forbidden: cannot be set for an Ephemeral Container'],
    [{ ...debug, lifecycle: { preStop: { sleep: { seconds: 1 } } } }, 'lifecycle: Forbidden'],
    [{ ...debug, livenessProbe: { tcpSocket: { port: 80 } } }, 'livenessProbe: Forbidden'],
    [{ ...debug, resources: { limits: { memory: '1Gi' } } }, 'resources: Forbidden'],
    [{ name: 'debug' }, 'image: Required value'],
  ])('must not be like %j', async (container, message) => {
    const answer = await add(container);
    expect(answer.code).toBe(422);
    expect(causes(answer)).toEqual([expect.stringContaining(`spec.ephemeralContainers[0].${message}`)]);
  });

  test('come neither with a new pod nor with an update of one', async () => {
    const spec = { containers: [{ name: 'main', image: 'app:1' }], ephemeralContainers: [debug] };
    const created = await server.call('POST', PODS, { metadata: { name: 'new' }, spec });
    expect(causes(created)).toEqual(['spec.ephemeralContainers: Forbidden: cannot be set on create']);
    const patch = { spec: { ephemeralContainers: [debug] } };
    expect((await server.call('PATCH', `${PODS}/web`, patch, strategic)).code).toBe(422);
  });
});
