import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isPodReady, shellContainer, startTestWorkloads, until } from '../../testing/workloads.js';
import type { Json } from '../store/types.js';

const sleeper = shellContainer('sleep 1000');
const hostname = 'kubernetes.io/hostname';

let cluster: Awaited<ReturnType<typeof startTestWorkloads>>;

beforeEach(async () => {
  cluster = await startTestWorkloads({ nodes: 3, simulated: true });
});

afterEach(async () => {
  await cluster.stop();
});

function taint(node: string, ...taints: Json[]): void {
  cluster.store.update('nodes', undefined, node, (draft) => {
    draft.spec.taints = taints.length > 0 ? taints : undefined;
  });
}

function condition(name: string, type: string): Json {
  return cluster.pod(name)?.status.conditions?.find((one: Json) => one.type === type);
}

function createDaemons(name: string): void {
  cluster.store.create('daemonsets.apps', {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [sleeper] } },
    },
  });
}

const nodesOf = (app: string) => cluster.podsOf(app).map((pod) => pod.spec.nodeName);
const settled = async (app: string, replicas: number) =>
  until(() => {
    const pods = cluster.podsOf(app);
    return pods.length === replicas && pods.every(isPodReady);
  });

describe('a NoExecute taint', () => {
  test('leaves a pod that stands it for a while that while, however old the pod is', async () => {
    const key = 'fire';
    const tolerations = (tolerationSeconds: number) => [{ key, operator: 'Exists', tolerationSeconds }];
    cluster.createPod('patient', sleeper, { nodeName: 'n1', tolerations: tolerations(600) });
    cluster.createPod('hasty', sleeper, { nodeName: 'n1', tolerations: tolerations(1) });
    await until(() => ['patient', 'hasty'].every((name) => isPodReady(cluster.pod(name))));
    cluster.store.update('pods', 'default', 'patient', (draft) => {
      draft.metadata.creationTimestamp = '2020-01-01T00:00:00Z';
    });
    const start = Date.now();
    taint('n1', { key, effect: 'NoExecute' });
    await until(() => cluster.pod('hasty') === undefined);
    expect(Date.now() - start).toBeGreaterThan(900);
    expect(isPodReady(cluster.pod('patient'))).toBe(true);
  });

  test('that goes in time spares the pods', async () => {
    const tolerations = [{ key: 'fire', operator: 'Exists', tolerationSeconds: 1 }];
    cluster.createPod('lucky', sleeper, { nodeName: 'n1', tolerations });
    await until(() => isPodReady(cluster.pod('lucky')));
    taint('n1', { key: 'fire', effect: 'NoExecute' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    taint('n1');
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(isPodReady(cluster.pod('lucky'))).toBe(true);
  });

  test('says on the pod why it goes', async () => {
    const seen: Json[] = [];
    cluster.store.subscribe('pods', ({ object }) => {
      seen.push(...(object.status?.conditions ?? []).filter(({ type }: Json) => type === 'DisruptionTarget'));
    });
    cluster.createPod('timid', sleeper, { nodeName: 'n1' });
    await until(() => isPodReady(cluster.pod('timid')));
    taint('n1', { key: 'fire', effect: 'NoExecute' });
    await until(() => cluster.pod('timid') === undefined);
    expect(seen[0]).toMatchObject({ status: 'True', reason: 'DeletionByTaintManager' });
    expect(cluster.events('timid')).toContain('TaintManagerEviction');
  });
});

describe('a PreferNoSchedule taint', () => {
  test('keeps pods off as long as there is another node', async () => {
    taint('n1', { key: 'better-not', effect: 'PreferNoSchedule' });
    cluster.createDeployment('web', 4, sleeper);
    await settled('web', 4);
    expect(nodesOf('web')).not.toContain('n1');
    cluster.createPod('pinned', sleeper, { nodeSelector: { [hostname]: 'n1' } });
    await until(() => isPodReady(cluster.pod('pinned')));
  });
});

describe('a DaemonSet', () => {
  beforeEach(async () => {
    createDaemons('agent');
    await settled('agent', 3);
  });

  test('keeps its pods on a node that is cordoned or tainted NoSchedule, and starts no new one there', async () => {
    const before = cluster.podsOf('agent').map((pod) => pod.metadata.uid);
    cluster.store.update('nodes', undefined, 'n1', (draft) => {
      draft.spec = { unschedulable: true };
    });
    taint('n2', { key: 'keep-out', effect: 'NoSchedule' });
    await until(() => cluster.status('daemonsets.apps', 'agent').desiredNumberScheduled === 2);
    expect(cluster.podsOf('agent').map((pod) => pod.metadata.uid)).toEqual(before);
    for (const pod of cluster.podsOf('agent').filter(({ spec }) => spec.nodeName !== 'n3')) {
      cluster.store.delete('pods', 'default', pod.metadata.name);
    }
    await settled('agent', 2);
    expect(nodesOf('agent').sort()).toEqual(['n1', 'n3']);
  });

  test('loses its pod to a NoExecute taint and gets it back afterwards', async () => {
    taint('n2', { key: 'fire', effect: 'NoExecute' });
    await settled('agent', 2);
    expect(nodesOf('agent')).not.toContain('n2');
    taint('n2');
    await settled('agent', 3);
  });
});

describe('the scheduler', () => {
  const apart = (app: string) => ({
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app } }, topologyKey: hostname },
      ],
    },
  });

  test('keeps a pod away from one that wants to be alone', async () => {
    cluster.createPod('hermit', sleeper, { nodeName: 'n1', affinity: apart('noisy') });
    await until(() => isPodReady(cluster.pod('hermit')));
    cluster.createPod('noisy', sleeper, { nodeSelector: { [hostname]: 'n1' } });
    await until(() => condition('noisy', 'PodScheduled')?.status === 'False');
    expect(condition('noisy', 'PodScheduled').message).toContain(
      "1 node(s) didn't satisfy existing pods anti-affinity rules",
    );
    cluster.store.delete('pods', 'default', 'hermit');
    await until(() => isPodReady(cluster.pod('noisy')));
  });

  test('spreads only over the nodes that the pod may use', async () => {
    const labelSelector = { matchLabels: { app: 'even' } };
    const spec = {
      containers: [sleeper],
      topologySpreadConstraints: [
        { labelSelector, topologyKey: hostname, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' },
      ],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: hostname, operator: 'NotIn', values: ['n3'] }] }],
          },
        },
      },
    };
    cluster.createDeployment('even', 4, sleeper, { template: { metadata: { labels: { app: 'even' } }, spec } });
    await settled('even', 4);
    expect(nodesOf('even').sort()).toEqual(['n1', 'n1', 'n2', 'n2']);
  });
});

describe('a disruption budget', () => {
  const budget = (spec: Json) =>
    cluster.store.create('poddisruptionbudgets.policy', {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
    });
  const status = (): Json => cluster.status('poddisruptionbudgets.policy', 'web');

  test('that can not count the owners of its pods allows nothing and says so', async () => {
    createDaemons('web');
    await settled('web', 3);
    budget({ maxUnavailable: 1 });
    await until(() => status().conditions?.[0]?.reason === 'SyncFailed');
    expect(status()).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [{ status: 'False', message: expect.stringMatching(/^found no controllers for pod "web-/) }],
    });
  });

  test('does not count pods that nobody owns when it is a share', async () => {
    cluster.createDeployment('web', 2, sleeper);
    cluster.store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'bare', namespace: 'default', labels: { app: 'web' } },
      spec: { containers: [sleeper] },
    });
    budget({ maxUnavailable: 1 });
    await until(() => status().currentHealthy === 3);
    expect(status()).toMatchObject({ expectedPods: 2, desiredHealthy: 1, disruptionsAllowed: 2 });
  });
});

describe('a HorizontalPodAutoscaler', () => {
  const autoscale = (name: string, minReplicas: number, maxReplicas: number) =>
    cluster.store.create('horizontalpodautoscalers.autoscaling', {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name, namespace: 'default' },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas, maxReplicas },
    });
  const replicas = () => cluster.store.get('deployments.apps', 'default', 'web')!.spec.replicas;
  const scale = (wanted: number) =>
    cluster.store.update('deployments.apps', 'default', 'web', (draft) => {
      draft.spec.replicas = wanted;
    });
  const status = (): Json => cluster.status('horizontalpodautoscalers.autoscaling', 'web');

  test('undoes what brings its workload out of bounds', async () => {
    cluster.createDeployment('web', 3, sleeper);
    autoscale('web', 2, 4);
    await until(() => status().currentReplicas === 3);
    expect(status().conditions).toMatchObject([
      { type: 'AbleToScale', status: 'True' },
      { type: 'ScalingActive', status: 'False', reason: 'FailedGetResourceMetric' },
    ]);
    scale(1);
    await until(() => replicas() === 2);
    scale(9);
    await until(() => replicas() === 4);
    expect(cluster.events('web')).toContain('SuccessfulRescale');
  });

  test('leaves a workload of no replicas alone', async () => {
    cluster.createDeployment('web', 0, sleeper);
    autoscale('web', 2, 4);
    await until(() => status().conditions?.[1]?.reason === 'ScalingDisabled');
    expect(replicas()).toBe(0);
  });

  test('says when its workload is not there', async () => {
    autoscale('web', 1, 2);
    await until(() => status().conditions?.[0]?.reason === 'FailedGetScale');
  });
});

describe('a ClusterRole with an aggregation rule', () => {
  const roles = 'clusterroles.rbac.authorization.k8s.io';
  const create = (name: string, more: Json) =>
    cluster.store.create(roles, {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      ...more,
      metadata: { ...more.metadata, name },
    });

  test('has the rules of those that it selects, as they come and go', async () => {
    const rule = (resource: string) => ({ apiGroups: [''], resources: [resource], verbs: ['get'] });
    const labels = { aggregate: 'yes' };
    create('all', { rules: [], aggregationRule: { clusterRoleSelectors: [{ matchLabels: labels }] } });
    create('one', { metadata: { labels }, rules: [rule('pods')] });
    create('other', { rules: [rule('secrets')] });
    const rules = () => cluster.store.get(roles, undefined, 'all')!.rules;
    await until(() => rules().length === 1);
    expect(rules()).toEqual([rule('pods')]);
    cluster.store.delete(roles, undefined, 'one');
    await until(() => rules().length === 0);
  });
});
