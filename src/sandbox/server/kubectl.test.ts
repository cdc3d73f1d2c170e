import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestServer, type TestServer } from './test-server.js';

const present = spawnSync('kubectl', ['version', '--client']).status === 0;
const describeWithKubectl = present ? describe : describe.skip;

let server: TestServer;
let folder: string;

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a kubectl against the server, with a manifest on its standard input when there is one. */
function kubectl(args: string, manifest?: object): Promise<Outcome> {
  const env = { ...process.env, KUBECONFIG: join(folder, 'config'), HOME: folder };
  return new Promise((resolve) => {
    const child = execFile('kubectl', args.split(' '), { env, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
    child.stdin!.end(manifest === undefined ? '' : JSON.stringify(manifest));
  });
}

function deployment(replicas: number, field = 'image') {
  const labels = { app: 'web' };
  const containers = [{ name: 'main', [field]: 'web:1', ports: [{ containerPort: 80 }] }];
  const template = { metadata: { labels }, spec: { containers } };
  const spec = { replicas, selector: { matchLabels: labels }, template };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'default' }, spec };
}

function createPod(name: string, nodeName = 'n1') {
  const spec = { nodeName, containers: [{ name: 'main', image: 'app:1' }] };
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  const metadata = { name, namespace: 'default', labels: { app: 'web' } };
  return server.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata, spec, status });
}

describeWithKubectl('kubectl', () => {
  beforeAll(async () => {
    server = await startTestServer({
      logs: {
        async *read() {
          yield { time: new Date(), text: 'hello' };
        },
      },
    });
    folder = mkdtempSync(join(tmpdir(), 'squall-kubectl-'));
    const clusters = [{ name: 's', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }];
    const contexts = [{ name: 's', context: { cluster: 's', user: 's' } }];
    const users = [{ name: 's', user: {} }];
    const config = { apiVersion: 'v1', kind: 'Config', clusters, contexts, users, 'current-context': 's' };
    writeFileSync(join(folder, 'config'), JSON.stringify(config));
    server.store.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: {} });
    createPod('p1');
  });

  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('get shows the tables of a real cluster, narrow and wide', async () => {
    const narrow = await kubectl('get pods');
    expect(narrow.stdout).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE\np1 +0\/1 +Running +0 +\d+s\n$/);
    expect((await kubectl('get po -A -o wide')).stdout).toMatch(/NODE.*\n.* n1 /s);
    expect((await kubectl('get nodes,ns')).stdout).toContain('namespace/kube-system');
    expect((await kubectl('get all')).stdout).toContain('pod/p1');
  });

  test('get -o yaml and jsonpath show objects', async () => {
    expect((await kubectl('get pod p1 -o yaml')).stdout).toContain('kind: Pod');
    expect((await kubectl('get pods -o jsonpath={.items[*].metadata.name}')).stdout).toBe('p1');
  });

  test('apply creates, changes and leaves alone, and finds typos', async () => {
    expect((await kubectl('apply -f -', deployment(1))).stdout).toBe('deployment.apps/web created\n');
    expect((await kubectl('apply -f -', deployment(1))).stdout).toBe('deployment.apps/web unchanged\n');
    expect((await kubectl('apply -f -', deployment(2))).stdout).toBe('deployment.apps/web configured\n');
    expect((await kubectl('apply --dry-run=server -f -', deployment(5))).stdout).toContain('(server dry run)');
    expect(server.store.get('deployments.apps', 'default', 'web')?.spec.replicas).toBe(2);
    const typo = await kubectl('apply -f -', deployment(2, 'imagee'));
    expect([typo.code, typo.stderr]).toEqual([1, expect.stringContaining('unknown field')]);
  });

  test('apply takes a list of objects', async () => {
    const items = ['l1', 'l2'].map((name) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } }));
    const { stdout, stderr } = await kubectl('apply -f -', { apiVersion: 'v1', kind: 'List', items });
    expect([stdout, stderr]).toEqual(['configmap/l1 created\nconfigmap/l2 created\n', '']);
  });

  test('describe shows an object and its events', async () => {
    const { uid } = server.store.get('pods', 'default', 'p1')!.metadata;
    const involvedObject = { kind: 'Pod', namespace: 'default', name: 'p1', uid };
    server.store.create('events', {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e1', namespace: 'default' },
      involvedObject,
      type: 'Normal',
      reason: 'Pulled',
      message: 'the image was there',
    });
    expect((await kubectl('describe pod p1')).stdout).toMatch(/Events:.*Pulled.*the image was there/s);
    expect((await kubectl('describe node n1')).code).toBe(0);
    expect((await kubectl('get events')).stdout).toContain('pod/p1');
  });

  test('label, annotate, patch, taint and scale change objects', async () => {
    expect((await kubectl('label pod p1 tier=front')).stdout).toBe('pod/p1 labeled\n');
    expect((await kubectl('annotate pod p1 a=b')).code).toBe(0);
    const patch = { spec: { template: { spec: { containers: [{ name: 'main', image: 'web:2' }] } } } };
    expect((await kubectl(`patch deployment web -p ${JSON.stringify(patch)}`)).code).toBe(0);
    expect((await kubectl('taint node n1 a=b:NoSchedule')).code).toBe(0);
    expect((await kubectl('scale deployment web --replicas=4')).stdout).toBe('deployment.apps/web scaled\n');
    const { spec } = server.store.get('deployments.apps', 'default', 'web')!;
    expect([spec.replicas, spec.template.spec.containers[0].image]).toEqual([4, 'web:2']);
  });

  test('logs prints what the container wrote', async () => {
    expect((await kubectl('logs p1')).stdout).toBe('hello\n');
  });

  test('wait sees a change come', async () => {
    createPod('waited');
    const waiting = kubectl('wait --for=jsonpath={.status.phase}=Succeeded pod/waited --timeout=15s');
    const finish = () =>
      server.store.update('pods', 'default', 'waited', (draft) => {
        draft.status.phase = 'Succeeded';
      });
    setTimeout(finish, 300);
    expect((await waiting).stdout).toBe('pod/waited condition met\n');
  });

  test('get -w follows a watch', async () => {
    const followed = kubectl('get configmaps -w --output-watch-events --request-timeout=3s');
    let count = 0;
    const timer = setInterval(() => {
      count += 1;
      const metadata = { name: `m${count}`, namespace: 'default' };
      server.store.create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata });
    }, 200);
    const { stdout } = await followed;
    clearInterval(timer);
    expect(stdout).toMatch(/EVENT +NAME +DATA +AGE\n(.*\n)*ADDED +m\d+ +0 +\d+s\n/);
  });

  test('cordon and drain take a node out of service, within the budget', async () => {
    createPod('p2', 'n2');
    server.store.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n2' }, spec: {} });
    // Stands for the kubelet: a pod in deletion is gone at once.
    const stop = server.store.subscribe('pods', ({ type, object }) => {
      if (type === 'MODIFIED' && object.metadata.deletionTimestamp !== undefined) {
        const { name, uid } = object.metadata;
        server.store.delete('pods', 'default', name, { gracePeriodSeconds: 0, preconditions: { uid } });
      }
    });
    const drained = await kubectl('drain n2 --force --timeout=10s');
    stop();
    expect(drained.stdout).toContain('node/n2 drained');
    expect((await kubectl('get node n2')).stdout).toContain('SchedulingDisabled');
    expect((await kubectl('uncordon n2')).stdout).toBe('node/n2 uncordoned\n');
    expect(server.store.get('pods', 'default', 'p2')).toBeUndefined();
  });

  test('delete waits until the object is gone', async () => {
    expect((await kubectl('delete deployment web')).stdout).toBe('deployment.apps "web" deleted\n');
    expect((await kubectl('delete pod p1 --force --grace-period=0')).code).toBe(0);
    const missing = await kubectl('get pod p1');
    expect([missing.code, missing.stderr]).toEqual([1, 'Error from server (NotFound): pods "p1" not found\n']);
  });

  test('is told plainly what the sandbox leaves out', async () => {
    createPod('p3');
    expect((await kubectl('exec p3 -- ls')).stderr).toContain('not implemented by the Squall sandbox');
    expect((await kubectl('apply --server-side -f -', deployment(1))).stderr).toContain('server-side apply');
    expect((await kubectl('create configmap x')).stderr).toContain('kubectl apply -f');
  });
});
