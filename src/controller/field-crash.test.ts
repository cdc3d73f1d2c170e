import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Json } from '../kubernetes/resource.js';
import { nodes } from '../kubernetes/resource.js';
import {
  availableProbe,
  bundleController,
  type ControllerBundle,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { CrashLane, moments } from '../testing/crash-lane.js';
import type { ProxiedRequest } from '../testing/crash-proxy.js';
import { until } from '../testing/scripted-server.js';
import { horizontalPodAutoscalers } from './api-steps/objects.js';

/** How many clusters work on the cases side by side. */
const LANES = 3;

let bundle: ControllerBundle;

beforeAll(async () => {
  bundle = await bundleController();
}, 30_000);

afterAll(() => bundle?.remove());

const taints = [
  { key: 'gpu', value: 'theirs', effect: 'NoSchedule' },
  { key: 'gpu', effect: 'PreferNoSchedule' },
];

/** One node that was cordoned and tainted before, and a workload with an autoscaler that would not have one replica. */
async function prepare(cluster: TestCluster): Promise<void> {
  await cluster.client.patch(nodes, undefined, 'n1', { spec: { unschedulable: true, taints } });
  await cluster.deploy('web', 3);
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
  await cluster.client.create(horizontalPodAutoscalers, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { minReplicas: 2, maxReplicas: 5, scaleTargetRef },
  });
  await until(() => node(cluster, 'n1').spec.taints.length === 3, 'the node controller');
}

const onNodes = (names: string[]) => ({ nodes: { names }, count: names.length });
const template: Json = {
  hypothesis: [availableProbe('web', 0)],
  method: [
    {
      name: 'taint',
      duration: '200ms',
      targets: onNodes(['n1']),
      nodeTaint: { taints: [{ key: 'gpu', value: 'ours', effect: 'NoSchedule' }] },
    },
    { name: 'cordon', parallel: true, duration: '200ms', targets: onNodes(['n1', 'n3']), nodeCordon: {} },
    {
      name: 'scale',
      parallel: true,
      duration: '200ms',
      targets: { workloads: { kind: 'Deployment', names: ['web'] } },
      scale: { replicas: 1, autoscaler: 'Pause' },
    },
  ],
};

const node = (cluster: TestCluster, name: string): Json => cluster.cluster.store.get('nodes', undefined, name);

/** All that may be changed, without what changes with every write. */
function seen({ cluster: { store } }: TestCluster): Json {
  const objects = [
    ...store.list('nodes'),
    ...store.list('deployments.apps', 'default'),
    ...store.list('horizontalpodautoscalers.autoscaling', 'default'),
  ] as Json[];
  // The API server counts what was written to a Deployment in an annotation of its own.
  return objects.map(({ metadata: { name, labels, annotations }, spec }) =>
    structuredClone({ name, labels, annotations, spec }),
  );
}

/** Writes to what is changed, and to the record of it; of the latter it does not matter whether only the answer is lost. */
const matters = {
  before: /[/](nodes|deployments|horizontalpodautoscalers|injections)[/]/,
  answered: /[/](nodes|deployments|horizontalpodautoscalers)[/]/,
};

async function play(first: number, lines: string[]): Promise<void> {
  const lane = new CrashLane(await startTestCluster(bundle.workerUrl, { nodes: 4 }), bundle);
  const { cluster } = lane;
  try {
    await prepare(cluster);
    const before = seen(cluster);
    await lane.begin();
    for (const moment of moments) {
      const of = ({ method, path }: ProxiedRequest) => method === 'PATCH' && matters[moment].test(path);
      for (let nth = first; ; nth += LANES) {
        const { run, died } = await lane.play(`${moment}-${nth}`, template, [{ moment, nth, of }]);
        await until(() => JSON.stringify(seen(cluster)) === JSON.stringify(before), 'all to be as before').catch(
          () => {},
        );
        expect({ moment, nth, objects: seen(cluster) }).toEqual({ moment, nth, objects: before });
        expect(cluster.injections()).toEqual([]);
        if (!run || died === 0) break;
        expect(run.metadata.finalizers ?? []).toEqual([]);
        lines.push(`${moment}-${nth}: ${run.status?.verdict}/${run.status?.reason} ${run.status?.message}`);
        await until(() => cluster.readyPods('web').length === 3, 'all pods of web');
      }
    }
  } finally {
    await lane.stop();
  }
}

test('a controller that is killed at any write leaves nodes, replica counts and autoscalers as they were', async () => {
  const lines: string[] = [];
  await Promise.all(Array.from({ length: LANES }, (_, index) => play(index + 1, lines)));
  const passed = lines.filter((line) => line.includes('Passed')).length;
  const others = lines.filter((line) => !line.includes('Passed'));
  console.info(`${lines.length} deaths: ${passed} passed, all restored\n${others.join('\n')}`);
  expect(lines.length).toBeGreaterThan(30);
}, 180_000);
