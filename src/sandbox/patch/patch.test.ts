import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyJsonPatch } from './json-patch.js';
import { applyMergePatch } from './merge.js';
import { applyStrategicMergePatch } from './strategic-merge.js';

describe('a merge patch', () => {
  test.each([
    // The examples of RFC 7386, appendix A.
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('turns %j with %j into %j', (target, patch, expected) => {
    expect(applyMergePatch(target, patch)).toEqual(expected);
  });

  test('does the same when it is applied twice, and never touches its input', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
        const before = JSON.stringify(target);
        const once = applyMergePatch(target, patch);
        expect(JSON.stringify(applyMergePatch(once, patch))).toBe(JSON.stringify(once));
        expect(JSON.stringify(target)).toBe(before);
      }),
    );
  });
});

describe('a JSON patch', () => {
  test('adds, removes, replaces, moves, copies and tests on a copy', () => {
    const target = { a: [1, 2], b: { c: 'd' } };
    const patch = [
      { op: 'test', path: '/b/c', value: 'd' },
      { op: 'add', path: '/a/-', value: 3 },
      { op: 'remove', path: '/a/0' },
      { op: 'replace', path: '/b/c', value: 'e' },
      { op: 'copy', from: '/b', path: '/f' },
      { op: 'move', from: '/b/c', path: '/g' },
    ];
    expect(applyJsonPatch(target, patch)).toEqual({ a: [2, 3], b: {}, f: { c: 'e' }, g: 'e' });
    expect(target).toEqual({ a: [1, 2], b: { c: 'd' } });
  });

  test.each([
    ['a failed test', [{ op: 'test', path: '/a', value: 2 }], 422],
    ['a path that leads nowhere', [{ op: 'remove', path: '/x/y' }], 422],
    ['an unknown operation', [{ op: 'increase', path: '/a' }], 400],
    ['a path that is no pointer', [{ op: 'add', path: 'a', value: 1 }], 400],
    ['an object', { op: 'add' }, 400],
    ['an operation that is none', [null], 400],
    ['too many operations', Array(10_001).fill({ op: 'test', path: '/a', value: 1 }), 413],
  ])('is refused for %s', (_what, patch, code) => {
    expect(() => applyJsonPatch({ a: 1 }, patch)).toThrow(expect.objectContaining({ code }));
  });

  test('does not reach the prototype of objects', () => {
    try {
      applyJsonPatch({}, [{ op: 'add', path: '/__proto__/polluted', value: true }]);
    } catch {
      // Refusing is as good as ignoring.
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('a strategic merge patch', () => {
  const pod = {
    metadata: { finalizers: ['a', 'b'], labels: { x: '1' } },
    spec: {
      containers: [
        { name: 'main', image: 'one', env: [{ name: 'A', value: '1' }], args: ['x'] },
        { name: 'side', image: 'two' },
      ],
      tolerations: [{ key: 'a' }],
      nodeSelector: { disk: 'ssd' },
    },
  };
  const patched = (patch: object) => applyStrategicMergePatch('Pod', pod, patch);

  test('merges lists by their key, within each other too, and replaces the others', () => {
    const env = [{ name: 'B', value: '2' }];
    const { spec } = patched({
      spec: { containers: [{ name: 'main', env, args: ['y'] }], tolerations: [{ key: 'b' }] },
    });
    expect(spec.containers[0]).toEqual({
      name: 'main',
      image: 'one',
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
      args: ['y'],
    });
    expect(spec.containers[1]).toEqual({ name: 'side', image: 'two' });
    expect(spec.tolerations).toEqual([{ key: 'b' }]);
  });

  test('deletes an item, replaces a list or a map, and keeps only some members, as directives say', () => {
    const removed = patched({ spec: { containers: [{ name: 'side', $patch: 'delete' }] } });
    expect(removed.spec.containers.map(({ name }: { name: string }) => name)).toEqual(['main']);
    const replaced = patched({ spec: { containers: [{ $patch: 'replace' }, { name: 'new', image: 'three' }] } });
    expect(replaced.spec.containers).toEqual([{ name: 'new', image: 'three' }]);
    const map = patched({ spec: { nodeSelector: { $patch: 'replace', zone: 'a' } } });
    expect(map.spec.nodeSelector).toEqual({ zone: 'a' });
    const retained = patched({ spec: { $retainKeys: ['containers'] } });
    expect(Object.keys(retained.spec)).toEqual(['containers']);
  });

  test('unites sets and takes scalars out of them', () => {
    expect(patched({ metadata: { finalizers: ['b', 'c'] } }).metadata.finalizers).toEqual(['a', 'b', 'c']);
    const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } };
    expect(patched(patch).metadata.finalizers).toEqual(['b']);
  });

  test('puts items in the order asked for, new ones included', () => {
    const order = [{ name: 'new' }, { name: 'side' }, { name: 'main' }];
    const patch = { spec: { '$setElementOrder/containers': order, containers: [{ name: 'new', image: 'three' }] } };
    expect(patched(patch).spec.containers.map(({ name }: { name: string }) => name)).toEqual(['new', 'side', 'main']);
    const untouched = { spec: { '$setElementOrder/containers': [{ name: 'side' }, { name: 'main' }] } };
    expect(patched(untouched).spec.containers[0].name).toBe('side');
  });

  test('removes members with null and replaces the selector of a budget whole', () => {
    expect(patched({ metadata: { labels: { x: null } } }).metadata.labels).toEqual({});
    const budget = { spec: { selector: { matchLabels: { a: '1' } } } };
    const patch = { spec: { selector: { matchLabels: { b: '2' } } } };
    const { spec } = applyStrategicMergePatch('PodDisruptionBudget', budget, patch);
    expect(spec.selector).toEqual({ matchLabels: { b: '2' } });
  });

  test('is refused when an item lacks its key, or when it is no object', () => {
    expect(() => patched({ spec: { containers: [{ image: 'x' }] } })).toThrow('merge key: name');
    expect(() => applyStrategicMergePatch('Pod', pod, [])).toThrow(expect.objectContaining({ code: 400 }));
  });
});
