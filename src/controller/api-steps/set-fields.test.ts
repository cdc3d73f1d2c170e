import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { FieldChange, ObjectRef } from '../../faults/step.js';
import { type Json, nodes } from '../../kubernetes/resource.js';
import { FieldsBench } from '../../testing/held-fields.js';
import { until } from '../../testing/scripted-server.js';

let bench: FieldsBench;

beforeAll(async () => {
  bench = await FieldsBench.open();
});

afterAll(() => bench?.close());

const cordoned: FieldChange[] = [{ field: 'unschedulable', to: true }];
const tainted = (value?: string): FieldChange[] => [
  { field: 'taint', key: 'gpu', effect: 'NoSchedule', ...(value !== undefined && { value }) },
];
const patchNode = ({ name }: ObjectRef, spec: Json) => bench.client.patch(nodes, undefined, name, { spec });
const NEVER_SET = 'node.kubernetes.io/unschedulable';

/** The taint that Kubernetes adds to cordoned nodes follows a little later. */
async function withoutFollowers(node: ObjectRef): Promise<Json> {
  const look = async () => bench.seen(node);
  await until(async () => {
    const { spec } = await look();
    const follows = (spec.taints ?? []).some(({ key }: Json) => key === NEVER_SET);
    return follows === (spec.unschedulable === true);
  }, 'the node controller');
  return look();
}

describe('a node that is cordoned', () => {
  test('takes no new pods, and is as it was before', async () => {
    const node = await bench.node({}, { 'example.com/note': 'kept' });
    const before = await bench.seen(node);
    const fault = await bench.held(node, cordoned);
    expect(await fault.inspect()).toMatchObject({ on: true, effective: true });
    const during = await bench.seen(node);
    expect(during.spec.unschedulable).toBe(true);
    expect(JSON.parse(during.annotations['undo.squall.dev/0a1b2c3d'])).toEqual({
      by: "step 'hold' of run shop/lose-one",
      fields: [{ field: 'spec.unschedulable', ours: true }],
    });
    expect(await fault.revert()).toEqual({ result: 'done', effective: true });
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('stays cordoned when it was so before', async () => {
    const node = await bench.node({ unschedulable: true });
    const before = await withoutFollowers(node);
    const fault = await bench.held(node, cordoned);
    await fault.revert();
    expect(await withoutFollowers(node)).toEqual(before);
    expect(before.spec.unschedulable).toBe(true);
  });

  test('is changed and marked in one write, also when that is asked for twice', async () => {
    const node = await bench.node();
    const versions: string[] = [];
    const unsubscribe = bench.cluster.store.subscribe('nodes', ({ object: { metadata, spec } }) => {
      if (metadata.name !== node.name) return;
      const isMarked = metadata.annotations?.['undo.squall.dev/0a1b2c3d'] !== undefined;
      versions.push(`${spec.unschedulable ?? false} ${isMarked}`);
    });
    const fault = await bench.held(node, cordoned);
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
    const node = await bench.node();
    const before = await bench.seen(node);
    const fault = await bench.held(node, cordoned);
    await patchNode(node, { unschedulable: null });
    expect(await fault.inspect()).toMatchObject({ on: false, instead: 'spec.unschedulable is not set' });
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('is not cordoned again when it was so before and somebody has uncordoned it', async () => {
    const node = await bench.node({ unschedulable: true });
    const fault = await bench.held(node, cordoned);
    await patchNode(node, { unschedulable: null });
    expect(await fault.revert()).toEqual({
      result: 'done',
      conflict: `spec.unschedulable is not set on Node ${node.name}, which somebody else has changed: it was left so`,
    });
    expect((await withoutFollowers(node)).spec.unschedulable).toBeUndefined();
  });

  test('is prepared anew when somebody cordons it in between', async () => {
    const node = await bench.node();
    const fault = bench.fault(node, cordoned);
    await fault.prepare();
    await patchNode(node, { unschedulable: true });
    expect(await fault.apply()).toEqual({ result: 'changed' });
    expect((await bench.seen(node)).annotations).toBeUndefined();
    await fault.prepare();
    expect(await fault.apply()).toEqual({ result: 'done' });
    await fault.revert();
    expect((await bench.seen(node)).spec.unschedulable).toBe(true);
  });

  test('is not touched once nothing more may be hit, and taken back all the same', async () => {
    const node = await bench.node();
    const before = await bench.seen(node);
    const fault = bench.fault(node, cordoned);
    fault.permitted = false;
    await fault.prepare();
    await expect(fault.apply()).rejects.toThrow('halted');
    expect(await bench.seen(node)).toEqual(before);
    fault.permitted = true;
    await fault.apply();
    fault.permitted = false;
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('is never another one of the same name', async () => {
    const node = await bench.node();
    const fault = await bench.held(node, cordoned);
    const other = bench.fault({ ...node, uid: 'of-the-one-before' }, cordoned);
    expect(await other.prepare()).toEqual({ result: 'gone' });
    await bench.client.delete(nodes, undefined, node.name);
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
    const node = await bench.node({ taints: others });
    const before = await bench.seen(node);
    const fault = await bench.held(node, [
      ...tainted('ours'),
      { field: 'taint', key: 'gpu', effect: 'PreferNoSchedule' },
    ]);
    expect((await bench.seen(node)).spec.taints).toEqual([
      ...others,
      { key: 'gpu', value: 'ours', effect: 'NoSchedule' },
      { key: 'gpu', effect: 'PreferNoSchedule' },
    ]);
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    expect(await bench.seen(node)).toEqual(before);
  });

  test('has no list of taints in the end when it had none before', async () => {
    const node = await bench.node();
    await (await bench.held(node, tainted())).revert();
    expect((await bench.seen(node)).spec.taints).toBeUndefined();
  });

  test('gets back the value of a taint that was there', async () => {
    const node = await bench.node({ taints: [{ key: 'gpu', value: 'theirs', effect: 'NoSchedule' }, ...others] });
    const before = await bench.seen(node);
    const fault = await bench.held(node, tainted('ours'));
    expect((await bench.seen(node)).spec.taints[0].value).toBe('ours');
    await fault.revert();
    expect(await bench.seen(node)).toEqual(before);
  });

  test('keeps what somebody else has made of the taint, and what they have added', async () => {
    const node = await bench.node({ taints: others });
    const fault = await bench.held(node, tainted('ours'));
    const taints = [
      { key: 'gpu', value: 'theirs', effect: 'NoSchedule' },
      { key: 'new', effect: 'NoSchedule' },
      ...others,
    ];
    await patchNode(node, { taints });
    expect(await fault.revert()).toMatchObject({
      conflict: expect.stringContaining("taint gpu:NoSchedule is there with the value 'theirs'"),
    });
    expect(await bench.seen(node)).toMatchObject({ spec: { taints } });
    expect((await bench.seen(node)).annotations).toBeUndefined();
  });
});

describe('an object that another fault holds', () => {
  test('is refused for the same field, naming who holds it', async () => {
    const node = await bench.node();
    const first = await bench.held(node, cordoned);
    const second = bench.fault(node, [...tainted(), ...cordoned], { mark: 'ffffffff' });
    expect(await second.prepare()).toEqual({
      result: 'refused',
      message: `spec.unschedulable of Node ${node.name} is held by step 'hold' of run shop/lose-one`,
    });
    await first.revert();
    expect(await second.prepare()).toHaveProperty('undo');
  });

  test('is refused also when that began after it was looked at', async () => {
    const node = await bench.node();
    const second = bench.fault(node, cordoned, { mark: 'ffffffff' });
    await second.prepare();
    await bench.held(node, cordoned);
    expect(await second.apply()).toMatchObject({ result: 'refused' });
  });

  test('can have another field, and both are taken back in any order', async () => {
    const node = await bench.node();
    const before = await bench.seen(node);
    const cordon = await bench.held(node, cordoned);
    const taint = await bench.held(node, tainted(), { mark: 'ffffffff' });
    await cordon.revert();
    await taint.revert();
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('is refused when nobody can read who holds it', async () => {
    const node = await bench.node({}, { 'undo.squall.dev/12345678': 'what?' });
    expect(await bench.fault(node, cordoned).prepare()).toMatchObject({
      message: expect.stringContaining('annotation undo.squall.dev/12345678'),
    });
  });
});

describe('a change whose outcome is not known', () => {
  test('is not taken back when it was not made, whatever somebody else did', async () => {
    const node = await bench.node();
    const fault = bench.fault(node, cordoned);
    await fault.prepare();
    await patchNode(node, { unschedulable: true });
    expect(await fault.revert()).toMatchObject({ result: 'done' });
    const { spec, annotations } = await withoutFollowers(node);
    expect({ unschedulable: spec.unschedulable, annotations }).toEqual({ unschedulable: true });
  });

  test('can not be made any more by a write that was still under way', async () => {
    const node = await bench.node();
    const { metadata } = await bench.client.get(nodes, undefined, node.name);
    const fault = bench.fault(node, cordoned);
    await fault.prepare();
    await fault.revert();
    const late = bench.client.patch(nodes, undefined, node.name, [], { resourceVersion: metadata.resourceVersion });
    await expect(late).rejects.toMatchObject({ status: 409 });
  });

  test('is taken back by its record when somebody has removed the annotation', async () => {
    const node = await bench.node();
    const before = await bench.seen(node);
    const fault = await bench.held(node, cordoned);
    await bench.client.patch(nodes, undefined, node.name, { metadata: { annotations: null } });
    await fault.revert();
    expect(await withoutFollowers(node)).toEqual(before);
  });

  test('is found again by its annotation when somebody has emptied the record', async () => {
    const node = await bench.node();
    const before = await bench.seen(node);
    await bench.held(node, cordoned);
    const again = await bench.held(node, cordoned);
    await again.revert();
    expect(await withoutFollowers(node)).toEqual(before);
  });
});
