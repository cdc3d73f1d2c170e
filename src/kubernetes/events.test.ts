import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type Script,
  type ScriptedServer,
  sendJson,
  sendStatus,
  startScriptedServer,
} from '../testing/scripted-server.js';
import { Client } from './client.js';
import { type EventInput, EventRecorder } from './events.js';
import { clusterAt } from './kubeconfig.js';
import { createTransport } from './transport.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(script: Script): Promise<{ server: ScriptedServer; recorder: EventRecorder; errors: unknown[] }> {
  const server = await startScriptedServer(script);
  const transport = createTransport(clusterAt(server.url), { userAgent: 'test', qps: 10_000, burst: 10_000 });
  closers.push(
    () => transport.close(),
    () => server.close(),
  );
  const errors: unknown[] = [];
  const recorder = new EventRecorder({
    client: new Client(transport),
    component: 'squall-controller',
    instance: 'squall-0',
    onError: (error) => errors.push(error),
  });
  return { server, recorder, errors };
}

const echo: Script = (request, response) => sendJson(response, 200, request.body);
const killed: EventInput = {
  object: { apiVersion: 'v1', kind: 'Pod', name: 'a', namespace: 'shop', uid: 'u' },
  type: 'Normal',
  reason: 'PodKilled',
  message: 'Killed by run x.',
};

describe('EventRecorder', () => {
  test('writes an event that kubectl describe finds', async () => {
    const { server, recorder } = await setUp(echo);
    recorder.record(killed);
    await recorder.flush();
    expect(server.requests[0]).toMatchObject({
      method: 'POST',
      path: '/api/v1/namespaces/shop/events',
      body: {
        apiVersion: 'v1',
        kind: 'Event',
        involvedObject: killed.object,
        type: 'Normal',
        reason: 'PodKilled',
        message: 'Killed by run x.',
        count: 1,
        source: { component: 'squall-controller' },
        reportingComponent: 'squall-controller',
        reportingInstance: 'squall-0',
      },
    });
    expect(server.requests[0]?.body.firstTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(server.requests[0]?.body.metadata.name).toMatch(/^a\.[0-9a-f]{16}$/);
  });

  test('puts events of cluster-scoped objects into default', async () => {
    const { server, recorder } = await setUp(echo);
    recorder.record({ ...killed, object: { apiVersion: 'v1', kind: 'Node', name: 'n1' } });
    await recorder.flush();
    expect(server.requests[0]?.path).toBe('/api/v1/namespaces/default/events');
  });

  test('raises the count of the same event instead of writing another one', async () => {
    const { server, recorder } = await setUp(echo);
    for (let count = 0; count < 10; count += 1) recorder.record(killed);
    await recorder.flush();
    recorder.record(killed);
    await recorder.flush();
    expect(server.requests.map(({ method, body }) => [method, body.count])).toEqual([
      ['POST', 10],
      ['PATCH', 11],
    ]);
    expect(server.requests[1]?.path).toBe(`/api/v1/namespaces/shop/events/${server.requests[0]?.body.metadata.name}`);
  });

  test('writes an event anew that the API server has forgotten', async () => {
    const { server, recorder } = await setUp((request, response) =>
      request.method === 'PATCH' ? sendStatus(response, 404, 'NotFound') : sendJson(response, 201, request.body),
    );
    recorder.record(killed);
    await recorder.flush();
    recorder.record(killed);
    await recorder.flush();
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST']);
  });

  test('keeps a flood about one object to its budget, and others are not hit by it', async () => {
    const { server, recorder } = await setUp(echo);
    for (let count = 0; count < 500; count += 1) recorder.record({ ...killed, message: `Killed ${count}.` });
    recorder.record({ ...killed, object: { ...killed.object, name: 'b', uid: 'v' } });
    await recorder.flush();
    expect(server.requests).toHaveLength(26);
    expect(server.requests.at(-1)?.body.involvedObject.name).toBe('b');
  });

  test('holds only so many events that wait', async () => {
    const { server, recorder } = await setUp(echo);
    for (let count = 0; count < 1_500; count += 1)
      recorder.record({ ...killed, object: { ...killed.object, name: `p${count}`, uid: `${count}` } });
    await recorder.flush();
    expect(server.requests).toHaveLength(1_000);
  });

  test('never fails its caller, and goes on after an error', async () => {
    const { recorder, server, errors } = await setUp((request, response, index) =>
      index === 0 ? sendStatus(response, 403, 'Forbidden') : sendJson(response, 201, request.body),
    );
    recorder.record(killed);
    recorder.record({ ...killed, reason: 'Other' });
    await recorder.flush();
    expect(errors).toHaveLength(1);
    expect(server.requests).toHaveLength(2);
    recorder.record(killed);
    await recorder.flush();
    expect(server.requests).toHaveLength(3);
  });

  test('cuts a long message between characters, at what the API server allows', async () => {
    const { server, recorder } = await setUp(echo);
    recorder.record({ ...killed, message: 'ä€'.repeat(1_000) });
    await recorder.flush();
    const { message } = server.requests[0]?.body ?? {};
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1_024);
    expect(message).toMatch(/^(ä€)+ä?…$/);
  });
});
