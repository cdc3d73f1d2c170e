import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { connect } from '../src/cli/connect.js';
import { pods } from '../src/kubernetes/resource.js';
import { realCluster } from './cluster.js';
import { descendants, type Process, survivors } from './process-tree.js';
import { eventually, type Started, squallProgram, start } from './processes.js';
import { deployment } from './workload.js';

jest.setTimeout(120_000);

const isReal = realCluster() !== undefined;
if (isReal) process.stderr.write('e2e: skipping what a sandbox leaves behind: it has nothing to do with KUBECONFIG\n');
const onSandbox = isReal ? describe.skip : describe;

onSandbox('what is left behind', () => {
  let folder: string;
  let running: Started[];
  let known: Map<string, Process>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'squall-e2e-'));
    running = [];
    known = new Map();
  });

  afterEach(() => {
    for (const each of running) each.process.kill('SIGKILL');
    // What a failed test has found must not outlive it.
    for (const { pid } of survivors(known.values())) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true });
  });

  /** Starts a program whose temporary files go to the test's folder, and notes every process it ever has. */
  function launch(script: string, args: readonly string[]) {
    const started = start(process.execPath, [script, ...args], { env: { TMPDIR: folder } });
    running.push(started);
    const look = () => {
      for (const each of descendants(started.process.pid ?? 0)) known.set(`${each.pid} ${each.startTicks}`, each);
    };
    const timer = setInterval(look, 25);
    const ended = started.ended.finally(() => clearInterval(timer));
    return { started, ended, look };
  }

  async function expectNothing(): Promise<void> {
    await eventually(
      () => survivors(known.values()).length === 0,
      () => `still running: ${JSON.stringify(survivors(known.values()))}`,
      10_000,
    );
    expect(readdirSync(folder)).toEqual([]);
  }

  const programs: [string, string, string[], number][] = [
    [
      'squall run --sandbox',
      squallProgram,
      ['run', '--sandbox', '--with', 'experiments/shop', 'experiments/checkout-survives-pod-loss.yaml'],
      8_000,
    ],
    ['the demo', resolve('dist/demo.js'), [], 9_000],
  ];

  // A port belongs to a process, so where no process is left there is no port either.
  test.each(programs)(
    '%s leaves nothing when it is interrupted at any moment',
    async (_name, script, args, longest) => {
      for (const share of [0.03, 0.15, 0.4, 0.9]) {
        const milliseconds = share * longest * (0.7 + 0.6 * Math.random());
        const program = launch(script, args);
        await new Promise((done) => setTimeout(done, milliseconds));
        program.look();
        program.started.process.kill('SIGINT');
        const { code, signal, stderr } = await program.ended;
        const moment = `interrupted after ${Math.round(milliseconds)} ms: ${stderr}`;
        // The signal ends it where it has not even begun to listen; the quickest run may be over before.
        expect([moment, ['SIGINT', 4, 0]]).toEqual([moment, expect.arrayContaining([signal ?? code])]);
        expect(stderr).not.toMatch(/\n\s+at /);
        await expectNothing();
      }
    },
  );

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
    'a sandbox ended by %s takes its pods with it',
    async (signal) => {
      const kubeconfig = join(folder, 'kubeconfig');
      const program = launch(squallProgram, ['sandbox', '--nodes', '1', '--kubeconfig', kubeconfig]);
      await program.started.says(/^ready$/m);
      const connection = await connect({ kubeconfig }, 'test');
      const deployments = { group: 'apps', version: 'v1', plural: 'deployments', namespaced: true };
      await connection.client.create(deployments, deployment('default', 'web', 2));
      await eventually(
        async () => (await connection.client.get(deployments, 'default', 'web')).status?.readyReplicas === 2,
        () => 'the pods are not ready',
      );
      expect((await connection.client.list(pods, { namespace: 'default' })).items).toHaveLength(2);
      connection.close();
      program.look();
      expect(known.size).toBeGreaterThanOrEqual(2);
      program.started.process.kill(signal);
      const { code } = await program.ended;
      // Nobody can tidy up files after SIGKILL.
      if (signal === 'SIGKILL') rmSync(kubeconfig);
      else expect(code).toBe(0);
      await expectNothing();
    },
  );

  test('a sandbox without a given kubeconfig removes its own', async () => {
    const program = launch(squallProgram, ['sandbox', '--nodes', '1']);
    await program.started.says(/export KUBECONFIG=/);
    expect(readdirSync(folder)).toHaveLength(1);
    program.started.process.kill('SIGINT');
    expect((await program.ended).code).toBe(0);
    await expectNothing();
  });
});
