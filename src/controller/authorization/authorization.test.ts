import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Json } from '../../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../../testing/controllers.js';
import { createAccount, grantTo } from '../../testing/identities.js';
import { apply } from '../../testing/rights.js';
import { until } from '../../testing/scripted-server.js';
import { authorize } from './missing-rights.js';
import { roleFor } from './role-for.js';

jest.setTimeout(30_000);

let bundle: ControllerBundle;
let cluster: TestCluster;

const NAMESPACE = 'shop';
const BINDINGS = 'rolebindings.rbac.authorization.k8s.io';
const podRights = { apiGroups: [''], resources: ['pods'], verbs: ['delete'] };
const readDeployments = { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] };

beforeAll(async () => {
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl, { rights: 'None' });
  await cluster.createNamespace(NAMESPACE);
  cluster.controller();
});

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

/** An account of that name with these rules, or with no role at all. */
function account(name: string, ...rules: Parameters<typeof grantTo>[3]): void {
  createAccount(cluster.cluster.store, NAMESPACE, name);
  if (rules.length > 0) grantTo(cluster.cluster.store, `${NAMESPACE}/${name}`, NAMESPACE, rules);
}

/** Takes away all that an account was given. */
function takeRights(name: string): void {
  const { store } = cluster.cluster;
  for (const { metadata, subjects } of store.list(BINDINGS, NAMESPACE)) {
    if (subjects?.[0]?.name === name) store.delete(BINDINGS, NAMESPACE, metadata.name);
  }
}

/** Kills one of three pods of an app of that name, and looks at its Deployment. */
const template = (app: string, more: Json = {}): Json => ({
  serviceAccountName: app,
  hypothesis: [availableProbe(app, 1)],
  method: [killStep(app)],
  ...more,
});

async function run(name: string, spec: Json = template(name)): Promise<ExperimentRun> {
  await cluster.deploy(name, 3, { namespace: NAMESPACE });
  await cluster.createRun(name, spec, { namespace: NAMESPACE });
  return cluster.finished(name, { namespace: NAMESPACE });
}

describe('an account', () => {
  test('without rights has nothing done for it, and is told what it lacks', async () => {
    account('powerless');
    const { status } = await run('powerless');
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotAuthorized' });
    expect(status?.message).toContain(
      "ServiceAccount shop/powerless may not delete pods in namespace shop (step 'kill-powerless'); nor get deployments.apps 'powerless' in namespace shop (probe 'powerless-available'); to see the Role",
    );
    expect(status?.selection).toBeUndefined();
    expect(cluster.deletedOf('powerless')).toEqual([]);
  });

  test('that does not exist has nothing done for it, also when a binding names it', async () => {
    grantTo(cluster.cluster.store, `${NAMESPACE}/ghost`, NAMESPACE, [podRights, readDeployments]);
    const { status } = await run('ghost');
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotAuthorized' });
    expect(status?.message).toContain('ServiceAccount shop/ghost does not exist; to make it: kubectl create');
    expect(cluster.deletedOf('ghost')).toEqual([]);
  });

  test('is enough with the Role that is printed for it, and the roles of the installation are for the controller', async () => {
    const spec = template('printed');
    const { account: who, missing, absent } = await authorize(cluster.client, NAMESPACE, spec);
    expect(absent).toBe(true);
    await apply(cluster, roleFor(who, missing, absent));
    expect(await authorize(cluster.client, NAMESPACE, spec)).toMatchObject({ missing: [], absent: false });
    const { status } = await run('printed', spec);
    expect(status).toMatchObject({ verdict: 'Passed', reason: 'HypothesisHeld' });
    expect(cluster.deletedOf('printed')).toHaveLength(1);
  });

  test('has its rights asked for again before each group of steps: what is lost meanwhile ends the run', async () => {
    account('fading', podRights, readDeployments);
    const method = [killStep('fading', { duration: '2s' }), killStep('fading', { name: 'again' })];
    await cluster.deploy('fading', 3, { namespace: NAMESPACE });
    await cluster.createRun('fading', template('fading', { method }), { namespace: NAMESPACE });
    await cluster.inStage('fading', 'Holding', NAMESPACE);
    takeRights('fading');
    const { status } = await cluster.finished('fading', { namespace: NAMESPACE });
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotAuthorized' });
    expect(status?.steps?.map(({ hit }) => hit)).toEqual([1, 0]);
    expect(cluster.deletedOf('fading')).toHaveLength(1);
  });
});

describe('a look that fails', () => {
  const reviews = { path: '/subjectaccessreviews', method: 'POST' };

  test('is no permission: nothing is hit until the API server has answered', async () => {
    account('patient', podRights, readDeployments);
    await cluster.deploy('patient', 3, { namespace: NAMESPACE });
    cluster.cluster.knobs.set({ faults: [{ ...reviews, code: 500 }] });
    await cluster.createRun('patient', template('patient'), { namespace: NAMESPACE });
    await cluster.inStage('patient', 'Admitted', NAMESPACE);
    const status = () => cluster.run('patient', NAMESPACE)?.status;
    await until(() => /could not be read, will try again/.test(status()?.message ?? ''), 'the reason to be told');
    expect(status()?.stage).toBe('Admitted');
    expect(cluster.injections()).toEqual([]);
    cluster.cluster.knobs.set({ faults: [] });
    await cluster.finished('patient', { namespace: NAMESPACE });
    expect(status()?.verdict).toBe('Passed');
  });

  test('because the controller may not look ends the run, with the words of the API server', async () => {
    account('unseen', podRights, readDeployments);
    cluster.cluster.knobs.set({ faults: [{ ...reviews, code: 403 }] });
    const { status } = await run('unseen').finally(() => cluster.cluster.knobs.set({ faults: [] }));
    expect(status).toMatchObject({ verdict: 'Error', reason: 'InjectionFailed' });
    expect(status?.message).toContain('The controller may not do this');
    expect(cluster.deletedOf('unseen')).toEqual([]);
  });
});

test('a probe of a kind that the cluster does not serve makes the template one that can not be run', async () => {
  account('unknown', podRights);
  const probe = {
    ...availableProbe('unknown', 1),
    resource: { apiVersion: 'example.com/v1', kind: 'Widget', name: 'w' },
  };
  const { status } = await run('unknown', template('unknown', { hypothesis: [probe] }));
  expect(status).toMatchObject({ verdict: 'Error', reason: 'InvalidTemplate' });
  expect(status?.message).toContain("The cluster serves no kind Widget of example.com/v1 (probe 'unknown-available')");
});
