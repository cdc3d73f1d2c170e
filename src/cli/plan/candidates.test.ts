import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Targets } from '../../api/targets.js';
import { watchOf } from '../../controller/candidates/candidate-watch.js';
import { daemonSets, nodes, pods } from '../../kubernetes/resource.js';
import { type Planning, startPlanning } from '../../testing/planning.js';
import { until } from '../../testing/scripted-server.js';
import { PlanCandidates } from './candidates.js';
import { readContents } from './read.js';

let planning: Planning;

beforeAll(async () => {
  planning = await startPlanning();
}, 30_000);

afterAll(() => planning?.stop());

describe('the candidates of a plan', () => {
  const cases: [string, Targets][] = [
    ['pods by label', { pods: { selector: { matchLabels: { tier: 'front' } }, minAge: '0s', unmanaged: false } }],
    ['pods by name', { pods: { names: ['bare'], minAge: '0s', unmanaged: false } }],
    [
      'pods of a Deployment',
      { pods: { workload: { kind: 'Deployment', name: 'web' }, minAge: '0s', unmanaged: false } },
    ],
    [
      'pods of a DaemonSet',
      { pods: { workload: { kind: 'DaemonSet', name: 'each' }, minAge: '0s', unmanaged: false } },
    ],
    [
      'pods of zones',
      { pods: { selector: { matchLabels: { app: 'web' } }, zones: ['z1', 'z2'], minAge: '0s', unmanaged: false } },
    ],
    ['nodes by label', { nodes: { selector: { matchLabels: { 'kubernetes.io/os': 'linux' } } } }],
    ['nodes by name', { nodes: { names: ['n2', 'n9'] } }],
    ['zones', { zones: {} }],
    ['zones by name', { zones: { names: ['z3'] } }],
    ['workloads by name', { workloads: { kind: 'Deployment', names: ['web'] } }],
    [
      'workloads by label',
      { workloads: { kind: 'DaemonSet', selector: { matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] } } },
    ],
  ];

  beforeAll(async () => {
    await planning.cluster.client.create(daemonSets, {
      metadata: { name: 'each', namespace: 'shop' },
      spec: {
        selector: { matchLabels: { app: 'each' } },
        template: { metadata: { labels: { app: 'each' } }, spec: { containers: [{ name: 'a', image: 'b' }] } },
      },
    });
    await planning.cluster.client.create(pods, {
      metadata: { name: 'bare', namespace: 'shop', labels: { tier: 'front' } },
      spec: { containers: [{ name: 'a', image: 'b' }] },
    });
    await until(() => planning.cluster.readyPods('each', 'shop').length === 3, 'the pods of the DaemonSet');
    await planning.cluster.client.patch(nodes, undefined, 'n3', { spec: { unschedulable: true } });
  });

  test.each(cases)('are those that a controller watches: %s', async (_name, targets) => {
    const { client, systemNamespace } = planning.cluster.connection;
    const contents = await readContents({ client, systemNamespace, namespaces: ['shop'] }, () => {});
    const watch = watchOf(targets, { client, namespace: 'shop', onChange: () => {}, onError: () => {} });
    await watch.start();
    const candidates = new PlanCandidates(contents);
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    expect(candidates.of(targets, 'shop').sort(byName)).toEqual(watch.list()?.sort(byName));
    expect(candidates.spareNodes(targets)).toEqual([...(watch.spares?.() ?? [])]);
    await watch.stop();
  });
});
