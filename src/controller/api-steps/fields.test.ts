import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Json } from '../../kubernetes/resource.js';
import { applyJsonPatch } from '../../sandbox/patch/json-patch.js';
import { heldField, holdingOf, type LastingChange, restoring, taking } from './fields.js';
import { patchOf } from './json-path.js';
import { markPlace, markText } from './undo-record.js';

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;
const taint = fc.record(
  { key: fc.constantFrom('gpu', 'disk'), effect: fc.constantFrom(...effects), value: fc.constantFrom('a', 'b', '') },
  { requiredKeys: ['key', 'effect'] },
);
const taints = fc.uniqueArray(taint, { selector: ({ key, effect }) => `${key}:${effect}`, minLength: 1, maxLength: 5 });
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** A node as the API server stores it: what is empty is not there. */
const node = fc
  .record({
    annotations: some(fc.dictionary(fc.constantFrom('a', 'b/c', 'd~e'), fc.string(), { minKeys: 1 })),
    unschedulable: some(fc.constant(true)),
    taints: some(taints),
  })
  .map(({ annotations, unschedulable, taints: listed }) => ({
    metadata: { name: 'n1', ...(annotations && { annotations: { ...annotations } }) },
    spec: { ...(unschedulable && { unschedulable }), ...(listed && { taints: listed }) },
  }));

const changes = fc
  .record({ cordon: fc.boolean(), taints })
  .map(({ cordon, taints: wanted }): LastingChange[] => [
    ...(cordon ? [{ field: 'unschedulable' as const, to: true }] : []),
    ...wanted.map((each) => ({ field: 'taint' as const, ...each })),
  ]);

/** As it comes over the network. */
const plain = (value: Json): Json => JSON.parse(JSON.stringify(value));

function put(object: Json, wanted: LastingChange[]) {
  const fields = wanted.map((change) => heldField(change, object, 0));
  const record = markText('test', { object: { kind: 'Node', namespace: '', name: 'n1', uid: 'u' }, fields });
  const patch = patchOf(object, [...fields.map(taking), () => [[markPlace('0a1b2c3d'), record]]]);
  return { fields, after: plain(applyJsonPatch(plain(object), plain(patch))) };
}

function back(object: Json, fields: ReturnType<typeof put>['fields']): Json {
  const ours = fields.filter((field) => holdingOf(field, object) === 'ours');
  const patch = patchOf(object, [...ours.map(restoring), () => [[markPlace('0a1b2c3d'), undefined]]]);
  return plain(applyJsonPatch(plain(object), plain(patch)));
}

describe('a change of fields', () => {
  test('is there when it was made, and the object is exactly as before when it is taken back', () => {
    fc.assert(
      fc.property(node, changes, (before, wanted) => {
        const { fields, after } = put(before, wanted);
        expect(fields.map((field) => holdingOf(field, after))).toEqual(fields.map(() => 'ours'));
        expect(back(after, fields)).toEqual(plain(before));
      }),
    );
  });

  test('is taken back beside whatever others have done to the rest', () => {
    fc.assert(
      fc.property(node, changes, fc.constantFrom('x', 'y'), (before, wanted, key) => {
        const { fields, after } = put(before, wanted);
        const theirs = { key, effect: 'NoSchedule', value: 'theirs' };
        const meddled = {
          ...after,
          metadata: { ...after.metadata, labels: { theirs: 'yes' } },
          spec: { ...after.spec, podCIDR: '10.0.0.0/24', taints: [theirs, ...(after.spec.taints ?? [])] },
        };
        const { metadata, spec } = back(meddled, fields);
        expect(metadata).toEqual({ ...before.metadata, labels: { theirs: 'yes' } });
        expect(spec).toEqual({
          ...before.spec,
          podCIDR: '10.0.0.0/24',
          taints: [theirs, ...(before.spec.taints ?? [])],
        });
      }),
    );
  });

  test('leaves a taint alone that means the same already', () => {
    const before = { metadata: {}, spec: { taints: [{ key: 'gpu', effect: 'NoExecute', timeAdded: 'then' }] } };
    const { after } = put(before, [{ field: 'taint', key: 'gpu', effect: 'NoExecute', value: '' }]);
    expect(after.spec).toEqual(before.spec);
  });
});
