import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Injection, TargetState } from '../../api/injection.js';
import type { FieldChange, ObjectRef, SetFields } from '../../faults/step.js';
import { Client } from '../../kubernetes/client.js';
import { clusterAt } from '../../kubernetes/kubeconfig.js';
import { deployments, type Json, nodes } from '../../kubernetes/resource.js';
import { createTransport, type Transport } from '../../kubernetes/transport.js';
import { type Cluster, startCluster } from '../../sandbox/cluster.js';
import { anInjection } from '../../testing/builders.js';
import { until } from '../../testing/scripted-server.js';
import { StoppedError } from '../context.js';
import type { Surroundings } from './handler.js';
import { horizontalPodAutoscalers, resources } from './objects.js';
import { setFields } from './set-fields.js';

let cluster: Cluster;
let transport: Transport;
let client: Client;
let made = 0;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 2, simulated: true });
  transport = createTransport(clusterAt(cluster.url), { userAgent: 'test', qps: 1_000, burst: 1_000 });
  client = new Client(transport);
});

afterAll(async () => {
  transport?.close();
  await cluster?.stop();
});

/** What people and other controllers can see of an object, without what changes with every write. */
async function seen({ kind, namespace, name }: ObjectRef): Promise<Json> {
  const { metadata, spec } = await client.get(resources[kind], namespace || undefined, name);
  const { labels, annotations } = metadata;
  return { labels, annotations, spec };
}

async function aNode(spec: Json = {}, annotations?: Json): Promise<ObjectRef> {
  made += 1;
  const name = `node-${made}`;
  const { metadata }: Json = await client.create(nodes, {
    metadata: { name, ...(annotations && { annotations }) },
    spec,
  });
  return { kind: 'Node', namespace: '', name, uid: String(metadata.uid) };
}

async function aDeployment(replicas: number, more: Json = {}): Promise<ObjectRef> {
  made += 1;
  const name = `web-${made}`;
  const template = {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: 'main', image: 'busybox:1' }] },
  };
  const spec = { replicas, selector: { matchLabels: { app: name } }, template, ...more };
  const { metadata }: Json = await client.create(deployments, { metadata: { name, namespace: 'default' }, spec });
  const ref: ObjectRef = { kind: 'Deployment', namespace: 'default', name, uid: metadata.uid ?? '' };
  if (!more.paused) await settled(ref, replicas);
  return ref;
}

async function settled({ name }: ObjectRef, replicas: number): Promise<void> {
  await until(
    () => (cluster.store.get('deployments.apps', 'default', name)?.status?.replicas ?? 0) === replicas,
    `${replicas} replicas of ${name}`,
  );
}

async function anAutoscaler({ name }: ObjectRef, bounds: Json): Promise<ObjectRef> {
  const spec = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, ...bounds };
  const metadata = { name: `scales-${name}`, namespace: 'default' };
  const { metadata: stored }: Json = await client.create(horizontalPodAutoscalers, { metadata, spec });
  return { kind: 'HorizontalPodAutoscaler', ...metadata, uid: stored.uid ?? '' };
}

/** A client after each write of which an autoscaler has looked at its workload. */
function watchedBy({ namespace, name }: ObjectRef): Client {
  const look = async () => {
    cluster.store.update('horizontalpodautoscalers.autoscaling', namespace, name, (draft) => {
      draft.status = { ...draft.status, looked: (draft.status?.looked ?? 0) + 1 };
    });
    await new Promise((resolve) => setTimeout(resolve, 25));
  };
  return new Client({
    clock: transport.clock,
    server: transport.server,
    namespace: transport.namespace,
    request: async (options) => {
      const answer = await transport.request(options);
      if (options.method !== 'GET') await look();
      return answer;
    },
    watch: (options) => transport.watch(options),
    close: () => {},
  });
}

/** What a reconciler does with one step, which may die and forget at any point. */
class Fault {
  readonly step: SetFields;
  undo: unknown;
  state: TargetState = 'Applying';
  permitted = true;

  constructor(
    readonly object: ObjectRef,
    changes: FieldChange[],
    readonly mark = '0a1b2c3d',
    readonly through = client,
  ) {
    this.step = { do: 'setFields', object, changes };
  }

  get where(): Surroundings {
    const target = { kind: 'Node' as const, namespace: '', name: this.object.name, uid: this.object.uid ?? '' };
    const injection: Injection = anInjection({ step: 'hold', targets: [target] }, [this.state]);
    const permit = () => {
      if (!this.permitted) throw new StoppedError('halted');
    };
    return {
      client: this.through,
      injection,
      target,
      mark: this.mark,
      permit,
      protectionIn: () => ({ against: () => undefined }),
    };
  }

  async prepare() {
    const prepared = await setFields.prepare(this.step, this.where);
    // It is stored as JSON.
    if ('undo' in prepared) this.undo = JSON.parse(JSON.stringify(prepared.undo));
    return prepared;
  }

  async apply() {
    const attempt = await setFields.apply(this.step, this.undo ?? null, this.where);
    if (attempt.result === 'done') this.state = 'Confirmed';
    return attempt;
  }

  async on() {
    expect(await this.prepare()).toHaveProperty('undo');
    expect(await this.apply()).toEqual({ result: 'done' });
    return this;
  }

  inspect() {
    return setFields.inspect(this.step, this.undo ?? null, this.where);
  }

  revert() {
    return setFields.revert(this.step, this.undo ?? null, this.where);
  }
}

const cordoned: FieldChange[] = [{ field: 'unschedulable', to: true }];
const tainted = (value?: string): FieldChange[] => [
  { field: 'taint', key: 'gpu', effect: 'NoSchedule', ...(value !== undefined && { value }) },
];
const patchNode = ({ name }: ObjectRef, spec: Json) => client.patch(nodes, undefined, name, { spec });
const NEVER_SET = 'node.kubernetes.io/unschedulable';

/** The taint that Kubernetes adds to cordoned nodes follows a little later. */
async function withoutFollowers(node: ObjectRef): Promise<Json> {
  const look = async () => seen(node);
  await until(async () => {
    const { spec } = await look();
    const follows = (spec.taints ?? []).some(({ key }: Json) => key === NEVER_SET);
    return follows === (spec.unschedulable === true);
  }, 'the node controller');
  return look();
}

describe('a node that is cordoned', () => {
  test('takes no new pods, and is as it was before', async () => {
    const node = await aNode({}, { 'example.com/note': 'kept' });
    const before = await seen(node);
    const fault = await new Fault(node, cordoned).on();
    expect(await fault.inspect()).toMatchObject({ on: true, effective: true });
    const during = await seen(node);
    expect(during.spec.unschedulable).toBe(true);
    expect(JSON.parse(during.annotations['undo.squall.dev/0a1b2c3d'])).toEqual({
      by: "step 'hold' of run shop/lose-one",
      fields: [{ field: 'spec.unschedulable', ours: true }],
    });
    expect(await fault.revert()).toEqual({ result: 'done', effective: true });
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('stays cordoned when it was so before', async () => {
    const node = await aNode({ unschedulable: true });
    const before = await withoutFollowers(node);
    const fault = await new Fault(node, cordoned).on();
    await fault.revert();
    expect(await withoutFollowers(node)).toEqual(before);
    expect(before.spec.unschedulable).toBe(true);
  });

  test('is changed and marked in one write, also when that is asked for twice', async () => {
    const node = await aNode();
    const versions: string[] = [];
    const unsubscribe = cluster.store.subscribe('nodes', ({ object: { metadata, spec } }) => {
      if (metadata.name !== node.name) return;
      const isMarked = metadata.annotations?.['undo.squall.dev/0a1b2c3d'] !== undefined;
      versions.push(`${spec.unschedulable ?? false} ${isMarked}`);
    });
    const fault = await new Fault(node, cordoned).on();
    await withoutFollowers(node);
    const changes = versions.length;
    await fault.apply();
    expect(versions).toHaveLength(changes);
    await fault.revert();
    await withoutFollowers(node);
    unsubscribe();
    expect(new Set(versions)).toEqual(new Set(['true true', 'false false']));
  });

  test('is left as somebody else makes it meanwhile', async () => {
    const node = await aNode();
    const before = await seen(node);
    const fault = await new Fault(node, cordoned).on();
    await patchNode(node, { unschedulable: null });
    expect(await fault.inspect()).toMatchObject({ on: false, instead: 'spec.unschedulable is not set' });
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('is not cordoned again when it was so before and somebody has uncordoned it', async () => {
    const node = await aNode({ unschedulable: true });
    const fault = await new Fault(node, cordoned).on();
    await patchNode(node, { unschedulable: null });
    expect(await fault.revert()).toEqual({
      result: 'done',
      conflict: `spec.unschedulable is not set on Node ${node.name}, which somebody else has changed: it was left so`,
    });
    expect((await withoutFollowers(node)).spec.unschedulable).toBeUndefined();
  });

  test('is prepared anew when somebody cordons it in between', async () => {
    const node = await aNode();
    const fault = new Fault(node, cordoned);
    await fault.prepare();
    await patchNode(node, { unschedulable: true });
    expect(await fault.apply()).toEqual({ result: 'changed' });
    expect((await seen(node)).annotations).toBeUndefined();
    await fault.on();
    await fault.revert();
    expect((await seen(node)).spec.unschedulable).toBe(true);
  });

  test('is not touched once nothing more may be hit, and taken back all the same', async () => {
    const node = await aNode();
    const before = await seen(node);
    const fault = new Fault(node, cordoned);
    fault.permitted = false;
    await fault.prepare();
    await expect(fault.apply()).rejects.toThrow('halted');
    expect(await seen(node)).toEqual(before);
    fault.permitted = true;
    await fault.apply();
    fault.permitted = false;
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('is never another one of the same name', async () => {
    const node = await aNode();
    const fault = await new Fault(node, cordoned).on();
    const other = new Fault({ ...node, uid: 'of-the-one-before' }, cordoned);
    expect(await other.prepare()).toEqual({ result: 'gone' });
    await client.delete(nodes, undefined, node.name);
    expect(await fault.inspect()).toMatchObject({ gone: true });
    expect(await fault.revert()).toEqual({ result: 'gone' });
  });
});

describe('a node that is tainted', () => {
  const others = [
    { key: 'gpu', value: 'yes', effect: 'NoExecute' },
    { key: 'disk', value: 'slow', effect: 'NoSchedule' },
  ];

  test('keeps its other taints, and their order', async () => {
    const node = await aNode({ taints: others });
    const before = await seen(node);
    const fault = await new Fault(node, [
      ...tainted('ours'),
      { field: 'taint', key: 'gpu', effect: 'PreferNoSchedule' },
    ]).on();
    expect((await seen(node)).spec.taints).toEqual([
      ...others,
      { key: 'gpu', value: 'ours', effect: 'NoSchedule' },
      { key: 'gpu', effect: 'PreferNoSchedule' },
    ]);
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect(await seen(node)).toEqual(before);
  });

  test('has no list of taints in the end when it had none before', async () => {
    const node = await aNode();
    await (await new Fault(node, tainted()).on()).revert();
    expect((await seen(node)).spec.taints).toBeUndefined();
  });

  test('gets back the value of a taint that was there', async () => {
    const node = await aNode({ taints: [{ key: 'gpu', value: 'theirs', effect: 'NoSchedule' }, ...others] });
    const before = await seen(node);
    const fault = await new Fault(node, tainted('ours')).on();
    expect((await seen(node)).spec.taints[0].value).toBe('ours');
    await fault.revert();
    expect(await seen(node)).toEqual(before);
  });

  test('keeps what somebody else has made of the taint, and what they have added', async () => {
    const node = await aNode({ taints: others });
    const fault = await new Fault(node, tainted('ours')).on();
    const taints = [
      { key: 'gpu', value: 'theirs', effect: 'NoSchedule' },
      { key: 'new', effect: 'NoSchedule' },
      ...others,
    ];
    await patchNode(node, { taints });
    expect(await fault.revert()).toMatchObject({
      conflict: expect.stringContaining("taint gpu:NoSchedule is there with the value 'theirs'"),
    });
    expect(await seen(node)).toMatchObject({ spec: { taints } });
    expect((await seen(node)).annotations).toBeUndefined();
  });
});

describe('an object that another fault holds', () => {
  test('is refused for the same field, naming who holds it', async () => {
    const node = await aNode();
    const first = await new Fault(node, cordoned).on();
    const second = new Fault(node, [...tainted(), ...cordoned], 'ffffffff');
    expect(await second.prepare()).toEqual({
      result: 'refused',
      message: `spec.unschedulable of Node ${node.name} is held by step 'hold' of run shop/lose-one`,
    });
    await first.revert();
    expect(await second.prepare()).toHaveProperty('undo');
  });

  test('is refused also when that began after it was looked at', async () => {
    const node = await aNode();
    const second = new Fault(node, cordoned, 'ffffffff');
    await second.prepare();
    await new Fault(node, cordoned).on();
    expect(await second.apply()).toMatchObject({ result: 'refused' });
  });

  test('can have another field, and both are taken back in any order', async () => {
    const node = await aNode();
    const before = await seen(node);
    const cordon = await new Fault(node, cordoned).on();
    const taint = await new Fault(node, tainted(), 'ffffffff').on();
    await cordon.revert();
    await taint.revert();
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('is refused when nobody can read who holds it', async () => {
    const node = await aNode({}, { 'undo.squall.dev/12345678': 'what?' });
    expect(await new Fault(node, cordoned).prepare()).toMatchObject({
      message: expect.stringContaining('annotation undo.squall.dev/12345678'),
    });
  });
});

describe('a change whose outcome is not known', () => {
  test('is not taken back when it was not made, whatever somebody else did', async () => {
    const node = await aNode();
    const fault = new Fault(node, cordoned);
    await fault.prepare();
    await patchNode(node, { unschedulable: true });
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    const { spec, annotations } = await withoutFollowers(node);
    expect({ unschedulable: spec.unschedulable, annotations }).toEqual({ unschedulable: true });
  });

  test('can not be made any more by a write that was still under way', async () => {
    const node = await aNode();
    const { metadata } = await client.get(nodes, undefined, node.name);
    const fault = new Fault(node, cordoned);
    await fault.prepare();
    await fault.revert();
    const late = client.patch(nodes, undefined, node.name, [], { resourceVersion: metadata.resourceVersion });
    await expect(late).rejects.toMatchObject({ status: 409 });
  });

  test('is taken back by its record when somebody has removed the annotation', async () => {
    const node = await aNode();
    const before = await seen(node);
    const fault = await new Fault(node, cordoned).on();
    await client.patch(nodes, undefined, node.name, { metadata: { annotations: null } });
    await fault.revert();
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('is found again by its annotation when somebody has emptied the record', async () => {
    const node = await aNode();
    const before = await seen(node);
    await new Fault(node, cordoned).on();
    const again = await new Fault(node, cordoned).on();
    await again.revert();
    expect(await withoutFollowers(node)).toEqual(before);
  });
});

describe('a workload that is scaled', () => {
  const to = (wanted: { count: number } | { percent: number }): FieldChange[] => [{ field: 'replicas', to: wanted }];
  const pausing = (wanted: { count: number } | { percent: number }): FieldChange[] => [
    { field: 'autoscalerBounds', to: wanted },
    ...to(wanted),
  ];
  const replicasOf = async (workload: ObjectRef) => (await seen(workload)).spec.replicas;

  test.each([
    [{ percent: 50 }, 3, 1],
    [{ percent: 0 }, 3, 0],
    [{ percent: 200 }, 3, 6],
    [{ count: 0 }, 2, 0],
    [{ count: 4 }, 1, 4],
  ])('to %j of %d has %d, and then as many as before', async (wanted, before, during) => {
    const workload = await aDeployment(before);
    const whole = await seen(workload);
    const fault = await new Fault(workload, to(wanted)).on();
    expect(await replicasOf(workload)).toBe(during);
    await until(async () => (await fault.inspect()).effective, 'the effect');
    const pods = cluster.store.list('pods', 'default').filter(({ metadata }) => metadata.labels?.app === workload.name);
    expect(pods).toHaveLength(during);
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect(await seen(workload)).toEqual(whole);
  });

  test('is left as somebody else scales it meanwhile', async () => {
    const workload = await aDeployment(2);
    const fault = await new Fault(workload, to({ count: 1 })).on();
    await client.patch(deployments, 'default', workload.name, { spec: { replicas: 5 } });
    expect(await fault.inspect()).toMatchObject({ on: false, instead: 'spec.replicas is 5' });
    expect(await fault.revert()).toMatchObject({ conflict: expect.stringContaining('spec.replicas is 5') });
    expect(await replicasOf(workload)).toBe(5);
  });

  test.each([
    [{ count: 1 }, 4],
    [{ count: 0 }, 3],
    [{ count: 9 }, 3],
    [{ count: 2 }, 0],
  ])('to %j past its autoscaler has both as they were before', async (wanted, before) => {
    const workload = await aDeployment(before);
    const autoscaler = await anAutoscaler(workload, { minReplicas: 2, maxReplicas: 5 });
    const whole = [await seen(workload), await seen(autoscaler)];
    const fault = await new Fault(workload, pausing(wanted), '0a1b2c3d', watchedBy(autoscaler)).on();
    await until(async () => (await fault.inspect()).effective, 'the effect');
    expect(await replicasOf(workload)).toBe(wanted.count);
    expect(await fault.inspect()).toMatchObject({ on: true });
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect([await seen(workload), await seen(autoscaler)]).toEqual(whole);
  });

  test('has the bounds of its autoscaler left as somebody else makes them', async () => {
    const workload = await aDeployment(3);
    const autoscaler = await anAutoscaler(workload, { minReplicas: 2, maxReplicas: 5 });
    const fault = await new Fault(workload, pausing({ count: 1 })).on();
    await client.patch(horizontalPodAutoscalers, 'default', autoscaler.name, {
      spec: { minReplicas: 4, maxReplicas: 8 },
    });
    expect(await fault.revert()).toMatchObject({ conflict: expect.stringContaining('is 4 to 8') });
    expect((await seen(autoscaler)).spec).toMatchObject({ minReplicas: 4, maxReplicas: 8 });
  });

  test('needs no autoscaler to be asked to pause it', async () => {
    const workload = await aDeployment(2);
    const whole = await seen(workload);
    const fault = await new Fault(workload, pausing({ count: 1 })).on();
    await fault.revert();
    expect(await seen(workload)).toEqual(whole);
  });
});

describe('a workload that is restarted', () => {
  const restarted: FieldChange[] = [{ field: 'restartedAt' }];
  const timeOf = async (workload: ObjectRef) =>
    (await seen(workload)).spec.template.metadata.annotations?.['kubectl.kubernetes.io/restartedAt'];

  test('makes its pods anew, once', async () => {
    const workload = await aDeployment(2);
    const fault = new Fault(workload, restarted);
    expect(await fault.apply()).toEqual({ result: 'done' });
    const time = await timeOf(workload);
    expect(Date.parse(time)).not.toBeNaN();
    await until(async () => (await fault.inspect()).effective, 'new pods');
    await fault.apply();
    expect(await timeOf(workload)).toBe(time);
    await new Fault(workload, restarted, 'ffffffff').apply();
    expect(await timeOf(workload)).not.toBe(time);
    expect(await fault.inspect()).toMatchObject({ on: false });
  });

  test('is refused while it is paused, for nothing would come of it', async () => {
    const workload = await aDeployment(1, { paused: true });
    expect(await new Fault(workload, restarted).apply()).toMatchObject({
      result: 'refused',
      message: expect.stringContaining('is paused'),
    });
  });
});
