import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { cgroupsOf, processesIn } from '../../testing/machine-traces.js';
import {
  isAlive,
  isPodReady,
  nodeContainer,
  read,
  shellContainer,
  startTestWorkloads,
  until,
} from '../../testing/workloads.js';
import type { Json, KubeObject } from '../store/types.js';

let cluster: Awaited<ReturnType<typeof startTestWorkloads>>;

beforeAll(async () => {
  cluster = await startTestWorkloads({ isolation: 'namespaces' });
});

afterAll(async () => {
  await cluster?.stop();
});

/** Answers each request with where it came from. */
const echo = nodeContainer(
  `require('node:http').createServer((request, response) => response.end(request.socket.remoteAddress)).listen(8080, '::')`,
  { readinessProbe: { httpGet: { port: 'http' }, periodSeconds: 1 } },
);

const status = (name: string): Json => cluster.pod(name)?.status?.containerStatuses?.[0] ?? {};
const firstProcess = (pod: KubeObject | Json): number =>
  processesIn((pod.status?.containerStatuses[0] ?? pod).containerID)[0]!;
const networkOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/net`);
const plain = (address: string): string => address.replace('::ffff:', '');
/** Where the kernel sends what the kubelet sends to a pod. */
const kubeletAddress = (podIP: string): string =>
  / src (\S+)/.exec(execFileSync('ip', ['route', 'get', podIP], { encoding: 'utf8' }))![1]!;

async function logOf(name: string): Promise<string[]> {
  const request = { container: 'main', follow: false, previous: false };
  const lines: string[] = [];
  for await (const { text } of cluster.logs.read(cluster.pod(name), request, new AbortController().signal)!) {
    lines.push(text);
  }
  return lines;
}

describe('pods', () => {
  test('are reached by the kubelet and through a Service from different addresses', async () => {
    cluster.createDeployment('web', 2, echo);
    cluster.createService('web');
    await until(() => cluster.status('deployments.apps', 'web').availableReplicas === 2);
    await until(() => cluster.store.get('endpoints', 'default', 'web')?.subsets[0]?.addresses?.length === 2);
    const [one, other] = cluster.podsOf('web') as [KubeObject, KubeObject];
    const { podIP, podIPs } = one.status!;
    expect(podIPs[0].ip).toBe(podIP);
    const { clusterIP } = cluster.store.get('services', 'default', 'web')!.spec;
    expect(plain(await read(podIP, 8080))).toBe(kubeletAddress(podIP));
    expect(plain(await read(clusterIP))).not.toBe(kubeletAddress(podIP));
    const networks = [one, other].map((pod) => networkOf(firstProcess(pod)));
    expect(new Set([...networks, networkOf(process.pid)]).size).toBe(3);
  });

  test('reach each other and Services, over IPv4 and, where there is any, IPv6', async () => {
    const [target] = cluster.podsOf('web') as [KubeObject];
    const { clusterIP } = cluster.store.get('services', 'default', 'web')!.spec;
    const hosts = [...target.status!.podIPs.map(({ ip }: Json) => ip), clusterIP];
    const program = `
      const { get } = require('node:http');
      const ask = (host) => new Promise((resolve, reject) => get({ host, port: host === '${clusterIP}' ? 80 : 8080 },
        (response) => response.setEncoding('utf8').on('data', (text) => resolve(text))).on('error', reject));
      (async () => { for (const host of ${JSON.stringify(hosts)}) console.log(await ask(host)); })();`;
    cluster.createPod('asker', nodeContainer(program), { restartPolicy: 'Never' });
    await until(() => cluster.pod('asker').status?.phase === 'Succeeded');
    const own = cluster.pod('asker').status.podIPs.map(({ ip }: Json) => ip);
    expect((await logOf('asker')).map(plain).slice(0, own.length)).toEqual(own);
    expect(await logOf('asker')).toHaveLength(hosts.length);
  });

  test('that come and go leave the bridge its address, which the others have in their caches', async () => {
    const address = () => readFileSync(`/sys/class/net/${bridge}/address`, 'utf8');
    const bridge = `sqb${cluster.isolation.directory.slice(-8)}`;
    const before = address();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => `passing-${letter}`);
    const seen = new Set<string>();
    for (const name of names) cluster.createPod(name, shellContainer('sleep 1000'));
    await until(() => names.every((name) => isPodReady(cluster.pod(name))));
    seen.add(address());
    for (const name of names) {
      cluster.store.delete('pods', 'default', name, { gracePeriodSeconds: 1 });
      await until(() => cluster.pod(name) === undefined);
      seen.add(address());
    }
    expect([...seen]).toEqual([before]);
  });

  test('of the host network stay in that of the machine, in a cgroup of their own', async () => {
    cluster.createPod('host', shellContainer('sleep 1000'), { hostNetwork: true });
    await until(() => isPodReady(cluster.pod('host')));
    const pid = firstProcess(status('host'));
    expect(networkOf(pid)).toBe(networkOf(process.pid));
    expect(cluster.pod('host').status.podIP).toBe(cluster.pod('host').status.hostIP);
  });
});

describe('a container', () => {
  test('is from its first instruction on where a node would have it, and nothing of how it got there is left', async () => {
    const environment = [{ name: 'strange.name', value: 'a b' }];
    const script = 'cat /proc/self/cgroup; tr "\\0" "\\n" < /proc/$$$$/environ; tr "\\0" " " < /proc/$$$$/cmdline';
    cluster.createPod('first', shellContainer(script, { env: environment }), { restartPolicy: 'Never' });
    await until(() => cluster.pod('first').status?.phase === 'Succeeded');
    const log = await logOf('first');
    const { uid } = cluster.pod('first').metadata;
    const id = status('first').containerID.replace('process://', '');
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(log.filter((line) => line.endsWith(`/kubepods/besteffort/pod${uid}/${id}`))).not.toEqual([]);
    expect(log).toContain('strange.name=a b');
    expect(log.at(-1)).toMatch(/^sh -c cat/);
  });

  test('that does not exist is a start error, as elsewhere', async () => {
    cluster.createPod('typo', { name: 'main', image: 'x', command: ['no-such-program'] });
    await until(() => status('typo').lastState?.terminated?.reason === 'StartError');
    expect(status('typo').lastState.terminated.message).toContain('ENOENT');
  });

  test('that is restarted finds itself in the same network namespace and in a new cgroup', async () => {
    cluster.createPod('worker', shellContainer('sleep 1000'));
    await until(() => isPodReady(cluster.pod('worker')));
    const before = { containerID: status('worker').containerID, pid: firstProcess(status('worker')) };
    const network = networkOf(before.pid);
    process.kill(before.pid, 'SIGKILL');
    await until(() => status('worker').restartCount === 1 && isPodReady(cluster.pod('worker')));
    expect(status('worker').containerID).not.toBe(before.containerID);
    expect(networkOf(firstProcess(status('worker')))).toBe(network);
  });

  test('takes processes with it that have left its group', async () => {
    const script = 'setsid sleep 1000 & sleep 0.2; echo ready; sleep 1000';
    cluster.createPod('forker', shellContainer(script), { terminationGracePeriodSeconds: 1 });
    await until(() => isPodReady(cluster.pod('forker')) && processesIn(status('forker').containerID).length === 3);
    const pids = processesIn(status('forker').containerID);
    cluster.store.delete('pods', 'default', 'forker');
    await until(() => cluster.pod('forker') === undefined);
    await until(() => pids.filter(isAlive).length === 0);
  });

  test('that is ephemeral joins the network and the cgroup of the pod', async () => {
    cluster.store.update('pods', 'default', 'worker', (pod) => {
      const script = 'readlink /proc/self/ns/net > "$SQUALL_TERMINATION_LOG"';
      pod.spec.ephemeralContainers = [shellContainer(script, { name: 'debug' })];
    });
    const ephemeral = (): Json => cluster.pod('worker').status.ephemeralContainerStatuses?.[0];
    await until(() => ephemeral()?.state.terminated !== undefined);
    expect(ephemeral().state.terminated.message.trim()).toBe(networkOf(firstProcess(status('worker'))));
  });
});

describe('a pod that goes', () => {
  test('by force has its processes and its namespace for a moment longer than its object', async () => {
    cluster.createPod('stubborn', shellContainer('trap "" TERM; while :; do sleep 0.1; done'));
    await until(() => isPodReady(cluster.pod('stubborn')));
    const pid = firstProcess(status('stubborn'));
    const network = networkOf(pid);
    cluster.store.delete('pods', 'default', 'stubborn', { gracePeriodSeconds: 0 });
    expect(cluster.pod('stubborn')).toBeUndefined();
    expect(networkOf(pid)).toBe(network);
    await until(() => !isAlive(pid));
  });

  test('and is replaced under the same name gets another namespace and another cgroup', async () => {
    const template = {
      metadata: { labels: { app: 'db' } },
      spec: { containers: [shellContainer('sleep 1000')], terminationGracePeriodSeconds: 0 },
    };
    const spec = { replicas: 1, serviceName: 'db', selector: { matchLabels: { app: 'db' } }, template };
    const metadata = { name: 'db', namespace: 'default' };
    cluster.store.create('statefulsets.apps', { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec });
    await until(() => isPodReady(cluster.pod('db-0')));
    const before = { uid: cluster.pod('db-0').metadata.uid, pid: firstProcess(status('db-0')) };
    const [network, cgroups] = [networkOf(before.pid), cgroupsOf(before.pid)];
    cluster.store.delete('pods', 'default', 'db-0');
    await until(() => isPodReady(cluster.pod('db-0')) && cluster.pod('db-0').metadata.uid !== before.uid);
    const now = firstProcess(status('db-0'));
    expect(networkOf(now)).not.toBe(network);
    expect(cgroupsOf(now)).not.toEqual(cgroups);
    expect(existsSync(`/proc/${before.pid}`)).toBe(false);
  });
});
