import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  isAlive,
  isPodReady,
  nodeContainer,
  pidOf,
  shellContainer,
  startTestWorkloads,
  until,
} from '../../testing/workloads.js';
import type { Json, KubeObject } from '../store/types.js';

let cluster: Awaited<ReturnType<typeof startTestWorkloads>>;

beforeEach(async () => {
  cluster = await startTestWorkloads();
});

afterEach(async () => {
  await cluster.stop();
});

const sleeper = shellContainer('sleep 1000');
const deployment = (name: string): Json => cluster.status('deployments.apps', name);
const condition = (status: Json, type: string): Json => status.conditions?.find((one: Json) => one.type === type);

function createSet(resource: string, kind: string, name: string, spec: Json): KubeObject {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [sleeper], terminationGracePeriodSeconds: 1 } };
  return cluster.store.create(resource, {
    apiVersion: resource === 'jobs.batch' ? 'batch/v1' : 'apps/v1',
    kind,
    metadata: { name, namespace: 'default' },
    spec: { selector: resource === 'jobs.batch' ? undefined : { matchLabels: labels }, template, ...spec },
  });
}

describe('a Deployment', () => {
  test('replaces a pod that is deleted', async () => {
    cluster.createDeployment('web', 2, sleeper);
    await until(() => deployment('web').availableReplicas === 2);
    const [victim] = cluster.podsOf('web');
    cluster.store.delete('pods', 'default', victim!.metadata.name, { gracePeriodSeconds: 0 });
    await until(() => deployment('web').availableReplicas === 2 && cluster.podsOf('web').length === 2);
    expect(cluster.podsOf('web').map((pod) => pod.metadata.uid)).not.toContain(victim!.metadata.uid);
    await until(() => !isAlive(pidOf(victim!)));
  });

  test('says whether it is available and whether it is progressing', async () => {
    cluster.createDeployment(
      'web',
      1,
      shellContainer('sleep 1000', { readinessProbe: { exec: { command: ['false'] } } }),
      {
        progressDeadlineSeconds: 1,
      },
    );
    await until(() => condition(deployment('web'), 'Progressing')?.reason === 'ProgressDeadlineExceeded');
    expect(condition(deployment('web'), 'Available').status).toBe('False');
    expect(deployment('web')).toMatchObject({
      replicas: 1,
      updatedReplicas: 1,
      unavailableReplicas: 1,
      observedGeneration: 1,
    });
    cluster.store.update('deployments.apps', 'default', 'web', (draft) => {
      draft.spec.template.spec.containers = [sleeper];
    });
    await until(() => condition(deployment('web'), 'Progressing').reason === 'NewReplicaSetAvailable');
    expect(condition(deployment('web'), 'Available').status).toBe('True');
  });

  test('rolls over to a new template without falling below what must be available', async () => {
    cluster.createDeployment('web', 3, sleeper, {
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    });
    await until(() => deployment('web').availableReplicas === 3);
    let fewest = 3;
    let most = 0;
    cluster.store.subscribe('pods', () => {
      const pods = cluster.podsOf('web').filter((pod) => pod.metadata.deletionTimestamp === undefined);
      fewest = Math.min(fewest, pods.filter(isPodReady).length);
    });
    cluster.store.subscribe('replicasets.apps', () => {
      const sets = cluster.store.list('replicasets.apps');
      most = Math.max(
        most,
        sets.reduce((sum, set) => sum + set.spec.replicas, 0),
      );
    });
    cluster.store.update('deployments.apps', 'default', 'web', (draft) => {
      draft.spec.template.spec.containers[0].env = [{ name: 'VERSION', value: '2' }];
    });
    await until(() => {
      const { observedGeneration, updatedReplicas, replicas, availableReplicas } = deployment('web');
      return observedGeneration === 2 && updatedReplicas === 3 && replicas === 3 && availableReplicas === 3;
    });
    expect([fewest, most]).toEqual([3, 4]);
    expect(cluster.store.get('deployments.apps', 'default', 'web')!.metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/revision': '2',
    });
  });

  test('with the strategy Recreate ends all old pods before it makes new ones', async () => {
    cluster.createDeployment('web', 2, sleeper, { strategy: { type: 'Recreate' } });
    await until(() => deployment('web').availableReplicas === 2);
    let most = 0;
    cluster.store.subscribe('pods', () => {
      most = Math.max(most, cluster.podsOf('web').length);
    });
    const before = cluster.podsOf('web').map((pod) => pod.metadata.uid);
    cluster.store.update('deployments.apps', 'default', 'web', (draft) => {
      draft.spec.template.spec.containers[0].env = [{ name: 'VERSION', value: '2' }];
    });
    await until(() => deployment('web').availableReplicas === 2 && deployment('web').observedGeneration === 2);
    await until(() => cluster.podsOf('web').every((pod) => !before.includes(pod.metadata.uid)));
    expect(most).toBe(2);
  });

  test('goes back to the ReplicaSet it had when its template goes back', async () => {
    cluster.createDeployment('web', 1, sleeper);
    await until(() => deployment('web').availableReplicas === 1);
    const setTemplate = (generation: number, change: (template: Json) => void) => {
      cluster.store.update('deployments.apps', 'default', 'web', (draft) => change(draft.spec.template));
      return until(() => {
        const { observedGeneration, updatedReplicas, replicas } = deployment('web');
        return observedGeneration === generation && updatedReplicas === 1 && replicas === 1;
      });
    };
    await setTemplate(2, (template) => {
      template.spec.containers[0].env = [{ name: 'VERSION', value: '2' }];
    });
    await setTemplate(3, (template) => {
      template.spec.containers[0].env = undefined;
      template.metadata.creationTimestamp = null;
    });
    const sets = cluster.store.list('replicasets.apps');
    const revisions = sets.map(({ spec, metadata }) => [
      spec.replicas,
      metadata.annotations!['deployment.kubernetes.io/revision'],
    ]);
    expect(revisions).toEqual([
      [1, '3'],
      [0, '2'],
    ]);
  });

  test('scaled down gives up the pods that are not ready first', async () => {
    const program = `
      require('node:http').createServer((request, response) => {
        response.statusCode = process.env.POD_NAME === broken ? 503 : 200;
        response.end();
      }).listen(8080, process.env.POD_IP);
      let broken = '';
      process.on('SIGUSR2', () => { broken = process.env.POD_NAME; });`;
    const readinessProbe = { httpGet: { port: 8080 }, periodSeconds: 1, failureThreshold: 1 };
    cluster.createDeployment('web', 3, nodeContainer(program, { readinessProbe }));
    await until(() => deployment('web').availableReplicas === 3);
    const broken = cluster.podsOf('web')[0]!;
    process.kill(pidOf(broken), 'SIGUSR2');
    await until(() => !isPodReady(cluster.pod(broken.metadata.name)));
    cluster.store.update('deployments.apps', 'default', 'web', (draft) => {
      draft.spec.replicas = 2;
    });
    await until(() => cluster.podsOf('web').length === 2);
    expect(cluster.podsOf('web').filter(isPodReady)).toHaveLength(2);
  });

  test('lets go of a pod that is relabelled and adopts one that matches', async () => {
    cluster.createDeployment('web', 1, sleeper);
    await until(() => deployment('web').availableReplicas === 1);
    const [pod] = cluster.podsOf('web');
    cluster.store.update('pods', 'default', pod!.metadata.name, (draft) => {
      draft.metadata.labels = { app: 'quarantine' };
    });
    await until(() => cluster.podsOf('web').length === 1 && deployment('web').availableReplicas === 1);
    expect(cluster.pod(pod!.metadata.name).metadata.ownerReferences ?? []).toEqual([]);
    expect(isAlive(pidOf(pod!))).toBe(true);
    cluster.store.update('pods', 'default', pod!.metadata.name, (draft) => {
      draft.metadata.labels = pod!.metadata.labels;
    });
    await until(() => cluster.podsOf('web').length === 1);
  });
});

describe('other workloads', () => {
  test('a DaemonSet has a pod on every node, cordoned or not', async () => {
    cluster.store.update('nodes', undefined, 'n1', (node) => {
      node.spec.unschedulable = true;
    });
    createSet('daemonsets.apps', 'DaemonSet', 'agent', {});
    await until(() => cluster.status('daemonsets.apps', 'agent').numberAvailable === 2);
    expect(
      cluster
        .podsOf('agent')
        .map((pod) => pod.spec.nodeName)
        .sort(),
    ).toEqual(['n1', 'n2']);
    cluster.store.update('daemonsets.apps', 'default', 'agent', (draft) => {
      draft.spec.template.spec.containers[0].env = [{ name: 'VERSION', value: '2' }];
    });
    await until(() => {
      const { updatedNumberScheduled, numberAvailable } = cluster.status('daemonsets.apps', 'agent');
      return updatedNumberScheduled === 2 && numberAvailable === 2;
    });
  });

  test('a StatefulSet makes its pods in order, with lasting names, and removes the last first', async () => {
    const created: string[] = [];
    cluster.store.subscribe('pods', ({ type, object }) => {
      if (type === 'ADDED') {
        created.push(object.metadata.name);
      }
    });
    createSet('statefulsets.apps', 'StatefulSet', 'db', { replicas: 3, serviceName: 'db' });
    await until(() => cluster.status('statefulsets.apps', 'db').availableReplicas === 3);
    expect(created).toEqual(['db-0', 'db-1', 'db-2']);
    cluster.store.delete('pods', 'default', 'db-1', { gracePeriodSeconds: 0 });
    await until(() => created.length === 4 && cluster.status('statefulsets.apps', 'db').availableReplicas === 3);
    expect(created[3]).toBe('db-1');
    cluster.store.update('statefulsets.apps', 'default', 'db', (draft) => {
      draft.spec.replicas = 2;
    });
    await until(() => cluster.podsOf('db').length === 2);
    expect(cluster.pod('db-2')).toBeUndefined();
  });

  test('a Job ends when enough pods have succeeded, or when too many have failed', async () => {
    const template = (script: string) => ({
      template: { spec: { containers: [shellContainer(script)], restartPolicy: 'Never' } },
    });
    createSet('jobs.batch', 'Job', 'good', { completions: 3, parallelism: 2, ...template('exit 0') });
    createSet('jobs.batch', 'Job', 'bad', { backoffLimit: 1, ...template('exit 1') });
    await until(() => condition(cluster.status('jobs.batch', 'good'), 'Complete')?.status === 'True');
    await until(() => condition(cluster.status('jobs.batch', 'bad'), 'Failed')?.reason === 'BackoffLimitExceeded');
    expect(cluster.status('jobs.batch', 'good')).toMatchObject({ succeeded: 3 });
    expect(cluster.status('jobs.batch', 'bad')).toMatchObject({ failed: 2 });
  });
});
