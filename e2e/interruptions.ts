import { afterEach, describe, expect, test } from '@jest/globals';
import { experimentRuns, safetyPolicies } from '../src/controller/resources.js';
import { manifest, type TestCluster } from './cluster.js';
import { end, eventually, type Started } from './processes.js';
import { deploymentProbe, experiment, kill } from './workload.js';

/** A `squall run` that was started, and the name of the run it made. */
interface Holding {
  started: Started;
  name: string;
}

/** Starts a run that holds its fault, and waits until it does. */
async function startHolding(cluster: TestCluster, app: string, duration: string): Promise<Holding> {
  const { client, namespace } = cluster;
  await cluster.deploy(app, 2);
  const long = experiment(app, {
    hypothesis: [deploymentProbe(app, 'true')],
    method: [kill({ selector: { matchLabels: { app } } }, { duration })],
  });
  const started = cluster.start(['run', '-', '-o', 'json'], manifest(long));
  await started.says(/Holding:/);
  const labelSelector = `squall.dev/experiment=${app}`;
  const { items } = await client.list(experimentRuns, { namespace, labelSelector });
  return { started, name: items[0]?.metadata.name ?? '' };
}

async function outcomeOf({ started }: Holding) {
  const { code, stdout, stderr } = await started.ended;
  const { verdict, reason, message, steps } = JSON.parse(stdout)[0].status ?? {};
  return { code, stderr, verdict, reason, message, steps };
}

/** Runs that are ended by somebody. */
export function aborts(cluster: TestCluster): void {
  test.concurrent('a run is ended by `squall abort`', async () => {
    const holding = await startHolding(cluster, 'to-abort', '60s');
    const abort = await cluster.squall(['abort', holding.name, '--reason', 'enough seen']);
    expect([abort.code, abort.stdout]).toEqual([0, `experimentrun.squall.dev/${holding.name} aborted\n`]);
    expect(await outcomeOf(holding)).toMatchObject({ code: 4, verdict: 'Aborted', reason: 'AbortedByUser' });
    const over = await cluster.squall(['abort', holding.name]);
    expect([over.code, over.stderr]).toEqual([2, expect.stringContaining('is over: Aborted')]);
    const absent = await cluster.squall(['abort', 'absent']);
    expect([absent.code, absent.stderr]).toEqual([2, expect.stringContaining("no ExperimentRun 'absent'")]);
  });

  test.concurrent('a run that is deleted is aborted', async () => {
    const holding = await startHolding(cluster, 'to-delete', '60s');
    await cluster.client.delete(experimentRuns, cluster.namespace, holding.name);
    expect(await outcomeOf(holding)).toMatchObject({ code: 4 });
  });

  test.concurrent('a run is aborted by Ctrl-C, which waits until the fault is taken back', async () => {
    const holding = await startHolding(cluster, 'to-interrupt', '60s');
    holding.started.process.kill('SIGINT');
    const stderr = expect.stringContaining('Aborting: waiting until everything is taken back');
    expect(await outcomeOf(holding)).toMatchObject({ code: 4, verdict: 'Aborted', stderr });
  });
}

/** What stops every other run as well; so one after the other, when there is no other run. */
export function outages(cluster: TestCluster): void {
  const { namespace, client } = cluster;
  let holding: Holding | undefined;

  describe('a run', () => {
    afterEach(async () => {
      await end(holding?.started, 'SIGKILL');
      await client.delete(safetyPolicies, undefined, 'squall-halt').catch(() => {});
    });

    test('is left alone by a second Ctrl-C', async () => {
      holding = await startHolding(cluster, 'to-leave', '60s');
      cluster.controller.process.kill('SIGSTOP');
      try {
        holding.started.process.kill('SIGINT');
        await holding.started.says(/Aborting/);
        holding.started.process.kill('SIGINT');
        const stderr = expect.stringContaining(`${holding.name} is left alone`);
        expect(await outcomeOf(holding)).toMatchObject({ code: 4, verdict: undefined, stderr });
      } finally {
        cluster.controller.process.kill('SIGCONT');
      }
      const { name } = holding;
      await eventually(
        async () => (await client.get(experimentRuns, namespace, name)).status?.verdict === 'Aborted',
        () => `${name} is not aborted`,
      );
    });

    test('is stopped by the halt, and none starts until it is taken back', async () => {
      holding = await startHolding(cluster, 'to-halt', '60s');
      const halt = await cluster.squall(['halt', '--reason', 'an incident']);
      expect([halt.code, halt.stdout]).toEqual([0, expect.stringContaining('no run is under way\n')]);
      expect(await outcomeOf(holding)).toMatchObject({ code: 4, verdict: 'Aborted', reason: 'Halted' });
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
      holding = await startHolding(cluster, 'to-survive', '20s');
      await end(cluster.controller, 'SIGKILL');
      await cluster.startController();
      const { steps, ...outcome } = await outcomeOf(holding);
      expect(outcome).toMatchObject({ code: 0, verdict: 'Passed' });
      expect(steps).toMatchObject([{ hit: 1, effective: 1 }]);
    });
  });
}
