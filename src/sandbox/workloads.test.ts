import { get } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createStore } from './store/store.js';
import type { Json, KubeObject, Store } from './store/types.js';
import { startWorkloads, type Workloads } from './workloads.js';

const serverProgram = `
const http = require('node:http');
const server = http.createServer((request, response) => response.end(process.env.POD_NAME));
server.listen(8080, process.env.POD_IP);
process.on('SIGTERM', () => process.exit(0));
`;
const serverContainer = {
  name: 'main',
  image: 'node',
  command: ['node', '-e', serverProgram],
  ports: [{ name: 'http', containerPort: 8080 }],
  env: [
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  ],
  readinessProbe: { httpGet: { port: 'http' }, periodSeconds: 1 },
};

let store: Store;
let workloads: Workloads;

beforeEach(async () => {
  store = createStore();
  workloads = await startWorkloads(store, { nodes: 2, backoffFactor: 0.02 });
});

afterEach(async () => {
  await workloads.stop();
});

describe('workloads', () => {
  test('a deployment becomes processes behind a service', async () => {
    createDeployment('web', 3, serverContainer);
    store.create('services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
    });
    await until(() => store.get('deployments.apps', 'default', 'web')?.status?.availableReplicas === 3);
    const { clusterIP } = store.get('services', 'default', 'web')!.spec;
    const names = new Set<string>();
    for (let index = 0; index < 6; index += 1) {
      names.add(await read(clusterIP));
    }
    expect(names.size).toBe(3);
  });
});

/** One request over a connection of its own. */
function read(host: string, port = 80): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host, port, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve(body));
    });
    request.on('error', reject);
  });
}

function createDeployment(name: string, replicas: number, container: Json): KubeObject {
  return store.create('deployments.apps', {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
    },
  });
}

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(
        `not so after 15 s; pods: ${JSON.stringify(
          store.list('pods').map((pod) => pod.status),
          null,
          1,
        )}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
