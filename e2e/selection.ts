import { expect, test } from '@jest/globals';
import { pods } from '../src/kubernetes/resource.js';
import { runExperiment, type TestCluster } from './cluster.js';
import { experiment, kill } from './workload.js';

/** How targets are picked. */
export function selection(cluster: TestCluster): void {
  const { namespace } = cluster;

  test.concurrent('a workload is picked by its name, and half of its pods are half', async () => {
    await cluster.deploy('picked', 4);
    const { outcome, run } = await runExperiment(
      cluster,
      experiment('picked', {
        method: [kill({ workload: { kind: 'Deployment', name: 'picked' } }, { targets: { percent: 50 } })],
      }),
    );
    expect(outcome).toMatchObject({ code: 0, reason: 'HypothesisHeld' });
    expect(run.status?.selection).toMatchObject([{ step: 'kill', candidates: 4, chosen: 2 }]);
    expect(run.status?.steps).toMatchObject([{ targets: 2, hit: 2, effective: 2 }]);
  });

  test.concurrent('pods are picked by their names', async () => {
    await cluster.deploy('named', 2);
    const { items } = await cluster.client.list(pods, { namespace, labelSelector: 'app=named' });
    const name = items[0]?.metadata.name ?? '';
    const { outcome, run } = await runExperiment(
      cluster,
      experiment('named', { method: [kill({ names: [name] }, { duration: '1s' })] }),
    );
    expect(outcome).toMatchObject({ code: 0 });
    expect(run.status?.steps).toMatchObject([{ hit: 1, names: [name] }]);
  });

  test.concurrent('repeated kills hit another pod each time', async () => {
    await cluster.deploy('again', 2);
    const { outcome, run } = await runExperiment(
      cluster,
      experiment('again', {
        method: [
          kill({ selector: { matchLabels: { app: 'again' } } }, { fault: { repeatEvery: '2s' }, duration: '7s' }),
        ],
      }),
    );
    expect(outcome).toMatchObject({ code: 0 });
    const [step] = run.status?.steps ?? [];
    expect(step?.hit).toBeGreaterThanOrEqual(2);
    expect(new Set(step?.names).size).toBe(step?.hit);
  });

  test.concurrent('a list of objects can be judged', async () => {
    await cluster.deploy('listed', 2);
    const { outcome } = await runExperiment(
      cluster,
      experiment('listed', {
        hypothesis: [
          {
            name: 'pods',
            resource: {
              apiVersion: 'v1',
              kind: 'Pod',
              selector: { matchLabels: { app: 'listed' } },
              interval: '100ms',
            },
            expect: { that: 'objects.size() >= 1 && objects.all(pod, pod.metadata.labels.app == "listed")' },
          },
        ],
      }),
    );
    expect(outcome).toMatchObject({ code: 0, verdict: 'Passed' });
  });
}
