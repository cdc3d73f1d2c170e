import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Injection, TargetStatus } from '../../api/injection.js';
import type { EmptyNode } from '../../faults/step.js';
import { Client } from '../../kubernetes/client.js';
import { ApiError, TransportError } from '../../kubernetes/errors.js';
import type { EventInput } from '../../kubernetes/events.js';
import { clusterAt } from '../../kubernetes/kubeconfig.js';
import { daemonSets, deployments, type Json, namespaces, nodes, pods } from '../../kubernetes/resource.js';
import { createTransport, type Transport } from '../../kubernetes/transport.js';
import { type Cluster, startCluster } from '../../sandbox/cluster.js';
import { anInjection } from '../../testing/builders.js';
import { until } from '../../testing/scripted-server.js';
import { StoppedError } from '../context.js';
import { emptyNode } from './empty-node.js';
import type { Inspection, Surroundings } from './handler.js';

const budgets = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
  namespaced: true,
};

let cluster: Cluster;
let transport: Transport;
let told: EventInput[] = [];
let asked: string[] = [];
/** What every eviction is answered with instead. */
let trouble: Error | undefined;

beforeEach(async () => {
  cluster = await startCluster({ nodes: 2, simulated: true });
  transport = createTransport(clusterAt(cluster.url), { userAgent: 'test', qps: 500, burst: 1_000 });
  told = [];
  asked = [];
  trouble = undefined;
});

afterEach(async () => {
  transport?.close();
  await cluster?.stop();
});

/** A client that notes what it is asked to write, and one memory of drains of its own: a controller. */
function controller(): Client {
  const noting: Transport = {
    clock: transport.clock,
    server: transport.server,
    namespace: transport.namespace,
    request: async (options) => {
      asked.push(`${options.method} ${options.path}`);
      if (trouble && options.path.endsWith('/eviction')) throw trouble;
      return transport.request(options);
    },
    watch: (options) => transport.watch(options),
    close: () => transport.close(),
  };
  return new Client(noting);
}

const plain = () => new Client(transport);

async function cordon(name: string, unschedulable = true): Promise<void> {
  await plain().patch(nodes, undefined, name, { spec: { unschedulable } });
}

function podTemplate(app: string, more: Json = {}) {
  const { labels = {}, ...spec } = more;
  const onNode = { nodeSelector: { 'kubernetes.io/hostname': 'n1' } };
  return {
    metadata: { labels: { app, ...labels } },
    spec: { containers: [{ name: 'main', image: 'busybox:1' }], ...onNode, ...spec },
  };
}

async function deploy(app: string, replicas: number, more: Json = {}): Promise<void> {
  const spec = { replicas, selector: { matchLabels: { app } }, template: podTemplate(app, more) };
  await plain().create(deployments, { metadata: { name: app, namespace: 'default' }, spec });
  await ready(app, replicas);
}

async function ready(app: string, count: number): Promise<void> {
  await until(() => podsOf(app).filter(isReady).length === count, `${count} pods of ${app}`);
}

const isReady = ({ status }: Json) =>
  status?.conditions?.some(({ type, status: is }: Json) => type === 'Ready' && is === 'True');
const podsOf = (app: string) =>
  cluster.store.list('pods').filter(({ metadata }) => metadata.labels?.app === app) as Json[];
const onNode = (node: string) =>
  cluster.store
    .list('pods')
    .filter(({ spec }) => spec.nodeName === node)
    .map(({ metadata }) => metadata.name) as string[];

async function budget(app: string, minAvailable: number): Promise<void> {
  const spec = { minAvailable, selector: { matchLabels: { app } } };
  await plain().create(budgets, { metadata: { name: app, namespace: 'default' }, spec });
  await until(() => {
    const [found] = cluster.store.list('poddisruptionbudgets.policy', 'default') as Json[];
    return found?.status?.observedGeneration === found?.metadata.generation && found?.status?.expectedPods > 0;
  }, `the budget of ${app}`);
}

/** A drain of node n1 as a reconciler goes on with it. */
class Drain {
  readonly target = { kind: 'Node' as const, namespace: '', name: 'n1', uid: '' };
  readonly mark = 'a1b2c3d4';
  status: TargetStatus | undefined;
  undo: unknown = null;
  permitted = true;

  constructor(
    readonly step: Partial<EmptyNode> = {},
    public client = controller(),
  ) {}

  get where(): Surroundings {
    const injection: Injection = anInjection({ step: 'drain', targets: [this.target] });
    if (this.status) injection.status = { targets: [this.status] };
    return {
      client: this.client,
      injection,
      target: this.target,
      mark: this.mark,
      permit: () => {
        if (!this.permitted) throw new StoppedError('halted');
      },
      protectionIn: ({ name }) => ({ against: () => (name === 'kube-system' ? 'protected' : undefined) }),
      tell: (event) => told.push(event),
    };
  }

  get whole(): EmptyNode {
    const { name: node, uid } = this.target;
    return {
      do: 'emptyNode',
      node,
      uid,
      by: 'Evict',
      unmanaged: false,
      emptyDirData: false,
      budget: 'Respect',
      ...this.step,
    };
  }

  async prepare() {
    this.target.uid ||= cluster.store.get('nodes', undefined, 'n1')?.metadata.uid ?? '';
    const prepared = await emptyNode.prepare(this.whole, this.where);
    if ('undo' in prepared) this.undo = prepared.undo;
    return prepared;
  }

  /** One pass, as it stands in the status after it. */
  async pass(): Promise<Inspection> {
    const outcome = await emptyNode.apply(this.whole, this.undo, this.where);
    expect(outcome).toEqual({ result: 'done' });
    const seen = await emptyNode.inspect(this.whole, this.undo, this.where);
    const time = this.status?.time ?? new Date(plain().clock.now()).toISOString();
    this.status = { uid: this.target.uid, state: 'Confirmed', time, ...(seen.progress && { progress: seen.progress }) };
    return seen;
  }

  /** Prepares, cordons, and goes on until there is no more to do. */
  async run(): Promise<Inspection> {
    expect(await this.prepare()).toEqual({ undo: { pods: expect.any(Number) } });
    await cordon('n1');
    for (;;) {
      const seen = await this.pass();
      if (!seen.unfinished) return seen;
      await new Promise((resolve) => setTimeout(resolve, Math.min(seen.after ?? 0, 50)));
    }
  }
}

describe('a node that is emptied', () => {
  test('loses its pods, each evicted once, and says so', async () => {
    await deploy('web', 4);
    const names = onNode('n1');
    const drain = new Drain();
    const seen = await drain.run();
    expect(seen).toEqual({ on: true, effective: true, progress: { done: 4, total: 4, refused: 0 } });
    const evictions = asked.filter((call) => call.endsWith('/eviction'));
    expect(evictions).toHaveLength(4);
    expect(told.map(({ object, reason }) => [object.name, reason]).sort()).toEqual(
      names.sort().map((name) => [name, 'FaultInjected']),
    );
    expect(onNode('n1')).toEqual([]);
  });

  test('that has no pod to lose shows no effect', async () => {
    expect(await new Drain().run()).toEqual({
      on: true,
      effective: false,
      progress: { done: 0, total: 0, refused: 0 },
    });
  });

  test('keeps what is of a DaemonSet, static or protected, and counts what it spared', async () => {
    const client = plain();
    const labels = { app: 'agent' };
    await client.create(daemonSets, {
      metadata: { name: 'agent', namespace: 'default' },
      spec: {
        selector: { matchLabels: labels },
        template: { ...podTemplate('agent'), spec: { containers: [{ name: 'main', image: 'busybox:1' }] } },
      },
    });
    await client.create(namespaces, { metadata: { name: 'kube-system' } }).catch(() => {});
    const bare = (name: string, namespace: string, metadata: Json = {}) =>
      client.create(pods, {
        metadata: { name, namespace, ...metadata, labels: { app: 'bare', ...metadata.labels } },
        spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'busybox:1' }] },
      });
    await bare('etcd', 'default', { annotations: { 'kubernetes.io/config.mirror': 'x' } });
    await bare('dns', 'kube-system');
    await bare('ours', 'default', { labels: { 'app.kubernetes.io/part-of': 'squall' } });
    await bare('precious', 'default', { labels: { 'squall.dev/protected': 'true' } });
    await deploy('web', 2);
    await ready('bare', 4);
    await ready('agent', 2);
    const seen = await new Drain().run();
    expect(seen.progress).toEqual({ done: 2, total: 2, refused: 0, spared: 3 });
    expect(
      onNode('n1')
        .map((name) => name.replace(/-.*/, ''))
        .sort(),
    ).toEqual(['agent', 'dns', 'etcd', 'ours', 'precious']);
  });

  test('is refused before anything is touched when a pod has nobody to replace it, or data to lose', async () => {
    const volumes = [{ name: 'scratch', emptyDir: {} }];
    await deploy('cache', 2, { volumes });
    const refused = await new Drain().prepare();
    expect(refused).toEqual({
      result: 'refused',
      message: expect.stringMatching(/2 pods with an emptyDir.*default\/cache-.*`emptyDirData: true` would allow/),
    });
    expect(asked.filter((call) => !call.startsWith('GET'))).toEqual([]);
    expect(await new Drain({ emptyDirData: true }).run()).toMatchObject({ effective: true });
  });

  test('asks again what a budget refuses, and gets through as the budget allows', async () => {
    await deploy('web', 4, { nodeSelector: undefined, affinity: undefined });
    await until(() => onNode('n1').length === 2, 'two pods on each node');
    await budget('web', 3);
    const seen = await new Drain().run();
    expect(seen).toMatchObject({ effective: true, progress: { done: 2, total: 2 } });
    await ready('web', 4);
  });

  test('is held back by a budget that allows nothing: nothing goes, and it says which pod waits for what', async () => {
    await deploy('web', 3);
    await budget('web', 3);
    const drain = new Drain();
    await drain.prepare();
    await cordon('n1');
    const seen = await drain.pass();
    expect(seen).toMatchObject({ effective: false, unfinished: true, progress: { done: 0, total: 3, refused: 3 } });
    expect(seen.progress?.waiting).toMatch(
      /^default\/web-\S+: Cannot evict pod as it would violate.* The disruption budget web needs 3/,
    );
    const once = asked.filter((call) => call.endsWith('/eviction')).length;
    await drain.pass();
    // One of them stands for all that the same budget holds.
    expect(asked.filter((call) => call.endsWith('/eviction')).length).toBe(once + 1);
    expect(told.filter(({ reason }) => reason === 'EvictionRefused')).toHaveLength(3);
    expect(onNode('n1')).toHaveLength(3);
  });

  test('is effective when it was to be held back and is', async () => {
    await deploy('web', 2);
    await budget('web', 2);
    const drain = new Drain({ budget: 'Expect' });
    await drain.prepare();
    await cordon('n1');
    expect(await drain.pass()).toMatchObject({ effective: true, unfinished: true, progress: { done: 0, refused: 2 } });
  });

  test('is not effective when it was to be held back and goes through', async () => {
    await deploy('web', 2);
    expect(await new Drain({ budget: 'Expect' }).run()).toMatchObject({
      effective: false,
      progress: { done: 2, refused: 0 },
    });
  });

  test('names a pod that does not end, and looks ever more seldom', async () => {
    await deploy('stuck', 1, {});
    const [pod] = podsOf('stuck');
    await plain().patch(pods, 'default', pod.metadata.name, { metadata: { finalizers: ['example.com/hold'] } });
    const drain = new Drain({ gracePeriodSeconds: 0 });
    await drain.prepare();
    await cordon('n1');
    const looks = [await drain.pass(), await drain.pass(), await drain.pass()];
    expect(looks.at(-1)).toMatchObject({ effective: false, unfinished: true });
    expect(looks.at(-1)?.progress?.waiting).toMatch(
      /^default\/stuck-\S+: (is ending|has been ending for \d+s longer than it may), held by the finalizer example.com\/hold$/,
    );
    expect(looks.map(({ after }) => after)).toEqual([250, 500, 1000]);
    expect(asked.filter((call) => call.endsWith('/eviction'))).toHaveLength(1);
  });

  test('goes on under another controller without counting anything twice', async () => {
    await deploy('web', 3);
    await budget('web', 2);
    const drain = new Drain();
    await drain.prepare();
    await cordon('n1');
    const first = await drain.pass();
    expect(first.progress).toMatchObject({ total: 3, refused: 2 });
    await until(() => onNode('n1').length === 2, 'the first to be gone');
    drain.client = controller();
    const look = await emptyNode.inspect(drain.whole, drain.undo, drain.where);
    expect(look.progress).toMatchObject({ done: 1, total: 3, refused: 2 });
    expect((await drain.pass()).progress).toMatchObject({ done: 1, total: 3, refused: 2 });
  });

  test('is known to have been emptied also when the one who did it died before it could say so', async () => {
    await deploy('web', 2);
    const drain = new Drain();
    await drain.prepare();
    await cordon('n1');
    await emptyNode.apply(drain.whole, drain.undo, drain.where);
    await until(() => onNode('n1').length === 0, 'all to be gone');
    drain.client = controller();
    expect(await drain.pass()).toEqual({ on: true, effective: true, progress: { done: 2, total: 2, refused: 0 } });
  });

  test('says how far it came when it is over, also when nobody has looked since the pods went', async () => {
    await deploy('web', 2);
    const drain = new Drain();
    await drain.prepare();
    await cordon('n1');
    const seen = await drain.pass();
    expect(seen).toMatchObject({ effective: false, progress: { done: 0, waiting: expect.any(String) } });
    await until(() => onNode('n1').length === 0, 'all to be gone');
    drain.client = controller();
    const over = await emptyNode.revert(drain.whole, drain.undo, drain.where);
    expect(over).toEqual({ result: 'done', effective: true, progress: { done: 2, total: 2, refused: 0 } });
    drain.client.get = () => Promise.reject(new TransportError('ECONNRESET', 'connection reset'));
    expect(await emptyNode.revert(drain.whole, drain.undo, drain.where)).toEqual({ result: 'done' });
  });

  test('does not count what comes to it once it is open again', async () => {
    await deploy('web', 2);
    const drain = new Drain();
    await drain.prepare();
    await cordon('n1');
    const { progress } = await drain.pass();
    expect(progress).toMatchObject({ done: 0 });
    await until(() => onNode('n1').length === 0, 'all to be gone');
    await cordon('n1', false);
    await until(() => onNode('n1').length === 2, 'others to come');
    expect(await emptyNode.revert(drain.whole, drain.undo, drain.where)).toEqual({ result: 'done' });
  });

  test('does not ask again what it knows when it is over', async () => {
    await deploy('web', 2);
    const drain = new Drain();
    await drain.run();
    asked = [];
    expect(await emptyNode.revert(drain.whole, drain.undo, drain.where)).toEqual({ result: 'done' });
    expect(asked).toEqual([]);
  });

  test('leaves what comes to it later', async () => {
    await deploy('web', 2);
    const drain = new Drain();
    expect(await drain.run()).toMatchObject({ effective: true });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await deploy('late', 1, { nodeSelector: undefined, nodeName: 'n1' });
    expect(await drain.pass()).toEqual({ on: true, effective: true, progress: { done: 2, total: 2, refused: 0 } });
    expect(onNode('n1')).toHaveLength(1);
  });

  test('that is gone, or another one of its name, is not touched', async () => {
    await deploy('web', 1);
    const drain = new Drain();
    drain.target.uid = 'another';
    expect(await drain.prepare()).toEqual({ result: 'gone' });
    expect(await emptyNode.apply(drain.whole, drain.undo, drain.where)).toEqual({ result: 'gone' });
    expect(await emptyNode.inspect(drain.whole, drain.undo, drain.where)).toMatchObject({ gone: true });
    expect(onNode('n1')).toHaveLength(1);
  });

  test('is not emptied further once nothing more may be hit', async () => {
    await deploy('web', 2);
    const drain = new Drain();
    await drain.prepare();
    drain.permitted = false;
    await expect(drain.pass()).rejects.toThrow(StoppedError);
    expect(onNode('n1')).toHaveLength(2);
  });

  test('waits as long as a server asks for that has too much to do, and takes that for no budget', async () => {
    await deploy('web', 2);
    const drain = new Drain({ budget: 'Expect' });
    await drain.prepare();
    trouble = new ApiError(429, 'TooManyRequests', 'Too many requests, please try again later.', {}, 3_000);
    const seen = await drain.pass();
    expect(seen).toMatchObject({ effective: false, unfinished: true, after: 3_000, progress: { done: 0, refused: 0 } });
    expect(seen.progress?.waiting).toMatch(/^default\/web-\S+: Too many requests/);
  });

  test('is refused when nobody may evict anything, and unknown when nobody answers', async () => {
    await deploy('web', 2);
    const drain = new Drain();
    await drain.prepare();
    trouble = new ApiError(403, 'Forbidden', 'may not create pods/eviction');
    const refused = { result: 'refused', message: 'may not create pods/eviction' };
    expect(await emptyNode.apply(drain.whole, drain.undo, drain.where)).toEqual(refused);
    trouble = new TransportError('ECONNRESET', 'connection reset');
    await expect(drain.pass()).rejects.toThrow('connection reset');
  });

  test('by deletion asks no budget, and hurries what is on its way out', async () => {
    await deploy('web', 2);
    await budget('web', 2);
    const seen = await new Drain({ by: 'Delete', gracePeriodSeconds: 0, unmanaged: true, emptyDirData: true }).run();
    expect(seen).toEqual({ on: true, effective: true, progress: { done: 2, total: 2, refused: 0 } });
    expect(asked.filter((call) => call.endsWith('/eviction'))).toEqual([]);
  });
});
