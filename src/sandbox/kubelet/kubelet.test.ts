import { existsSync, readFileSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  isAlive,
  isPodReady,
  nodeContainer,
  pidOf,
  shellContainer,
  startTestWorkloads,
  until,
} from '../../testing/workloads.js';
import type { Json } from '../store/types.js';

let cluster: Awaited<ReturnType<typeof startTestWorkloads>>;

beforeEach(async () => {
  cluster = await startTestWorkloads();
});

afterEach(async () => {
  await cluster.stop();
});

const containerStatus = (name: string): Json => cluster.pod(name)?.status?.containerStatuses?.[0] ?? {};

async function logOf(name: string, more: Json = {}): Promise<string[]> {
  const request = { container: 'main', follow: false, previous: false, ...more };
  const lines: string[] = [];
  for await (const line of cluster.logs.read(cluster.pod(name), request, new AbortController().signal) ?? []) {
    lines.push(line.text);
  }
  return lines;
}

describe('restarts', () => {
  test('a killed process comes back at once, then with a back-off that doubles', async () => {
    cluster.createPod('worker', shellContainer('sleep 1000'));
    const kill = async (restarts: number) => {
      await until(
        () => containerStatus('worker').state?.running && containerStatus('worker').restartCount === restarts,
      );
      process.kill(pidOf(cluster.pod('worker')), 'SIGKILL');
    };
    await kill(0);
    await kill(1);
    await until(() => containerStatus('worker').state?.waiting?.reason === 'CrashLoopBackOff');
    expect(containerStatus('worker').state.waiting.message).toContain('back-off 0.2s');
    expect(containerStatus('worker').lastState.terminated).toMatchObject({ exitCode: 137, signal: 9, reason: 'Error' });
    expect(isPodReady(cluster.pod('worker'))).toBe(false);
    await kill(2);
    await until(() => containerStatus('worker').state?.waiting?.message?.includes('back-off 0.4s') ?? false);
    expect(cluster.events('worker')).toContain('BackOff');
  });

  test('a pod that must not restart ends with its exit code', async () => {
    cluster.createPod('once', shellContainer('exit 3'), { restartPolicy: 'Never' });
    cluster.createPod('done', shellContainer('exit 0'), { restartPolicy: 'OnFailure' });
    await until(
      () => cluster.pod('once').status.phase === 'Failed' && cluster.pod('done').status.phase === 'Succeeded',
    );
    expect(containerStatus('once').state.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect(containerStatus('done').state.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
  });

  test('a command that does not exist is a start error and no crash of the sandbox', async () => {
    cluster.createPod('typo', { name: 'main', image: 'x', command: ['no-such-program'] });
    await until(() => containerStatus('typo').lastState?.terminated?.reason === 'StartError');
    expect(containerStatus('typo').lastState.terminated.exitCode).toBe(128);
  });

  test('a command that no process can have is reported, and the sandbox lives on', async () => {
    cluster.createPod('nul', { name: 'main', image: 'x', command: ['echo', 'a\0b'] });
    cluster.createPod('number', { name: 'main', image: 'x', command: ['echo', 1] });
    await until(() => ['nul', 'number'].every((name) => containerStatus(name).state?.waiting?.message !== undefined));
    expect(containerStatus('nul').state.waiting.message).toContain('null bytes');
    cluster.store.delete('pods', 'default', 'nul');
    await until(() => cluster.pod('nul') === undefined);
  });

  test('a failed liveness probe restarts the container', async () => {
    const livenessProbe = { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 };
    cluster.createPod('sick', shellContainer('sleep 1000', { livenessProbe }));
    await until(() => containerStatus('sick').restartCount > 0);
    expect(cluster.events('sick')).toEqual(expect.arrayContaining(['Unhealthy', 'Killing']));
  });

  test('the other probes wait for the startup probe', async () => {
    const container = shellContainer('sleep 1; touch "/tmp/$POD_UID"; sleep 1000; ', {
      env: [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
      startupProbe: { exec: { command: ['sh', '-c', 'rm "/tmp/$POD_UID"'] }, periodSeconds: 1, failureThreshold: 10 },
      livenessProbe: { exec: { command: ['true'] } },
    });
    cluster.createPod('slow', container);
    await until(() => containerStatus('slow').state?.running !== undefined);
    expect(containerStatus('slow')).toMatchObject({ started: false, ready: false });
    await until(() => containerStatus('slow').started && isPodReady(cluster.pod('slow')));
    expect(containerStatus('slow').restartCount).toBe(0);
  });
});

describe('the end of a pod', () => {
  const stubborn = nodeContainer(`process.on('SIGTERM', () => console.log('asked to end')); setInterval(() => {}, 1000);
    console.log('started');`);

  test('is SIGTERM, then SIGKILL when the grace period is over', async () => {
    cluster.createPod('stubborn', stubborn, { terminationGracePeriodSeconds: 1 });
    await until(() => isPodReady(cluster.pod('stubborn')));
    while ((await logOf('stubborn')).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const pid = pidOf(cluster.pod('stubborn'));
    cluster.store.delete('pods', 'default', 'stubborn');
    while ((await logOf('stubborn')).length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(isAlive(pid)).toBe(true);
    expect(cluster.pod('stubborn').metadata.deletionTimestamp).toBeDefined();
    await until(() => cluster.pod('stubborn') === undefined);
    expect(isAlive(pid)).toBe(false);
  });

  test('is SIGTERM too without a grace period, and SIGKILL two seconds later, as the kubelet does it', async () => {
    const container =
      nodeContainer(`process.on('SIGTERM', () => require('fs').writeFileSync('/tmp/' + process.env.POD_UID, ''));
      setInterval(() => {}, 1000);`);
    const env = [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }];
    const readinessProbe = { exec: { command: ['true'] }, initialDelaySeconds: 1 };
    cluster.createPod('forced', { ...container, env, readinessProbe });
    await until(() => isPodReady(cluster.pod('forced')));
    const pid = pidOf(cluster.pod('forced'));
    const file = `/tmp/${cluster.pod('forced').metadata.uid}`;
    cluster.store.delete('pods', 'default', 'forced', { gracePeriodSeconds: 0 });
    expect(cluster.pod('forced')).toBeUndefined();
    await until(() => existsSync(file));
    rmSync(file);
    expect(isAlive(pid)).toBe(true);
    await until(() => !isAlive(pid));
  });

  test('comes for all processes when they stop with the cluster, also of a pod whose object is gone', async () => {
    cluster.createPod('forced', stubborn);
    await until(() => isPodReady(cluster.pod('forced')));
    const pid = pidOf(cluster.pod('forced'));
    cluster.store.delete('pods', 'default', 'forced', { gracePeriodSeconds: 0 });
    await cluster.stop();
    expect(isAlive(pid)).toBe(false);
  });

  test('comes sooner after a second delete with a shorter grace period', async () => {
    cluster.createPod('shortened', stubborn);
    await until(() => isPodReady(cluster.pod('shortened')));
    const pid = pidOf(cluster.pod('shortened'));
    cluster.store.delete('pods', 'default', 'shortened');
    cluster.store.delete('pods', 'default', 'shortened', { gracePeriodSeconds: 1 });
    await until(() => !isAlive(pid) && cluster.pod('shortened') === undefined);
  });

  test('runs the preStop hook first', async () => {
    const container = shellContainer('while [ ! -e "/tmp/$POD_UID" ]; do sleep 0.05; done; rm "/tmp/$POD_UID"', {
      env: [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
      lifecycle: { preStop: { exec: { command: ['sh', '-c', 'touch "/tmp/$POD_UID"; sleep 0.3'] } } },
    });
    cluster.createPod('polite', container);
    await until(() => isPodReady(cluster.pod('polite')));
    const seen: Json[] = [];
    cluster.store.subscribe('pods', ({ object }) => seen.push(object.status?.containerStatuses?.[0]?.state));
    cluster.store.delete('pods', 'default', 'polite');
    await until(() => cluster.pod('polite') === undefined);
    // Had SIGTERM come before the hook was done, the code would be 143.
    expect(seen).toContainEqual({ terminated: expect.objectContaining({ exitCode: 0 }) });
  });

  test('does not wait for a preStop hook when it is forced, and takes the hook with it', async () => {
    const lifecycle = { preStop: { exec: { command: ['sh', '-c', 'echo $$ > "/tmp/$POD_UID"; exec sleep 1000'] } } };
    const env = [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }];
    cluster.createPod('slow', shellContainer('sleep 1000', { env, lifecycle }));
    await until(() => isPodReady(cluster.pod('slow')));
    const { metadata } = cluster.pod('slow');
    const pid = pidOf(cluster.pod('slow'));
    cluster.store.delete('pods', 'default', 'slow');
    const file = `/tmp/${metadata.uid}`;
    await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '');
    const hook = Number(readFileSync(file, 'utf8'));
    rmSync(file);
    cluster.store.delete('pods', 'default', 'slow', { gracePeriodSeconds: 0 });
    await until(() => !isAlive(pid) && !isAlive(hook));
  });

  test('takes the descendants of the container with it', async () => {
    cluster.createPod('parent', shellContainer('sleep 1000 & echo $!; wait'));
    await until(() => isPodReady(cluster.pod('parent')));
    let lines: string[] = [];
    while (lines.length === 0) {
      lines = await logOf('parent');
    }
    process.kill(pidOf(cluster.pod('parent')), 'SIGKILL');
    await until(() => !isAlive(Number(lines[0])));
  });
});

describe('what a container gets', () => {
  test('its environment, arguments with $(VAR) and its working directory', async () => {
    const { store } = cluster;
    const metadata = { name: 'settings', namespace: 'default' };
    store.create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { COLOUR: 'red' } });
    const data = { key: Buffer.from('secret').toString('base64') };
    store.create('secrets', { apiVersion: 'v1', kind: 'Secret', metadata, data });
    cluster.createService('shop-front');
    await until(() => store.get('services', 'default', 'shop-front')?.spec.clusterIP);
    cluster.createPod(
      'env',
      {
        name: 'main',
        image: 'busybox',
        command: ['sh', '-c', 'echo "$@"; pwd; env', 'sh'],
        args: ['$(COLOUR)', '$(NODE)', '$(NONE)', '$$(COLOUR)'],
        workingDir: '/',
        envFrom: [{ configMapRef: { name: 'settings' } }],
        env: [
          { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
          { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'settings', key: 'key' } } },
          { name: 'BOTH', value: '$(COLOUR)-$(NODE)' },
        ],
      },
      { restartPolicy: 'Never' },
    );
    await until(() => cluster.pod('env').status.phase === 'Succeeded');
    const lines = await logOf('env');
    const node = cluster.pod('env').spec.nodeName;
    expect(lines.slice(0, 2)).toEqual([`red ${node} $(NONE) $(COLOUR)`, '/']);
    const address = store.get('services', 'default', 'shop-front')!.spec.clusterIP;
    expect(lines).toEqual(
      expect.arrayContaining([
        'TOKEN=secret',
        `BOTH=red-${node}`,
        `SHOP_FRONT_SERVICE_HOST=${address}`,
        'HOSTNAME=env',
      ]),
    );
    expect(lines.filter((line) => line.startsWith('NODE_OPTIONS'))).toEqual([]);
  });

  test('a missing ConfigMap is waited for', async () => {
    const env = [{ name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'later', key: 'colour' } } }];
    cluster.createPod('waits', shellContainer('sleep 1000', { env }));
    await until(() => containerStatus('waits').state?.waiting?.reason === 'CreateContainerConfigError');
    const metadata = { name: 'later', namespace: 'default' };
    cluster.store.create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { colour: 'red' } });
    await until(() => isPodReady(cluster.pod('waits')));
  });

  test('init containers run one after another before it', async () => {
    const initContainers = [
      shellContainer('sleep 0.2', { name: 'first' }),
      shellContainer('exit 0', { name: 'second' }),
    ];
    cluster.createPod('prepared', shellContainer('sleep 1000'), { initContainers });
    await until(() => isPodReady(cluster.pod('prepared')));
    const statuses = cluster.pod('prepared').status.initContainerStatuses;
    expect(statuses.map((status: Json) => status.state.terminated.exitCode)).toEqual([0, 0]);
  });

  test('an image without a command is a stand-in, healthy and marked as such', async () => {
    const readinessProbe = { httpGet: { port: 80 } };
    cluster.createPod('nginx', { name: 'main', image: 'nginx', readinessProbe });
    await until(() => isPodReady(cluster.pod('nginx')));
    expect(cluster.pod('nginx').metadata.annotations).toEqual({ 'squall.dev/stand-in': 'true' });
    expect(isAlive(pidOf(cluster.pod('nginx')))).toBe(true);
  });

  test('output of this and of the previous run is kept and can be followed', async () => {
    cluster.createPod('talks', shellContainer('echo one; echo two; sleep 0.3; echo three; exit 1'));
    await until(() => containerStatus('talks').restartCount === 1);
    expect(await logOf('talks', { previous: true })).toEqual(['one', 'two', 'three']);
    expect(await logOf('talks', { follow: true, tailLines: 1 })).toContain('three');
  });
});
