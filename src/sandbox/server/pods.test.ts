import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../store/types.js';
import type { LogLine, LogRequest, LogSource } from './log-source.js';
import { startTestServer, type TestServer } from './test-server.js';

const PODS = '/api/v1/namespaces/default/pods';
const NODE = 'n1';

let server: TestServer;
let asked: LogRequest[];

/** Answers with three lines and, when followed, with more until it is told to stop. */
const logs: LogSource = {
  read(_pod: KubeObject, request: LogRequest, signal: AbortSignal) {
    asked.push(request);
    return request.container === 'silent' ? undefined : lines(request, signal);
  },
};

async function* lines({ follow }: LogRequest, signal: AbortSignal): AsyncGenerator<LogLine> {
  for (let index = 1; index <= 3; index += 1) {
    yield { time: new Date(Date.UTC(2026, 0, 1, 0, 0, index)), text: `line ${index}` };
  }
  if (follow) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    stopped += 1;
  }
}

let stopped = 0;

beforeEach(async () => {
  asked = [];
  server = await startTestServer({ logs });
});

afterEach(() => server.close());

function createPod(name: string, { ready = true, containers = ['main'] } = {}) {
  const spec = { nodeName: NODE, containers: containers.map((each) => ({ name: each, image: 'app:1' })) };
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
  const metadata = { name, namespace: 'default', labels: { app: 'shop' } };
  return server.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata, spec, status });
}

function createBudget(name: string, status: object, spec: object = {}) {
  const metadata = { name, namespace: 'default' };
  const selector = { matchLabels: { app: 'shop' } };
  const full = { observedGeneration: 1, currentHealthy: 2, desiredHealthy: 2, ...status };
  const object = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata,
    spec: { selector, ...spec },
    status: full,
  };
  return server.store.create('poddisruptionbudgets.policy', object);
}

function evict(name: string, more: object = {}) {
  return server.call('POST', `${PODS}/${name}/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace: 'default' },
    ...more,
  });
}

describe('eviction', () => {
  test('deletes a pod that no budget protects, gracefully and marked as disrupted', async () => {
    createPod('a');
    const { code, body } = await evict('a');
    expect([code, body.status]).toEqual([201, 'Success']);
    const pod = server.store.get('pods', 'default', 'a')!;
    expect(pod.metadata.deletionGracePeriodSeconds).toBe(30);
    expect(pod.status.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', reason: 'EvictionByEvictionAPI' }),
    );
  });

  test('spends the budget, and answers 429 with the cause when none is left', async () => {
    createPod('a');
    createPod('b');
    createBudget('shop', { disruptionsAllowed: 1 });
    expect((await evict('a')).code).toBe(201);
    const { code, body } = await evict('b');
    expect([code, body.reason]).toEqual([429, 'TooManyRequests']);
    expect(body.details.causes).toEqual([
      {
        reason: 'DisruptionBudget',
        message: 'The disruption budget shop needs 2 healthy pods and has 2 currently',
      },
    ]);
    expect(server.store.get('pods', 'default', 'b')!.metadata.deletionTimestamp).toBeUndefined();
  });

  test('waits for a budget that its controller has not seen yet', async () => {
    createPod('a');
    createBudget('shop', { disruptionsAllowed: 5, observedGeneration: 0 });
    const { code, headers } = await evict('a');
    expect([code, headers['retry-after']]).toEqual([429, '10']);
  });

  test('lets an unready pod go when enough others are healthy', async () => {
    createPod('a', { ready: false });
    createBudget('shop', { disruptionsAllowed: 0 });
    expect((await evict('a')).code).toBe(201);
  });

  test('does not choose between two budgets', async () => {
    createPod('a');
    createBudget('one', { disruptionsAllowed: 1 });
    createBudget('two', { disruptionsAllowed: 1 });
    expect((await evict('a')).code).toBe(500);
  });

  test('spends nothing in a dry run, on a wrong uid, or on a pod that is not there', async () => {
    createPod('a');
    createBudget('shop', { disruptionsAllowed: 1 });
    expect((await evict('a', { deleteOptions: { dryRun: ['All'] } })).code).toBe(201);
    expect((await evict('a', { deleteOptions: { preconditions: { uid: 'other' } } })).code).toBe(409);
    expect((await evict('missing')).code).toBe(404);
    expect(server.store.get('poddisruptionbudgets.policy', 'default', 'shop')!.status.disruptionsAllowed).toBe(1);
  });
});

describe('binding', () => {
  test('gives a pod its node once', async () => {
    const containers = [{ name: 'main', image: 'app:1' }];
    await server.call('POST', PODS, { metadata: { name: 'a' }, spec: { containers } });
    const bind = (node: string) =>
      server.call('POST', `${PODS}/a/binding`, { apiVersion: 'v1', kind: 'Binding', target: { name: node } });
    expect((await bind('n1')).code).toBe(201);
    expect(server.store.get('pods', 'default', 'a')!.spec.nodeName).toBe('n1');
    expect((await bind('n2')).code).toBe(409);
  });
});

describe('logs', () => {
  test('are plain text, with the options handed to the source', async () => {
    createPod('a');
    const { text, headers } = await server.call('GET', `${PODS}/a/log?tailLines=5&sinceSeconds=60&previous=true`);
    expect([text, headers['content-type']]).toEqual(['line 1\nline 2\nline 3\n', 'text/plain']);
    expect(asked[0]).toMatchObject({ container: 'main', tailLines: 5, previous: true, follow: false });
    expect(asked[0]!.since).toBeInstanceOf(Date);
  });

  test('carry timestamps and end at a limit when asked to', async () => {
    createPod('a');
    const stamped = await server.call('GET', `${PODS}/a/log?timestamps=true`);
    expect(stamped.text.split('\n')[0]).toBe('2026-01-01T00:00:01.000Z line 1');
    expect((await server.call('GET', `${PODS}/a/log?limitBytes=9`)).text).toBe('line 1\nli');
  });

  test('are followed until the client goes', async () => {
    createPod('a');
    stopped = 0;
    const response = await fetch(`${server.url}${PODS}/a/log?follow=true`);
    const reader = response.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain('line 1');
    await reader.cancel();
    while (stopped === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });

  test('ask which container is meant, and say when there is nothing yet', async () => {
    createPod('two', { containers: ['main', 'silent'] });
    expect((await server.call('GET', `${PODS}/two/log`)).body.message).toContain('choose one of: [main silent]');
    expect((await server.call('GET', `${PODS}/two/log?container=other`)).body.message).toContain('not valid');
    expect((await server.call('GET', `${PODS}/two/log?container=silent`)).body.message).toContain('waiting to start');
    expect((await server.call('GET', `${PODS}/missing/log`)).code).toBe(404);
  });
});
