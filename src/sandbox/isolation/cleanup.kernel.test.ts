import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { processesIn, tracesOf } from '../../testing/machine-traces.js';
import { isAlive, isPodReady, read, startTestWorkloads, until, webContainer } from '../../testing/workloads.js';
import type { KubeObject } from '../store/types.js';

/** A cluster with a pod that forks away from its group; prints its folder and the ids of its containers when they run. */
const program = `
import { startCluster } from './cluster.js';
const cluster = await startCluster({ nodes: 1, isolation: 'namespaces' });
const command = ['sh', '-c', 'setsid sleep 1000 & sleep 1000'];
for (const name of ['a', 'b']) {
  const spec = { containers: [{ name: 'main', image: 'x', command }], hostNetwork: name === 'b' };
  cluster.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec });
}
const ids = () => cluster.store.list('pods').map((pod) => pod.status?.containerStatuses?.[0]?.containerID);
const timer = setInterval(() => {
  if (ids().every(Boolean)) {
    clearInterval(timer);
    console.log(JSON.stringify({ directory: cluster.directory, ids: ids() }));
  }
}, 50);
`;

let sandbox: ChildProcess | undefined;

afterEach(() => {
  sandbox?.kill('SIGKILL');
});

async function startSandbox(): Promise<{ directory: string; ids: string[] }> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: fileURLToPath(new URL('..', import.meta.url)), loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('/');" },
  });
  const started = spawn('node', ['--input-type=module', '-'], { stdio: ['pipe', 'pipe', 'inherit'] });
  sandbox = started;
  started.stdin.end(outputFiles[0]!.text);
  const [line] = await once(started.stdout, 'data');
  return JSON.parse(String(line));
}

describe('a sandbox with namespaces', () => {
  test('that is killed leaves no process, device, route, cgroup and file', async () => {
    const { directory, ids } = await startSandbox();
    await until(() => ids.every((id) => processesIn(id).length === 3));
    const pids = ids.flatMap(processesIn);
    expect(tracesOf(directory).length).toBeGreaterThan(6);
    sandbox!.kill('SIGKILL');
    await until(() => pids.filter(isAlive).length === 0);
    await until(
      () => tracesOf(directory).length === 0,
      () => tracesOf(directory).join('\n'),
    );
  });

  test('shares the machine with another one, and leaves it alone when it ends', async () => {
    const options = { nodes: 1, isolation: 'namespaces' } as const;
    const [one, other] = await Promise.all([startTestWorkloads(options), startTestWorkloads(options)]);
    try {
      for (const cluster of [one, other]) {
        cluster.createPod('web', webContainer);
      }
      await until(() => [one, other].every((cluster) => isPodReady(cluster.pod('web'))));
      const pods = [one, other].map((cluster) => cluster.pod('web')) as [KubeObject, KubeObject];
      expect(pods[0].status!.podIP).not.toBe(pods[1].status!.podIP);
      await one.stop();
      // The kernel takes a moment to take down a network namespace that nobody is in any more.
      await until(() => tracesOf(one.isolation.directory).length === 0);
      expect(await read(pods[1].status!.podIP, 8080)).toBe('web');
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
    await until(
      () => tracesOf(other.isolation.directory).length === 0,
      () => tracesOf(other.isolation.directory).join('\n'),
    );
  });
});
