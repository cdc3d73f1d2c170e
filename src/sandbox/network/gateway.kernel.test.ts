import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { nodeContainer, until } from '../../testing/workloads.js';
import { type Cluster, startCluster } from '../cluster.js';
import type { KubeObject } from '../store/types.js';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await startCluster({ nodes: 1, isolation: 'namespaces' });
});

afterEach(async () => {
  await cluster?.stop();
});

/** Asks the API server at the gateway of the default route, and ends well when it answers. */
const program = `
const route = require('node:fs').readFileSync('/proc/net/route', 'utf8').split('\\n').map((line) => line.split('\\t'))
  .find(([, destination]) => destination === '00000000');
const gateway = route[2].match(/../g).reverse().map((byte) => parseInt(byte, 16)).join('.');
fetch('http://' + gateway + ':' + process.env.PORT + '/healthz').then(({ status }) => process.exit(status === 200 ? 0 : 1));
`;

describe('the API server', () => {
  test('is reached by pods at the gateway of their network', async () => {
    const { port } = new URL(cluster.url);
    const container = nodeContainer(program, { env: [{ name: 'PORT', value: port }] });
    const spec = { containers: [container], restartPolicy: 'Never' };
    const metadata = { name: 'asker', namespace: 'default' };
    cluster.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata, spec });
    const asker = (): KubeObject => cluster.store.get('pods', 'default', 'asker')!;
    await until(() => ['Succeeded', 'Failed'].includes(asker().status?.phase));
    expect(asker().status!.containerStatuses[0].state.terminated).toMatchObject({ exitCode: 0 });
  });
});
