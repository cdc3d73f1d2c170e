import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isPodReady, nodeContainer, read, shellContainer, startTestWorkloads, until } from '../../testing/workloads.js';
import type { Json, KubeObject } from '../store/types.js';

let cluster: Awaited<ReturnType<typeof startTestWorkloads>>;

beforeAll(async () => {
  cluster = await startTestWorkloads({ isolation: 'namespaces' });
});

afterAll(async () => {
  await cluster?.stop();
});

/** Answers each request with where it came from. */
const echoProgram = `
require('node:http').createServer((request, response) => response.end(request.socket.remoteAddress))
  .listen(8080, process.env.POD_IP)`;
const echo = nodeContainer(echoProgram, {
  readinessProbe: { httpGet: { port: 'http' }, periodSeconds: 1 },
  env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
});

/** The processes whose innermost cgroup is this container's. */
function processesOf(containerID: string): number[] {
  const [, id = ''] = containerID.split('://');
  return execFileSync('ps', ['-eo', 'pid='], { encoding: 'utf8' })
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0 && cgroupsOf(pid).some((path) => path.endsWith(`/${id}`)));
}

function cgroupsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}

const status = (name: string): Json => cluster.pod(name)?.status?.containerStatuses?.[0] ?? {};
const networkOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/net`);
const bridgeAddress = (podIP: string): string =>
  / src (\S+)/.exec(execFileSync('ip', ['route', 'get', podIP], { encoding: 'utf8' }))![1]!;

describe('a pod', () => {
  test('is reached by the kubelet and through its Service, which come from different addresses', async () => {
    cluster.createDeployment('web', 2, echo);
    cluster.createService('web');
    await until(() => cluster.status('deployments.apps', 'web').availableReplicas === 2);
    const [one, other] = cluster.podsOf('web') as [KubeObject, KubeObject];
    const { podIP, podIPs } = one.status!;
    expect(podIPs[0].ip).toBe(podIP);
    expect(await read(podIP, 8080)).toBe(bridgeAddress(podIP));
    const service = cluster.store.get('services', 'default', 'web')!.spec.clusterIP;
    let answer = '';
    await until(() => cluster.store.get('endpoints', 'default', 'web')?.subsets[0]?.addresses?.length === 2);
    answer = await read(service);
    expect([podIP, bridgeAddress(podIP)]).not.toContain(answer);
    const pids = [one, other].map((pod) => processesOf(pod.status!.containerStatuses[0].containerID)[0]!);
    expect(new Set([...pids.map(networkOf), networkOf(process.pid)]).size).toBe(3);
  });
});

describe('a container', () => {
  test('that is restarted finds itself in the same network namespace and in a new cgroup', async () => {
    cluster.createPod('worker', shellContainer('sleep 1000'));
    await until(() => isPodReady(cluster.pod('worker')));
    const before = { ...status('worker'), pid: processesOf(status('worker').containerID)[0]! };
    const network = networkOf(before.pid);
    expect(
      cgroupsOf(before.pid).filter((path) =>
        /\/squall-sandbox-[0-9a-f]{8}\/kubepods\/besteffort\/pod[-0-9a-f]{36}\/[0-9a-f]{64}$/.test(path),
      ),
    ).not.toEqual([]);
    process.kill(before.pid, 'SIGKILL');
    await until(() => status('worker').restartCount === 1 && isPodReady(cluster.pod('worker')));
    expect(status('worker').containerID).not.toBe(before.containerID);
    expect(networkOf(processesOf(status('worker').containerID)[0]!)).toBe(network);
    cluster.store.delete('pods', 'default', 'worker', { gracePeriodSeconds: 0 });
  });
});
