import { get } from 'node:http';
import { jest } from '@jest/globals';
import { createStore } from '../sandbox/store/store.js';
import type { Json, KubeObject, Store } from '../sandbox/store/types.js';
import { startWorkloads, type WorkloadOptions } from '../sandbox/workloads.js';

// Longer than `until` waits, so that it is the one to say what was missing.
jest.setTimeout(30_000);

/** Answers every request with the pod's name; ends at once when asked to. */
export const serverProgram = `
const http = require('node:http');
const server = http.createServer((request, response) => response.end(process.env.POD_NAME));
server.listen(8080, process.env.POD_IP);
process.on('SIGTERM', () => process.exit(0));
`;

/** A container that runs a Node program with its address in POD_IP and its pod's name in POD_NAME. */
export function nodeContainer(program: string, more: Json = {}): Json {
  return {
    name: 'main',
    image: 'node:20',
    command: ['node', '-e', program],
    ports: [{ name: 'http', containerPort: 8080 }],
    env: [
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    ],
    ...more,
  };
}

/** A container that runs a shell script. */
export function shellContainer(script: string, more: Json = {}): Json {
  return { name: 'main', image: 'busybox:1', command: ['sh', '-c', script], ...more };
}

/** The HTTP server of `serverProgram`, ready once it answers. */
export const webContainer = nodeContainer(serverProgram, {
  readinessProbe: { httpGet: { port: 'http' }, periodSeconds: 1 },
});

/** Starts a store with everything of a cluster but the API server, and ways to use it in tests. */
export async function startTestWorkloads(options: Partial<WorkloadOptions> = {}) {
  const store = createStore();
  const workloads = await startWorkloads(store, { nodes: 2, isolation: 'loopback', backoffFactor: 0.02, ...options });
  return { store, ...workloads, ...builders(store) };
}

function builders(store: Store) {
  const namespace = 'default';
  const create = (resource: string, kind: string, name: string, spec: Json, apiVersion: string): KubeObject =>
    store.create(resource, { apiVersion, kind, metadata: { name, namespace, labels: { app: name } }, spec });

  return {
    createPod: (name: string, container: Json, spec: Json = {}): KubeObject =>
      create('pods', 'Pod', name, { containers: [container], ...spec }, 'v1'),
    createDeployment(name: string, replicas: number, container: Json, spec: Json = {}): KubeObject {
      const template = {
        metadata: { labels: { app: name } },
        spec: { containers: [container], terminationGracePeriodSeconds: 2 },
      };
      const selector = { matchLabels: { app: name } };
      return create('deployments.apps', 'Deployment', name, { replicas, selector, template, ...spec }, 'apps/v1');
    },
    createService: (name: string): KubeObject =>
      create('services', 'Service', name, { selector: { app: name }, ports: [{ port: 80, targetPort: 'http' }] }, 'v1'),
    pod: (name: string): KubeObject => store.get('pods', namespace, name)!,
    podsOf: (app: string): KubeObject[] =>
      store.list('pods', namespace).filter((pod) => pod.metadata.labels?.app === app),
    status: (resource: string, name: string): Json => store.get(resource, namespace, name)?.status ?? {},
    events: (name: string): string[] =>
      store
        .list('events')
        .filter((event) => event.involvedObject.name === name)
        .map((event) => event.reason),
  };
}

/** The process id of a pod's first container; NaN when it has none. */
export function pidOf(pod: KubeObject): number {
  return Number(pod.status?.containerStatuses?.[0]?.containerID?.replace('process://', ''));
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether the pod's Ready condition is true. */
export function isPodReady(pod: KubeObject | undefined): boolean {
  return pod?.status?.conditions?.some((one: Json) => one.type === 'Ready' && one.status === 'True') ?? false;
}

/** Waits until the condition holds; throws with `describe()` when it does not within 15 s. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  describe: () => unknown = () => condition,
): Promise<void> {
  const end = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > end) {
      throw new Error(`Still not so after 15 s: ${describe()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The answer to one request over a connection of its own. Rejects with the socket's error. */
export function read(host: string, port = 80): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host, port, agent: false, timeout: 5_000 }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve(body));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
  });
}
