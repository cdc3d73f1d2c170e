import { afterAll, expect, jest, test } from '@jest/globals';
import { faults } from '../../faults/index.js';
import type { Json } from '../../kubernetes/resource.js';
import { availableProbe, bundleController, startTestCluster } from '../../testing/controllers.js';
import { apply } from '../../testing/rights.js';
import { authorize } from './missing-rights.js';
import { roleFor } from './role-for.js';

jest.setTimeout(30_000);

const bundle = await bundleController();
const cluster = await startTestCluster(bundle.workerUrl, { rights: 'None', nodes: 4 });
await cluster.createNamespace('shop');
cluster.controller();

afterAll(async () => {
  await cluster.stop();
  bundle.remove();
});

const targets: Record<string, (app: string) => Json> = {
  pods: (app) => ({ pods: { selector: { matchLabels: { app } }, minAge: '0s' } }),
  nodes: () => ({ nodes: { names: ['n2'] } }),
  workloads: (app) => ({ workloads: { kind: 'Deployment', names: [app] } }),
  zones: () => ({ zones: { names: ['z1'] } }),
};
const throughServer = faults.filter(({ by }) => by === 'ApiServer');

test.each(throughServer.map((fault) => [fault.name, fault] as const))(
  '%s is carried out with the roles that are installed and printed, and no others',
  async (name, { example, oneShot, targets: [kind = 'pods'] }) => {
    const app = name.toLowerCase();
    await cluster.deploy(app, 2, { namespace: 'shop' });
    const duration = oneShot ? {} : { duration: '1s' };
    const template = {
      serviceAccountName: app,
      hypothesis: [availableProbe(app, 0)],
      method: [{ name: 'hit', [name]: example, targets: targets[kind]?.(app), ...duration }],
      recovery: { within: '5s' },
    } as Json;
    const { account, missing } = await authorize(cluster.client, 'shop', template);
    expect(missing).not.toEqual([]);
    await apply(cluster, roleFor(account, missing, true));
    await cluster.createRun(app, template, { namespace: 'shop' });
    const { status } = await cluster.finished(app, { namespace: 'shop' });
    expect([status?.verdict, status?.message]).toEqual(['Passed', expect.any(String)]);
  },
);
