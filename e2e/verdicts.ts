import { expect, test } from '@jest/globals';
import { type Json, pods } from '../src/kubernetes/resource.js';
import { runExperiment, type TestCluster } from './cluster.js';
import { deploymentProbe, experiment, kill, serviceProbe } from './workload.js';

/** What a run finds out, and the exit code that says so. */
export function verdicts(cluster: TestCluster): void {
  const testHttp = cluster.unreachable ? (test.skip as typeof test.concurrent) : test.concurrent;
  const { namespace } = cluster;
  const podNames = async (app: string) =>
    (await cluster.client.list(pods, { namespace, labelSelector: `app=${app}` })).items
      .map(({ metadata }) => metadata.name ?? '')
      .sort();

  testHttp('a run passes with 0 when enough pods are left', async () => {
    await cluster.deploy('enough', 3, { service: true });
    const { outcome, run } = await runExperiment(
      cluster,
      experiment('enough', {
        hypothesis: [
          serviceProbe('enough', namespace, { expect: { successRate: '>= 80%', latencyP95: '< 2s' } }),
          deploymentProbe('enough', 'object.status.availableReplicas >= 2'),
        ],
      }),
    );
    expect(outcome).toMatchObject({ code: 0, verdict: 'Passed', reason: 'HypothesisHeld' });
    expect(run.status?.steps).toMatchObject([{ name: 'kill', state: 'Done', targets: 1, hit: 1, effective: 1 }]);
    for (const probe of run.status?.probes ?? []) {
      expect(probe.stages.map(({ stage, held }) => [stage, held])).toEqual([
        ['Before', true],
        ['During', true],
        ['After', true],
      ]);
    }
    expect(await podNames('enough')).not.toContain(run.status?.steps?.[0]?.names?.[0]);
    expect(await podNames('enough')).toHaveLength(3);
  });

  testHttp('a run fails with 1 when the only pod is killed', async () => {
    await cluster.deploy('single', 1, { service: true });
    const { outcome, run } = await runExperiment(
      cluster,
      experiment('single', {
        hypothesis: [serviceProbe('single', namespace, { expect: { successRate: '>= 99%' }, timeout: '200ms' })],
      }),
    );
    expect(outcome).toMatchObject({ code: 1, verdict: 'Failed', reason: 'HypothesisViolated' });
    expect(run.status?.probes?.[0]?.stages[1]).toMatchObject({ stage: 'During', held: false });
    expect(run.status?.recoverySeconds).toBeGreaterThanOrEqual(0);
  });

  test.concurrent('a run fails with 1 when a resource is not as it should be', async () => {
    await cluster.deploy('alone', 1);
    const { outcome } = await runExperiment(
      cluster,
      experiment('alone', {
        hypothesis: [
          deploymentProbe('alone', 'has(object.status.availableReplicas) && object.status.availableReplicas > 0'),
        ],
        more: { safeguards: { abortOn: ['deployment'] } },
      }),
    );
    expect(outcome).toMatchObject({ code: 1, verdict: 'Failed', reason: 'HypothesisViolated' });
  });

  test.concurrent('a run is inconclusive with 3, and injects nothing, when the steady state is not there', async () => {
    await cluster.deploy('unmet', 6);
    const before = await podNames('unmet');
    const draw = (seed: string) =>
      runExperiment(
        cluster,
        experiment('unmet', {
          hypothesis: [deploymentProbe('unmet', 'object.spec.replicas == 7')],
          method: [kill({ selector: { matchLabels: { app: 'unmet' } } }, { targets: { count: 3 } })],
        }),
        '--seed',
        seed,
      );
    const runs = [await draw('7'), await draw('7'), await draw('8'), await draw('9'), await draw('10')];
    for (const { outcome } of runs) expect(outcome).toMatchObject({ code: 3, reason: 'BaselineUnmet' });
    expect(await podNames('unmet')).toEqual(before);
    expect(runs.map(({ run }) => run.status?.seed)).toEqual([7, 7, 8, 9, 10]);
    const [first, second, ...others] = runs.map(({ run }) => run.status?.selection?.[0]?.digest);
    expect(first).toMatch(/^sha256:/);
    expect(second).toBe(first);
    // One other seed may draw the same three of six by chance, three of them hardly ever do.
    expect(new Set([first, ...others]).size).toBeGreaterThan(1);
  });

  test.concurrent('a run is inconclusive with 3 when there is nothing to hit', async () => {
    const { outcome } = await runExperiment(cluster, experiment('nobody', { hypothesis: [] }));
    expect(outcome).toMatchObject({ code: 3, reason: 'NoTargets' });
  });

  test.concurrent('a run is inconclusive with 3, and injects nothing, when its account lacks a right', async () => {
    await cluster.deploy('unauthorized', 2);
    const before = await podNames('unauthorized');
    const { outcome } = await runExperiment(
      cluster,
      experiment('unauthorized', { more: { serviceAccountName: 'default' } }),
    );
    expect(outcome).toMatchObject({ code: 3, verdict: 'Inconclusive', reason: 'NotAuthorized' });
    expect(outcome).toMatchObject({ message: expect.stringContaining(`/default may not delete pods in namespace `) });
    expect(await podNames('unauthorized')).toEqual(before);
  });

  test.concurrent('a run is inconclusive with 3 when it would hit more than it may', async () => {
    const { outcome, run } = await runExperiment(
      cluster,
      experiment('reach', {
        method: [
          kill({ selector: { matchLabels: { app: 'reach' } } }),
          { ...kill({ workload: { kind: 'Deployment', name: 'picked' } }, { targets: { percent: 100 } }), name: 'all' },
        ],
        more: { safeguards: { maxTargets: 1 } },
      }),
    );
    expect(outcome).toMatchObject({ code: 3 });
    expect(['BlockedBySafety', 'NoTargets']).toContain(run.status?.reason);
  });

  const badAnswers: [string, object][] = [
    ['redirects for ever', { path: '/redirect', followRedirects: 10 }],
    ['never answers', { path: '/silent', timeout: '200ms' }],
    ['answers without an end', { path: '/endless', timeout: '1s', rate: '10/s', body: { matches: 'y$' } }],
    ['answers a byte a second', { path: '/drip', timeout: '300ms' }],
  ];
  testHttp.each(badAnswers)('a Service that %s is no steady state', async (what, http) => {
    const hypothesis = [{ ...serviceProbe('reach', namespace, http), minSamples: 5 }];
    const { outcome } = await runOnItsOwn(cluster, what, hypothesis);
    expect(outcome).toMatchObject({ code: 3, reason: 'BaselineUnmet' });
  });

  test.concurrent.each([
    ['refuses connections', 'http://127.0.0.1:9/'],
    ['is a black hole', 'http://192.0.2.1/'],
    ['is a name that nobody knows', 'http://nobody.knows.invalid/'],
  ])('a host that %s is no steady state', async (what, url) => {
    const probe = { ...serviceProbe('reach', namespace, { timeout: '200ms' }), minSamples: 5 };
    const { outcome } = await runOnItsOwn(cluster, what, [{ ...probe, http: { ...probe.http, url } }]);
    expect(outcome).toMatchObject({ code: 3, verdict: 'Inconclusive' });
  });
}

/** Runs an experiment on a workload that no other one is for: no two runs may hit the same at a time. */
async function runOnItsOwn(cluster: TestCluster, what: string, hypothesis: Json[]) {
  const name = what.replaceAll(' ', '-');
  await cluster.deploy(name, 1);
  return runExperiment(cluster, experiment(name, { hypothesis }));
}

/** Probes that can't be judged: the controller goes on trying for a while. */
export function patience(cluster: TestCluster): void {
  test.concurrent('an expression that would never end is no steady state', async () => {
    const all = (inner: string, name: string) => `objects.all(${name}, ${inner})`;
    const that = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].reduce(all, 'a.kind == j.kind || true');
    const resource = { apiVersion: 'v1', kind: 'Pod', interval: '100ms' };
    const { outcome } = await runOnItsOwn(cluster, 'endless', [{ name: 'pods', resource, expect: { that } }]);
    expect(outcome).toMatchObject({ code: 3, verdict: 'Inconclusive' });
  });

  test.concurrent('the API server is not for probes', async () => {
    const http = { url: 'https://kubernetes.default.svc/' };
    const hypothesis = [{ name: 'server', http, expect: { successRate: '>= 1%' } }];
    const { outcome } = await runOnItsOwn(cluster, 'server', hypothesis);
    expect(outcome).toMatchObject({ code: 3, message: expect.stringContaining('probes may not reach') });
  });
}
