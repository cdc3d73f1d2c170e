import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ANNOTATION_VERDICT, FINALIZER } from '../../api/labels.js';
import { customResource, type Json, leases, subjectAccessReviews } from '../../kubernetes/resource.js';
import {
  bundleController,
  type ControllerBundle,
  experimentRuns,
  injections,
  killStep,
  type TestCluster,
} from '../../testing/controllers.js';
import { createAccount, grantTo } from '../../testing/identities.js';
import { answerTo, killing, ShopAndBank } from '../../testing/shop-and-bank.js';

jest.setTimeout(30_000);

const inShop = { namespace: 'shop' };
const policies = customResource('safetypolicies', 'SafetyPolicy', false);
let bundle: ControllerBundle;
let scene: ShopAndBank;
let cluster: TestCluster;

beforeAll(async () => {
  bundle = await bundleController();
  scene = await ShopAndBank.start(bundle.workerUrl);
  cluster = scene.cluster;
});

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
});

describe('a run', () => {
  const forged = {
    stage: 'Finished',
    verdict: 'Passed',
    reason: 'HypothesisHeld',
    message: 'trust me',
    finishTime: '2030-01-01T00:00:00Z',
  };
  const condition = (type: string) => ({
    type,
    status: 'True',
    reason: type,
    message: 'trust me',
    lastTransitionTime: '2030-01-01T00:00:00Z',
  });

  test.each(['bank/chaos', 'bank:chaos', '../../bank/serviceaccounts/chaos', 'system:serviceaccount:bank:chaos'])(
    'can not name the account %s of another namespace',
    async (serviceAccountName) => {
      const spec = { template: killing('web', { serviceAccountName }) };
      const made = scene.mallory.create(experimentRuns, { metadata: { generateName: 'foreign-', ...inShop }, spec });
      expect(await answerTo(made)).toMatch(/^422 .*serviceAccountName/);
    },
  );

  test('can not use an account of its namespace for another one, and hits nothing there', async () => {
    const before = scene.victims();
    const targets = { pods: { selector: { matchLabels: { app: 'web' } }, minAge: '0s', namespace: 'bank' } };
    const { status } = await scene.run('abroad-too', killing('web', { method: [{ ...killStep('web'), targets }] }));
    expect(status?.selection?.[0]?.matched).toBe(3);
    expect(scene.victims()).toEqual(before);
    const there = { metadata: { name: 'there', namespace: 'bank' }, spec: { template: killing('web') } };
    expect(await answerTo(scene.mallory.create(experimentRuns, there))).toMatch(/^403 /);
  });

  test('on nodes takes rights that no namespace gives', async () => {
    const nodes = { ...killStep('web'), podKill: undefined, nodeDrain: {}, targets: { nodes: { names: ['n1'] } } };
    const { podKill: _podKill, ...step } = nodes;
    createAccount(cluster.cluster.store, 'shop', 'root');
    grantTo(cluster.cluster.store, 'shop/root', 'shop', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]);
    const spec = killing('web', { serviceAccountName: 'root', method: [{ ...step, duration: '1s' }] });
    const { status } = await scene.run('nodes', spec);
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotAuthorized' });
    expect(status?.message).toContain(
      "may not patch nodes 'n1' (step 'kill-web'); nor create pods/eviction in the whole cluster (step 'kill-web')",
    );
  });

  test('that says of itself that it is over, admitted or under way is none of these', async () => {
    createAccount(cluster.cluster.store, 'shop', 'powerless');
    const { status } = await scene.run('preset', killing('web', { serviceAccountName: 'powerless' }), {
      metadata: { finalizers: [FINALIZER], annotations: { [ANNOTATION_VERDICT]: 'Passed' } },
      status: { ...forged, conditions: [condition('TargetsSelected'), condition('BaselineHeld')] },
    });
    expect(status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotAuthorized' });
  });

  test('whose status was forged while no controller looked gets no right from that', async () => {
    await scene.stopController();
    const before = cluster.deletedOf('web').length;
    const spec = killing('web', { serviceAccountName: 'powerless' });
    await scene.mallory.create(experimentRuns, { metadata: { name: 'forged', ...inShop }, spec: { template: spec } });
    const started = new Date().toISOString();
    await scene.mallory.replaceStatus(experimentRuns, 'shop', 'forged', {
      stage: 'Injecting',
      startTime: started,
      seed: 1,
      conditions: [condition('TargetsSelected'), condition('BaselineHeld')],
      selection: [],
      steps: [{ name: 'kill-web', fault: 'podKill', state: 'Injecting', rounds: 1, targets: 3, hit: 0, effective: 0 }],
    });
    await scene.startController();
    const { status } = await cluster.finished('forged', inShop);
    expect(status?.verdict).not.toBe('Passed');
    expect(status?.selection ?? []).toEqual([]);
    expect(cluster.deletedOf('web')).toHaveLength(before);
  });

  test('is what it was when it was admitted, and once it is aborted stays so', async () => {
    const spec = killing('web', { method: [killStep('web', { duration: '20s' })] });
    await scene.mallory.create(experimentRuns, { metadata: { name: 'fixed', ...inShop }, spec: { template: spec } });
    await cluster.inStage('fixed', 'Holding', 'shop');
    const patched = (patch: Json) => answerTo(scene.mallory.patch(experimentRuns, 'shop', 'fixed', { spec: patch }));
    expect(await patched({ template: { serviceAccountName: 'default' } })).toMatch(/^422 .*must not be changed/);
    expect(await patched({ seed: 7 })).toMatch(/^422 /);
    expect(await patched({ abort: { reason: 'enough' } })).toBe('admitted');
    expect(await patched({ abort: null })).toMatch(/^422 .*may be set once/);
    const { status } = await cluster.finished('fixed', inShop);
    expect(status).toMatchObject({ verdict: 'Aborted', reason: 'AbortedByUser' });
  });
});

describe('an injection', () => {
  const forged = async () => {
    const [target] = cluster.readyPods('web', 'bank');
    const { name, uid } = target?.metadata ?? {};
    const { metadata } = cluster.run('fixed', 'shop') ?? {};
    return {
      run: { namespace: 'shop', name: 'fixed', uid: metadata?.uid ?? '' },
      step: 'kill-web',
      round: 0,
      part: 0,
      parts: 1,
      state: 'Apply',
      targets: [{ namespace: 'bank', name, uid }],
      podKill: { gracePeriod: '0s' },
    };
  };

  test('that somebody makes in a namespace of their own is nobody’s order', async () => {
    const before = scene.victims();
    const made = scene.mallory.create(injections, { metadata: { name: 'mine', ...inShop }, spec: await forged() });
    expect(await answerTo(made)).toBe('admitted');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(scene.victims()).toEqual(before);
    expect(cluster.cluster.store.get('injections.squall.dev', 'shop', 'mine')?.status).toBeUndefined();
  });

  test('can neither be made nor changed nor seen in Squall’s own namespace', async () => {
    const own = { namespace: 'squall-system' };
    const spec = await forged();
    const tries = [
      scene.mallory.create(injections, { metadata: { name: 'theirs', ...own }, spec }),
      scene.mallory.patch(injections, own.namespace, 'any', { spec: { state: 'Apply' } }),
      scene.mallory.patchStatus(injections, own.namespace, 'any', {}),
      scene.mallory.list(injections, own),
    ];
    for (const each of await Promise.all(tries.map(answerTo))) expect(each).toMatch(/^403 /);
  });
});

test('what rules over all namespaces is out of reach: policies, the Lease of the controller, the rights of others', async () => {
  const review = { user: 'system:serviceaccount:bank:chaos', resourceAttributes: { verb: 'get', resource: 'pods' } };
  const tries = [
    scene.mallory.create(policies, { metadata: { name: 'mine' }, spec: {} }),
    scene.mallory.delete(policies, undefined, 'squall-halt'),
    scene.mallory.patch(leases, 'squall-system', 'squall-controller', { spec: { holderIdentity: 'mallory' } }),
    scene.mallory.create(subjectAccessReviews, { metadata: {}, spec: review }),
  ];
  for (const each of await Promise.all(tries.map(answerTo))) expect(each).toMatch(/^403 /);
});
