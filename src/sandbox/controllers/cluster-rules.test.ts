import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isPodReady, shellContainer, startTestWorkloads, until } from '../../testing/workloads.js';
import type { Json, OwnerReference } from '../store/types.js';

let cluster: Awaited<ReturnType<typeof startTestWorkloads>>;

beforeEach(async () => {
  cluster = await startTestWorkloads({ nodes: 3, simulated: true });
});

afterEach(async () => {
  await cluster.stop();
});

const sleeper = shellContainer('sleep 1000');
const condition = (name: string, type: string): Json =>
  cluster.pod(name)?.status.conditions?.find((one: Json) => one.type === type);

function changeNode(name: string, spec: Json): void {
  cluster.store.update('nodes', undefined, name, (node) => {
    node.spec = { ...node.spec, ...spec };
  });
}

describe('the scheduler', () => {
  test('spreads the pods of a Deployment evenly over the nodes', async () => {
    cluster.createDeployment('web', 9, sleeper);
    await until(() => cluster.status('deployments.apps', 'web').availableReplicas === 9);
    const nodes = cluster.podsOf('web').map((pod) => pod.spec.nodeName);
    expect(['n1', 'n2', 'n3'].map((node) => nodes.filter((one) => one === node).length)).toEqual([3, 3, 3]);
  });

  test('says why a pod fits nowhere, and places it when that changes', async () => {
    cluster.createPod('picky', sleeper, { nodeSelector: { disk: 'ssd' } });
    await until(() => condition('picky', 'PodScheduled')?.reason === 'Unschedulable');
    expect(condition('picky', 'PodScheduled').message).toBe(
      "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
    );
    expect(cluster.events('picky')).toContain('FailedScheduling');
    cluster.store.update('nodes', undefined, 'n2', (node) => {
      node.metadata.labels = { ...node.metadata.labels, disk: 'ssd' };
    });
    await until(() => isPodReady(cluster.pod('picky')));
    expect(cluster.pod('picky').spec.nodeName).toBe('n2');
  });

  test('leaves a pod that names another scheduler to that one', async () => {
    cluster.createPod('theirs', sleeper, { schedulerName: 'another' });
    cluster.createPod('ours', sleeper);
    await until(() => isPodReady(cluster.pod('ours')));
    expect(cluster.pod('theirs').spec.nodeName).toBeUndefined();
    expect(condition('theirs', 'PodScheduled')).toBeUndefined();
  });

  test('keeps pods off cordoned and tainted nodes', async () => {
    changeNode('n1', { unschedulable: true });
    changeNode('n2', { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] });
    for (const name of ['a', 'b', 'c']) {
      cluster.createPod(name, sleeper);
    }
    const tolerations = [{ key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoSchedule' }];
    cluster.createPod('tolerant', sleeper, { tolerations, nodeSelector: { 'kubernetes.io/hostname': 'n2' } });
    await until(() => ['a', 'b', 'c', 'tolerant'].every((name) => isPodReady(cluster.pod(name))));
    expect(['a', 'b', 'c'].map((name) => cluster.pod(name).spec.nodeName)).toEqual(['n3', 'n3', 'n3']);
    await until(() => {
      const taints: Json[] = cluster.store.get('nodes', undefined, 'n1')!.spec.taints ?? [];
      return taints.some(({ key }) => key === 'node.kubernetes.io/unschedulable');
    });
    changeNode('n1', { unschedulable: undefined });
    await until(() => cluster.store.get('nodes', undefined, 'n1')!.spec.taints === undefined);
  });

  test('keeps pods apart, together, or evenly spread when they demand it', async () => {
    const labelSelector = { matchLabels: { app: 'web' } };
    const hostname = 'kubernetes.io/hostname';
    const antiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: hostname }] };
    const template = (spec: Json) => ({
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [sleeper], ...spec } },
    });
    cluster.createDeployment('web', 4, sleeper, template({ affinity: { podAntiAffinity: antiAffinity } }));
    await until(() => cluster.podsOf('web').filter(isPodReady).length === 3);
    await until(() => {
      const last = cluster.podsOf('web').find((pod) => !pod.spec.nodeName);
      return last?.status.conditions?.[0]?.message?.endsWith("3 node(s) didn't match pod anti-affinity rules.");
    });
    const zone = 'topology.kubernetes.io/zone';
    const podAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: zone }] };
    cluster.createPod('companion', sleeper, { affinity: { podAffinity } });
    const lonely = {
      ...podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0],
      labelSelector: { matchLabels: { a: 'b' } },
    };
    const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [lonely] } };
    cluster.createPod('lonely', sleeper, { affinity });
    await until(() => isPodReady(cluster.pod('companion')));
    await until(() => condition('lonely', 'PodScheduled')?.status === 'False');
    changeNode('n1', { unschedulable: true });
    const constraint = { labelSelector: { matchLabels: { app: 'even' } }, topologyKey: hostname, maxSkew: 1 };
    const even = template({ topologySpreadConstraints: [constraint] });
    even.template.metadata.labels = { app: 'even' };
    cluster.createDeployment('even', 4, sleeper, even);
    // With one node closed its domain stays empty, so the two others take one pod each.
    await until(() => cluster.podsOf('even').filter(isPodReady).length === 2);
    await until(
      () => cluster.podsOf('even').filter((pod) => pod.status.conditions?.[0]?.reason === 'Unschedulable').length === 2,
    );
  });

  test('counts what pods request', async () => {
    const greedy = { ...sleeper, resources: { requests: { cpu: '6000' } } };
    for (const name of ['a', 'b', 'c', 'd']) {
      cluster.createPod(name, greedy);
    }
    await until(() => condition('d', 'PodScheduled')?.status === 'False');
    expect(condition('d', 'PodScheduled').message).toBe('0/3 nodes are available: 3 Insufficient cpu.');
    cluster.store.delete('pods', 'default', 'a');
    await until(() => isPodReady(cluster.pod('d')));
  });
});

describe('a NoExecute taint', () => {
  test('drives away the pods that do not tolerate it', async () => {
    cluster.createPod('timid', sleeper, { nodeName: 'n1' });
    cluster.createPod('brave', sleeper, { nodeName: 'n1', tolerations: [{ operator: 'Exists' }] });
    await until(() => isPodReady(cluster.pod('timid')) && isPodReady(cluster.pod('brave')));
    changeNode('n1', { taints: [{ key: 'fire', effect: 'NoExecute' }] });
    await until(() => cluster.pod('timid') === undefined);
    expect(isPodReady(cluster.pod('brave'))).toBe(true);
  });
});

describe('a PodDisruptionBudget', () => {
  const budget = (name: string, spec: Json) =>
    cluster.store.create('poddisruptionbudgets.policy', {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name, namespace: 'default' },
      spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
    });
  const status = (name: string): Json => cluster.status('poddisruptionbudgets.policy', name);

  test.each([
    [{ minAvailable: 3 }, 1, 3],
    [{ minAvailable: '60%' }, 1, 3],
    [{ maxUnavailable: 1 }, 1, 3],
    [{ maxUnavailable: '50%' }, 2, 2],
    [{ minAvailable: 4 }, 0, 4],
  ])('of %j over four pods allows %d disruptions', async (spec, allowed, desired) => {
    cluster.createDeployment('web', 4, sleeper);
    budget('web', spec);
    await until(() => status('web').currentHealthy === 4);
    expect(status('web')).toMatchObject({ disruptionsAllowed: allowed, desiredHealthy: desired, expectedPods: 4 });
  });

  test('counts a pod that was granted its eviction as gone until it is', async () => {
    cluster.createDeployment('web', 4, sleeper);
    budget('web', { minAvailable: 2 });
    await until(() => status('web').disruptionsAllowed === 2);
    cluster.store.update('poddisruptionbudgets.policy', 'default', 'web', (draft) => {
      const time = new Date().toISOString().replace(/\.\d+/, '');
      draft.status.disruptedPods = { [cluster.podsOf('web')[0]!.metadata.name]: time };
    });
    await until(() => status('web').disruptionsAllowed === 1);
    cluster.store.delete('pods', 'default', Object.keys(status('web').disruptedPods)[0]!);
    await until(() => status('web').disruptionsAllowed === 2 && status('web').disruptedPods === undefined);
  });
});

describe('garbage collection', () => {
  const configMap = (name: string, owners: OwnerReference[] = [], namespace = 'default') =>
    cluster.store.create('configmaps', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace, ownerReferences: owners },
    });
  const ownerOf = (name: string, blockOwnerDeletion = true): OwnerReference => {
    const { metadata } = cluster.store.get('configmaps', 'default', name)!;
    return { apiVersion: 'v1', kind: 'ConfigMap', name, uid: metadata.uid, blockOwnerDeletion };
  };
  const exists = (name: string, namespace = 'default') =>
    cluster.store.get('configmaps', namespace, name) !== undefined;

  test('deletes dependents after their owner, through generations', async () => {
    configMap('owner');
    configMap('child', [ownerOf('owner')]);
    configMap('grandchild', [ownerOf('child')]);
    cluster.store.delete('configmaps', 'default', 'owner', { propagationPolicy: 'Background' });
    expect(exists('owner')).toBe(false);
    await until(() => !exists('child') && !exists('grandchild'));
  });

  test('keeps the owner until blocking dependents are gone when in the foreground', async () => {
    configMap('owner');
    configMap('child', [ownerOf('owner')]);
    cluster.store.update('configmaps', 'default', 'child', (draft) => {
      draft.metadata.finalizers = ['example.org/hold'];
    });
    cluster.store.delete('configmaps', 'default', 'owner', { propagationPolicy: 'Foreground' });
    await until(() => cluster.store.get('configmaps', 'default', 'child')!.metadata.deletionTimestamp !== undefined);
    expect(exists('owner')).toBe(true);
    cluster.store.update('configmaps', 'default', 'child', (draft) => {
      draft.metadata.finalizers = undefined;
    });
    await until(() => !exists('owner') && !exists('child'));
  });

  test('lets orphans live', async () => {
    configMap('owner');
    configMap('child', [ownerOf('owner')]);
    cluster.store.delete('configmaps', 'default', 'owner', { propagationPolicy: 'Orphan' });
    await until(() => !exists('owner'));
    expect(cluster.store.get('configmaps', 'default', 'child')!.metadata.ownerReferences).toBeUndefined();
  });

  test('keeps what still has another owner, and takes the lost reference away', async () => {
    configMap('one');
    configMap('two');
    configMap('child', [ownerOf('one'), ownerOf('two')]);
    cluster.store.delete('configmaps', 'default', 'one');
    await until(() => cluster.store.get('configmaps', 'default', 'child')!.metadata.ownerReferences?.length === 1);
  });

  test('deletes what names an owner in another namespace, as a real cluster does', async () => {
    configMap('owner');
    cluster.store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
    configMap('child', [ownerOf('owner')], 'other');
    await until(() => !exists('child', 'other'));
    expect(exists('owner')).toBe(true);
  });

  test('takes ReplicaSets and pods with their Deployment, and works for kinds defined later', async () => {
    const { store } = cluster;
    cluster.createDeployment('web', 2, sleeper);
    await until(() => cluster.podsOf('web').filter(isPodReady).length === 2);
    store.create('customresourcedefinitions.apiextensions.k8s.io', {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'widgets.example.org' },
      spec: { group: 'example.org', scope: 'Namespaced', names: { kind: 'Widget', plural: 'widgets' }, versions: [] },
    });
    const { uid } = store.get('deployments.apps', 'default', 'web')!.metadata;
    const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid };
    const metadata = { name: 'w', namespace: 'default', ownerReferences: [owner] };
    store.create('widgets.example.org', { apiVersion: 'example.org/v1', kind: 'Widget', metadata });
    store.delete('deployments.apps', 'default', 'web');
    await until(() => cluster.podsOf('web').length + store.list('replicasets.apps').length === 0);
    await until(() => store.list('widgets.example.org').length === 0);
  });
});

describe('a namespace', () => {
  test('that is deleted is emptied first, and waits for finalizers', async () => {
    const { store } = cluster;
    store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    await until(() => store.get('serviceaccounts', 'shop', 'default') !== undefined);
    store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', namespace: 'shop' },
      spec: { containers: [sleeper] },
    });
    const metadata = { name: 'held', namespace: 'shop', finalizers: ['example.org/hold'] };
    store.create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata });
    await until(() => isPodReady(store.get('pods', 'shop', 'a')));
    store.delete('namespaces', undefined, 'shop');
    await until(() => store.get('pods', 'shop', 'a') === undefined);
    const namespace = store.get('namespaces', undefined, 'shop')!;
    expect(namespace.status.phase).toBe('Terminating');
    await until(() => {
      const conditions: Json[] = store.get('namespaces', undefined, 'shop')!.status.conditions;
      const held = conditions.find(({ type }) => type === 'NamespaceFinalizersRemaining');
      return held.status === 'True' && held.message.includes('example.org/hold');
    });
    store.update('configmaps', 'shop', 'held', (draft) => {
      draft.metadata.finalizers = undefined;
    });
    await until(() => store.get('namespaces', undefined, 'shop') === undefined);
    expect(store.list('serviceaccounts', 'shop')).toEqual([]);
  });
});

describe('a node', () => {
  test('that is deleted takes its pods with it', async () => {
    cluster.createPod('lost', sleeper, { nodeName: 'n1' });
    await until(() => isPodReady(cluster.pod('lost')));
    cluster.store.delete('nodes', undefined, 'n1');
    await until(() => cluster.pod('lost') === undefined);
  });

  test('whose lease runs out becomes Unknown, and recovers with the next renewal', async () => {
    const ready = () =>
      cluster.store.get('nodes', undefined, 'n1')!.status.conditions.find(({ type }: Json) => type === 'Ready').status;
    const renewed = (time: string) =>
      cluster.store.update('leases.coordination.k8s.io', 'kube-node-lease', 'n1', (lease) => {
        lease.spec.renewTime = time;
      });
    renewed('2020-01-01T00:00:00.000000Z');
    changeNode('n1', { providerID: 'look' });
    await until(() => ready() === 'Unknown');
    expect(cluster.store.get('nodes', undefined, 'n1')!.spec.taints[0].key).toBe('node.kubernetes.io/unreachable');
    renewed('2999-01-01T00:00:00.000000Z');
    changeNode('n1', { providerID: 'look again' });
    await until(() => ready() === 'True');
  });
});
