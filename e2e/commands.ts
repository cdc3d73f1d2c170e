import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import type { ExperimentRun } from '../src/api/experiment-run.js';
import { LABEL_EXPERIMENT } from '../src/api/labels.js';
import { experiments } from '../src/controller/resources.js';
import { manifest, runExperiment, type TestCluster } from './cluster.js';
import { squallProgram, start, startSquall } from './processes.js';
import { experiment } from './workload.js';

/** What the command line takes and gives. */
export function commands(cluster: TestCluster): void {
  const { namespace, otherNamespace, client } = cluster;
  const testKubectl = cluster.hasKubectl ? test.concurrent : test.skip;
  // Finds no target: over at once, and harmless.
  const quick = (name: string, labels: Record<string, string> = {}) => experiment(name, { hypothesis: [], labels });

  test.concurrent('without a controller nothing is started, and that is an error with 5', async () => {
    const from = performance.now();
    const started = cluster.start(
      ['run', '-', '--system-namespace', `${cluster.systemNamespace}-no`],
      manifest(quick('orphan')),
    );
    const { code, stdout, stderr } = await started.ended;
    expect([code, stdout]).toEqual([5, '']);
    expect(stderr).toContain('no controller holds the Lease');
    expect(performance.now() - from).toBeGreaterThan(9_000);
  });

  test.concurrent('experiments in the cluster are run by name', async () => {
    await client.create(experiments, { ...quick('stored'), metadata: { name: 'stored', namespace } });
    const { code, stdout, stderr } = await cluster.squall(['run', 'stored', '-o', 'json']);
    expect([code, JSON.parse(stdout)[0].metadata.labels['squall.dev/experiment']]).toEqual([3, 'stored']);
    expect(stderr).toContain('stored: Inconclusive (NoTargets)');
  });

  test.concurrent('a name that is not there is an error that says what is', async () => {
    const { code, stdout, stderr } = await cluster.squall(['run', 'absent']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^no Experiment 'absent' in namespace '.*' and no such file: .+\n$/);
  });

  test.concurrent('experiments are run by label, in one namespace or in all', async () => {
    const labels = { 'squall.test/suite': namespace };
    for (const [name, where] of [
      ['one', namespace],
      ['two', namespace],
      ['three', otherNamespace],
    ] as const) {
      await client.create(experiments, { ...quick(name, labels), metadata: { name, namespace: where, labels } });
    }
    const selector = `squall.test/suite=${namespace}`;
    const names = (text: string) =>
      (JSON.parse(text) as ExperimentRun[]).map(({ metadata }) => metadata.labels?.[LABEL_EXPERIMENT]);
    const here = await cluster.squall(['run', '-l', selector, '-o', 'json']);
    expect([here.code, names(here.stdout).sort()]).toEqual([3, ['one', 'two']]);
    const everywhere = await cluster.squall(['run', '-A', '-l', selector, '-o', 'json']);
    expect([everywhere.code, names(everywhere.stdout).sort()]).toEqual([3, ['one', 'three', 'two']]);
    const nowhere = await cluster.squall(['run', '-l', 'squall.test/suite=no']);
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('no Experiment matches')]);
  });

  test.concurrent('finished runs are printed as JSON, YAML or a table, and written as JUnit', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'squall-e2e-'));
    const file = join(folder, 'junit.xml');
    try {
      const input = manifest(quick('first'), quick('second'));
      const json = await cluster.squall(['run', '-', '-o', 'json', '--junit', file], input);
      expect(JSON.parse(json.stdout)).toMatchObject([{ kind: 'ExperimentRun' }, { kind: 'ExperimentRun' }]);
      const xml = await readFile(file, 'utf8');
      expect(xml).toMatch(/<testsuites tests="4" failures="0" errors="2" skipped="0">/);
      const yaml = await cluster.squall(['run', '-', '-o', 'yaml'], input);
      const documents = parseAllDocuments(yaml.stdout).map((document) => document.toJS());
      expect(documents).toMatchObject([{ status: { verdict: 'Inconclusive' } }, { kind: 'ExperimentRun' }]);
      const table = await cluster.squall(['run', '-'], input);
      expect(table.stdout).toMatch(
        /^EXPERIMENT.*\n {2}PROBE.*\nfirst +Inconclusive +NoTargets.*\nsecond +Inconclusive/,
      );
      expect(table.stdout + table.stderr).not.toContain('\x1b');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.concurrent('a run that is refused by the cluster is a usage error', async () => {
    const run = { ...quick('later'), kind: 'ExperimentRun', spec: { template: quick('later').spec } };
    const first = await cluster.squall(['run', '-'], manifest(run));
    const second = await cluster.squall(['run', '-'], manifest(run));
    expect([first.code, second.code]).toEqual([3, 2]);
    expect(second.stderr).toContain('already exists');
    const wrong = await cluster.squall(['run', '-', '-n', `${namespace}-no`], manifest(quick('lost')));
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(`${namespace}-no`)]);
  });

  testKubectl('kubectl shows verdicts first', async () => {
    await client.create(experiments, { ...quick('shown'), metadata: { name: 'shown', namespace } });
    const { run } = await runExperiment(cluster, quick('shown'));
    const runs = await cluster.kubectl('get', 'experimentruns', '-n', namespace, run.metadata.name);
    expect(runs.stdout).toMatch(
      /^NAME +VERDICT +REASON +STAGE +RECOVERY.*\nshown-\w+ +Inconclusive +NoTargets +Finished/,
    );
    const described = await cluster.kubectl('describe', 'sqr', '-n', namespace, run.metadata.name);
    expect(described.stdout).toMatch(/Verdict: +Inconclusive/);
    expect(described.stdout).toMatch(/Events:[\s\S]*NoTargets/);
    const text = (await cluster.kubectl('get', 'sqr', '-n', namespace, run.metadata.name, '-o', 'yaml')).stdout;
    expect(parse(text).status.verdict).toBe('Inconclusive');
    const all = await cluster.kubectl('get', 'experiments,injections,safetypolicies', '-A');
    expect(all.code).toBe(0);
    expect(all.stdout).toMatch(/NAMESPACE +NAME +VERDICT +REASON +NEXT-RUN +LAST-RUN +READY/);
  });

  testKubectl('it is a plug-in of kubectl', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'squall-e2e-'));
    try {
      await symlink(squallProgram, join(folder, 'kubectl-squall'));
      const env = { PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: cluster.kubeconfig };
      const help = await start('kubectl', ['squall', '--help'], { env }).ended;
      expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(/^Usage: kubectl squall /)]);
      const absent = await start('kubectl', ['squall', 'run', 'absent', '-n', namespace], { env }).ended;
      expect(absent.stderr).toContain("no Experiment 'absent'");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.concurrent('colours are used where they are asked for, and nowhere else', async () => {
    const run = (env: Record<string, string>) =>
      startSquall(['run', '-', '-n', namespace, '--system-namespace', cluster.systemNamespace], {
        env: { KUBECONFIG: cluster.kubeconfig, ...env },
        input: manifest(quick('colours')),
      }).ended;
    expect((await run({ FORCE_COLOR: '1' })).stdout).toContain('\x1b[33mInconclusive');
    const plain = await run({ FORCE_COLOR: '1', NO_COLOR: '1' });
    expect(plain.stdout + plain.stderr).not.toContain('\x1b');
  });

  test.concurrent('a reader that goes away changes nothing about the exit code', async () => {
    const started = cluster.start(['run', '-', '-o', 'json'], manifest(quick('unread')));
    started.process.stdout?.destroy();
    const { code, stderr } = await started.ended;
    expect(stderr).not.toContain('EPIPE');
    expect(code).toBe(3);
  });
}
