import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestCluster, type TestCluster } from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';
import { NodeWatch } from './node-watch.js';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster(new URL('file:///no-probes-here'));
}, 20_000);

afterAll(() => cluster?.stop());

test('a run is told once of nodes that are known already, for another run', async () => {
  const told: string[] = [];
  const watch = new NodeWatch(
    cluster.client,
    'squall-system',
    (uid) => told.push(uid),
    (error) => told.push(String(error)),
  );
  watch.ensure('one', 'default', ['n1']);
  await until(() => told.length > 0);
  watch.ensure('two', 'default', ['n1']);
  watch.ensure('two', 'default', ['n1']);
  expect(told).toEqual(['one', 'two']);
  expect(watch.node('n1')).toBeDefined();
  watch.stopAll();
});
