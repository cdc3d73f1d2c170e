import { afterEach, describe, expect, test } from '@jest/globals';
import { experimentRuns, safetyPolicies } from '../src/controller/resources.js';
import type { KubeObject } from '../src/kubernetes/resource.js';
import { manifest, type TestCluster } from './cluster.js';
import { end, eventually, type Started } from './processes.js';
import { deploymentProbe, experiment, kill } from './workload.js';

/** Runs that do not end as they were meant to. One after the other: each stops what all others need. */
export function interruptions(cluster: TestCluster): void {
  const { namespace, client } = cluster;
  let started: Started | undefined;

  /** Starts a run that holds its fault for a minute, and waits until it does. */
  async function startHolding(name: string): Promise<KubeObject> {
    await cluster.deploy(name, 2);
    const long = experiment(name, {
      hypothesis: [deploymentProbe(name, 'true')],
      method: [kill({ selector: { matchLabels: { app: name } } }, { duration: '60s' })],
    });
    started = cluster.start(['run', '-', '-o', 'json'], manifest(long));
    await started.says(/Holding:/);
    const [run] = (await client.list(experimentRuns, { namespace, labelSelector: `squall.dev/experiment=${name}` }))
      .items;
    if (!run) throw new Error(`no run of ${name}`);
    return run;
  }

  async function result() {
    const { code, stdout, stderr } = (await started?.ended) ?? {};
    const status = JSON.parse(stdout || '[{}]')[0].status;
    return { code, stderr, verdict: status?.verdict, reason: status?.reason, status };
  }

  describe('a run', () => {
    afterEach(async () => {
      await end(started, 'SIGKILL');
      await client.delete(safetyPolicies, undefined, 'squall-halt').catch(() => {});
    });

    test('is ended by `squall abort`', async () => {
      const run = await startHolding('to-abort');
      const abort = await cluster.squall(['abort', run.metadata.name ?? '', '--reason', 'enough seen']);
      expect([abort.code, abort.stdout]).toEqual([0, `experimentrun.squall.dev/${run.metadata.name} aborted\n`]);
      expect(await result()).toMatchObject({ code: 4, verdict: 'Aborted', reason: 'AbortedByUser' });
      const over = await cluster.squall(['abort', run.metadata.name ?? '']);
      expect([over.code, over.stderr]).toEqual([2, expect.stringContaining('is over: Aborted')]);
      const absent = await cluster.squall(['abort', 'absent']);
      expect([absent.code, absent.stderr]).toEqual([2, expect.stringContaining("no ExperimentRun 'absent'")]);
    });

    test('is aborted by Ctrl-C, which waits until the fault is taken back', async () => {
      await startHolding('to-interrupt');
      started?.process.kill('SIGINT');
      expect(await result()).toMatchObject({
        code: 4,
        verdict: 'Aborted',
        stderr: expect.stringContaining('Aborting: waiting until everything is taken back'),
      });
    });

    test('is left alone by a second Ctrl-C', async () => {
      const run = await startHolding('to-leave');
      cluster.controller.process.kill('SIGSTOP');
      try {
        started?.process.kill('SIGINT');
        await started?.says(/Aborting/);
        started?.process.kill('SIGINT');
        expect(await result()).toMatchObject({ code: 4, verdict: undefined });
      } finally {
        cluster.controller.process.kill('SIGCONT');
      }
      const { name = '' } = run.metadata;
      await eventually(
        async () => (await client.get(experimentRuns, namespace, name)).status?.verdict === 'Aborted',
        () => `${name} is not aborted`,
      );
    });

    test('is stopped by the halt, and none starts until it is taken back', async () => {
      await startHolding('to-halt');
      const halt = await cluster.squall(['halt', '--reason', 'an incident']);
      expect([halt.code, halt.stdout]).toEqual([0, expect.stringContaining('no run is under way\n')]);
      expect(await result()).toMatchObject({ code: 4, verdict: 'Aborted', reason: 'Halted' });
      const blocked = await cluster.squall(['run', '-'], manifest(experiment('to-halt')));
      expect([blocked.code, blocked.stdout]).toEqual([4, expect.stringContaining('Halted')]);
      const resume = await cluster.squall(['resume']);
      expect([resume.code, resume.stdout]).toEqual([0, 'safetypolicy.squall.dev/squall-halt deleted\n']);
      const passed = await cluster.squall(['run', '-'], manifest(experiment('to-halt')));
      expect([passed.code, passed.stdout]).toEqual([0, expect.stringContaining('Passed')]);
      expect((await cluster.squall(['resume'])).stdout).toBe('nothing is halted\n');
    });

    test('outlives its controller', async () => {
      // The fault outlasts the Lease, so that there is something left to measure for the one who takes over.
      await cluster.deploy('to-survive', 2);
      const hypothesis = [deploymentProbe('to-survive', 'true')];
      const method = [kill({ selector: { matchLabels: { app: 'to-survive' } } }, { duration: '20s' })];
      started = cluster.start(['run', '-', '-o', 'json'], manifest(experiment('to-survive', { hypothesis, method })));
      await started.says(/Holding:/);
      await end(cluster.controller, 'SIGKILL');
      await cluster.startController();
      const { status, ...ended } = await result();
      expect(ended).toMatchObject({ code: 0, verdict: 'Passed' });
      expect(status.steps).toMatchObject([{ hit: 1, effective: 1 }]);
    });
  });
}
