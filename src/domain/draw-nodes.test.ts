import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Targets } from '../api/targets.js';
import { aPod, START } from '../testing/builders.js';
import { draw, funnel, removedWords } from './draw.js';
import type { OtherNodes } from './last-ready.js';
import type { Candidate } from './observed.js';

const drainFacts = { by: 'ApiServer', removesPods: false } as const;
const all: Targets = { nodes: { selector: { matchLabels: { pool: 'blue' } } }, percent: 100 };

function aNode(name: string, overrides: Partial<Candidate> = {}): Candidate {
  return { ...aPod(name, { kind: 'Node', namespace: '', node: name }), ...overrides };
}

function drawn(
  nodes: Candidate[],
  targets: Targets,
  { seed = 1, ...others }: Partial<OtherNodes> & { seed?: number } = {},
) {
  const known = { spares: [], held: new Set<string>(), ...others };
  const result = draw(nodes, targets, { seed, key: 'drain', now: START, fault: drainFacts, nodes: known });
  return { ...result, names: result.order.slice(0, result.chosen).map(({ name }) => name) };
}

const three = () => [aNode('a'), aNode('b'), aNode('c')];

describe('a draw of nodes', () => {
  test('takes all of them when another one is Ready', () => {
    expect(drawn(three(), all, { spares: ['other'] }).names.sort()).toEqual(['a', 'b', 'c']);
  });

  test('leaves one when no other is Ready, and says so', () => {
    const result = drawn(three(), all);
    expect(result.names).toHaveLength(2);
    expect(result.removed.lastReady).toBe(1);
    expect(removedWords(result.removed)).toBe('1 kept so that a Ready node is left');
  });

  test('says nothing of the one that is left while it makes no difference', () => {
    const result = drawn(three(), { ...all, percent: 50 });
    expect([result.chosen, result.candidates, result.removed.lastReady]).toEqual([1, 3, undefined]);
    expect(drawn(three(), all).candidates).toBe(2);
  });

  test('takes nothing of a cluster of one node', () => {
    const result = drawn([aNode('only')], all);
    expect(result.chosen).toBe(0);
    expect(funnel({ ...result, candidates: 0 })).toBe('0 of 1: 1 kept so that a Ready node is left');
  });

  test('takes the last one when it is named', () => {
    expect(drawn([aNode('only')], { nodes: { names: ['only'] } }).names).toEqual(['only']);
  });

  const notLeft: [string, Partial<Candidate>][] = [
    ['cordoned', { unschedulable: true }],
    ['not Ready', { ready: false }],
    ['going', { terminating: true }],
    ['held by another run', { obstacle: 'inUse' }],
  ];
  test.each(notLeft)('does not count one that is %s as left', (_, overrides) => {
    const result = drawn([aNode('a'), aNode('odd', overrides)], all);
    expect(result.names).not.toContain('a');
    expect(result.removed.lastReady).toBe(1);
  });

  test('counts one that is left out for other reasons as left', () => {
    expect(drawn([aNode('a'), aNode('b', { protected: true })], all).names).toEqual(['a']);
  });

  test('counts neither candidates nor spares that runs hold as left', () => {
    expect(drawn([aNode('a')], all, { spares: ['b'], held: new Set(['b']) }).names).toEqual([]);
    expect(drawn([aNode('a'), aNode('b')], all, { held: new Set(['b']) }).names).toEqual(['b']);
  });

  test('does not count a spare that has become a candidate twice', () => {
    expect(drawn([aNode('a'), aNode('b')], all, { spares: ['b'] }).names).toHaveLength(1);
  });

  test('keeps the same one however the draw goes on', () => {
    const nodes = ['a', 'b', 'c', 'd'].map((name) => aNode(name));
    fc.assert(
      fc.property(fc.nat(), fc.subarray(nodes), (seed, gone) => {
        const before = drawn(nodes, all, { seed });
        const kept = nodes.find(({ name }) => !before.names.includes(name))?.name;
        const after = drawn(
          nodes.filter((node) => node.name === kept || !gone.includes(node)),
          all,
          { seed },
        );
        expect(after.names).not.toContain(kept);
      }),
    );
  });

  const reserved: [keyof typeof words, string][] = [
    ['controlPlane', '1 of the control plane and not named'],
    ['controllerNode', '1 where the controller runs and not named'],
  ];
  const words = { controlPlane: '', controllerNode: '' };
  test.each(reserved)('leaves out the %s unless it is named', (name, said) => {
    const result = drawn([aNode('a'), aNode('b', { reserved: name })], all);
    expect(result.names).toEqual(['a']);
    expect(removedWords(result.removed)).toBe(said);
    expect(drawn([aNode('b', { reserved: name })], { nodes: { names: ['b'] } }).names).toEqual(['b']);
  });
});

describe('a draw of zones', () => {
  const zoned = ['z1', 'z2', 'z3'].flatMap((zone) => [1, 2].map((index) => aNode(`${zone}-${index}`, { zone })));
  const zonesOf = (names: readonly string[]) => new Set(names.map((name) => name.slice(0, 2)));

  test('takes all nodes of one zone when nothing is said', () => {
    const { names, chosen } = drawn(zoned, { zones: {} });
    expect(chosen).toBe(2);
    expect(zonesOf(names).size).toBe(1);
  });

  test('counts zones, not nodes', () => {
    expect(zonesOf(drawn(zoned, { zones: {}, count: 2 }).names).size).toBe(2);
    expect(zonesOf(drawn(zoned, { zones: {}, percent: 67 }).names).size).toBe(2);
    expect(drawn(zoned, { zones: {}, percent: 50 }).names).toHaveLength(2);
  });

  test('leaves out the one that is kept without making a share smaller', () => {
    const four = ['a', 'b', 'c', 'd'].map((name) => aNode(name));
    expect(drawn(four, { ...all, percent: 50 }).names).toHaveLength(2);
  });

  test('leaves one zone when all are asked for and there is nothing else', () => {
    const result = drawn(zoned, { zones: {}, percent: 100 });
    expect(zonesOf(result.names).size).toBe(2);
    expect(result.removed.lastReady).toBe(2);
  });

  test('depends on the seed and on the name of the zone, and not on which nodes it has', () => {
    const replaced = zoned.map((node) => ({ ...node, uid: `new-${node.uid}` }));
    const zonesBySeed = Array.from({ length: 20 }, (_, seed) => {
      const [zone] = zonesOf(drawn(zoned, { zones: {} }, { seed }).names);
      expect(zonesOf(drawn(replaced, { zones: {} }, { seed }).names)).toEqual(new Set([zone]));
      return zone;
    });
    expect(new Set(zonesBySeed).size).toBe(3);
  });

  test('leaves nodes of the control plane and of the controller in it alone, also when the zone is named', () => {
    const nodes = zoned.map((node) => (node.name === 'z1-1' ? { ...node, reserved: 'controllerNode' as const } : node));
    const result = drawn(nodes, { zones: { names: ['z1'] } });
    expect(drawn(nodes.slice(0, 2), { zones: { names: ['z1'] } }).names).toEqual(['z1-2']);
    expect(result.removed.controllerNode).toBe(1);
  });
});
