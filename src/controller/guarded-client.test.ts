import { afterEach, expect, test } from '@jest/globals';
import { Client } from '../kubernetes/client.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';
import { pods } from '../kubernetes/resource.js';
import { createTransport } from '../kubernetes/transport.js';
import { type Script, sendJson, sendStatus, startScriptedServer, until } from '../testing/scripted-server.js';
import { guardedClient } from './guarded-client.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function setUp(script: Script) {
  const server = await startScriptedServer(script);
  const transport = createTransport(clusterAt(server.url), { userAgent: 'test' });
  closers.push(
    () => server.close(),
    () => transport.close(),
  );
  const guard = { mayAct: true };
  const client = guardedClient(new Client(transport), () => {
    if (!guard.mayAct) throw new Error('not any more');
  });
  return { server, client, guard };
}

test('who may not act reads, and writes nothing', async () => {
  const { server, client, guard } = await setUp((_request, response) => sendJson(response, 200, { metadata: {} }));
  guard.mayAct = false;
  await client.get(pods, 'shop', 'a');
  await expect(client.delete(pods, 'shop', 'a')).rejects.toThrow('not any more');
  await expect(client.patch(pods, 'shop', 'a', {})).rejects.toThrow('not any more');
  expect(server.requests.map(({ method }) => method)).toEqual(['GET']);
});

test('who may not act any more does not try a second time', async () => {
  const { server, client, guard } = await setUp((_request, response) =>
    sendStatus(response, 429, 'TooManyRequests', {}, { 'retry-after': '0' }),
  );
  const deletion = client.delete(pods, 'shop', 'a');
  const outcome = expect(deletion).rejects.toThrow('not any more');
  await until(() => server.requests.length === 1);
  guard.mayAct = false;
  await outcome;
  expect(server.requests).toHaveLength(1);
});

test('what a write asks for itself is asked too', async () => {
  const { server, client } = await setUp((_request, response) => sendJson(response, 200, {}));
  const permit = () => {
    throw new Error('halted');
  };
  await expect(client.delete(pods, 'shop', 'a', { permit })).rejects.toThrow('halted');
  expect(server.requests).toHaveLength(0);
});
