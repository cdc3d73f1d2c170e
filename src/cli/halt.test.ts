import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { safetyPolicies } from '../controller/resources.js';
import {
  bundleController,
  type ControllerBundle,
  killStep,
  startTestCluster,
  type TestCluster,
} from '../testing/controllers.js';
import { until } from '../testing/scripted-server.js';
import { haltCommand, resumeCommand } from './halt.js';
import type { Io } from './io.js';

jest.setTimeout(60_000);

let bundle: ControllerBundle;
let cluster: TestCluster;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'squall-halt-'));
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl);
  const controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
}, 30_000);

afterAll(async () => {
  await cluster?.stop();
  bundle?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Streams that keep what is written. */
function streams() {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      written[name] += text;
      return true;
    },
  });
  const io = { stdout: stream('stdout'), stderr: stream('stderr') } as unknown as Io;
  return { io, written };
}

const options = () => {
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, cluster.cluster.kubeconfig);
  return { kubeconfig };
};

describe('a halt', () => {
  test('stops every run, takes its fault back and says which that were, and nothing starts until it is resumed', async () => {
    await cluster.deploy('web', 2);
    await cluster.createRun('web', { method: [killStep('web', { duration: '60s' })] });
    await cluster.inStage('web', 'Holding');
    const { io, written } = streams();
    expect(await haltCommand({ ...options(), reason: 'drill' }, io)).toBe(0);
    expect(written.stdout).toContain('safetypolicy.squall.dev/squall-halt created: no run goes on or starts until');
    expect(written.stdout).toContain('stopping 1 run: default/web\nno run is under way\n');
    expect(cluster.run('web')?.status).toMatchObject({ verdict: 'Aborted', reason: 'Halted' });
    await cluster.createRun('late', { method: [killStep('web')] });
    expect((await cluster.finished('late')).status).toMatchObject({ reason: 'Halted' });
    expect(cluster.deletedOf('web')).toHaveLength(1);
    expect(await resumeCommand(options(), io)).toBe(0);
    expect(written.stdout).toContain('safetypolicy.squall.dev/squall-halt deleted\n');
  });

  test('of a policy that somebody else made is not taken back, and that is said', async () => {
    const halt = { reason: 'from Git' };
    await cluster.client.create(safetyPolicies, { metadata: { name: 'prod' }, spec: { halt } });
    const { io, written } = streams();
    expect(await resumeCommand(options(), io)).toBe(3);
    expect(written.stdout).toBe('');
    expect(written.stderr).toContain('still halted by safetypolicy/prod (from Git)');
    expect(await cluster.client.get(safetyPolicies, undefined, 'prod')).toMatchObject({ spec: { halt } });
    await cluster.client.delete(safetyPolicies, undefined, 'prod');
    expect(await resumeCommand(options(), io)).toBe(0);
    expect(written.stdout).toBe('nothing is halted\n');
  });
});
