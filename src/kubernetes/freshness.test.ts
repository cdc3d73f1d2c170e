import { afterEach, expect, test } from '@jest/globals';
import { sendJson, startScriptedServer, until } from '../testing/scripted-server.js';
import { Client } from './client.js';
import { clusterAt } from './kubeconfig.js';
import { Reflector } from './reflector.js';
import { pods } from './resource.js';
import { createTransport } from './transport.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test('a reflector is current after its list, not once its watch breaks, and again when a new one has lasted', async () => {
  const state = { isBroken: false };
  const server = await startScriptedServer(({ query }, response) => {
    if (state.isBroken) response.socket?.resetAndDestroy();
    else if (query.get('watch')) response.flushHeaders();
    else sendJson(response, 200, { metadata: { resourceVersion: '5' }, items: [] });
  });
  const transport = createTransport(clusterAt(server.url), { userAgent: 'test' });
  const reflector = new Reflector({
    client: new Client(transport),
    resource: pods,
    project: ({ metadata }) => metadata.name,
    backoff: { baseMs: 10, maxMs: 100 },
  });
  closers.push(
    () => server.close(),
    () => transport.close(),
    () => reflector.stop(),
  );
  expect(reflector.isCurrent).toBe(false);
  reflector.start();
  await until(() => server.requests.length === 2, 'list and watch');
  expect(reflector.isCurrent).toBe(true);
  state.isBroken = true;
  transport.close();
  await until(() => !reflector.isCurrent, 'the broken watch to be noticed');
  const tries = server.requests.length;
  await until(() => server.requests.length > tries + 1, 'more tries');
  expect(reflector.isCurrent).toBe(false);
  state.isBroken = false;
  await until(() => reflector.isCurrent, 'it to be current again');
  expect(reflector.list()).toEqual([]);
});
