import { describe, expect, test } from '@jest/globals';
import { nodeMark } from '../api/node-mark.js';
import { aPod, aRun, aStep, killFacts, slowFacts } from '../testing/builders.js';
import { injectionName, injectionsFor } from './naming.js';

/** RFC 1123 subdomain, as an API server checks the names of objects. */
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const longest = 'a'.repeat(63);
const nodes = [
  'n1',
  'ip-10-0-0-1.eu-central-1.compute.internal',
  `${'a'.repeat(40)}.${'b'.repeat(60)}.${'c'.repeat(60)}`,
  `${'a'.repeat(41)}.${'b'.repeat(60)}`,
  Array.from({ length: 63 }, () => 'abc').join('.'),
];

describe('the name of an injection', () => {
  test.each(nodes)('is valid on node %s', (node) => {
    const run = aRun({ metadata: { name: longest } });
    const name = injectionName(run, 's'.repeat(40), { round: 99_999, part: 99_999, node });
    expect(name).toMatch(subdomain);
    expect(name.length).toBeLessThanOrEqual(253);
    expect(`squall-agent-${nodeMark(node)}`).toMatch(subdomain);
    expect(nodeMark(node).length).toBeLessThanOrEqual(50);
  });

  test('tells nodes, rounds, parts and runs apart', () => {
    const name = (uid: string, round: number, part: number, node?: string) =>
      injectionName(aRun({ metadata: { uid } }), 'slow', { round, part, ...(node && { node }) });
    const all = [
      name('a', 0, 0),
      name('b', 0, 0),
      name('a', 1, 0),
      name('a', 0, 1),
      name('a', 0, 0, 'n1'),
      name('a', 0, 0, 'n2'),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('the injections of a round', () => {
  const pods = ['a', 'b', 'c'].map((name, index) => aPod(name, { node: `n${index % 2}` }));

  test('of an agent hold the targets of one node each', () => {
    const step = aStep('slow', { fault: 'slow', duration: '1m', onDrift: 'End' });
    const carried = pods.map((pod) => ({ pod, agent: 'Node' as const, bootId: 'boot-1' }));
    const made = injectionsFor(aRun(), step, slowFacts, 2, carried).map(({ spec }) => spec);
    expect(made.map(({ node, targets }) => [node, targets.map(({ name }) => name)])).toEqual([
      ['n0', ['a', 'c']],
      ['n1', ['b']],
    ]);
    expect(made[0]).toMatchObject({
      agent: 'Node',
      bootId: 'boot-1',
      duration: '1m',
      onDrift: 'End',
      slow: {},
      round: 2,
      parts: 2,
    });
  });

  test('keep those that sidecars carry apart from those of the node agent', () => {
    const carried = [
      { pod: aPod('a'), agent: 'Node' as const },
      { pod: aPod('b'), agent: 'Sidecar' as const },
      { pod: aPod('c'), agent: 'Sidecar' as const },
    ];
    const made = injectionsFor(aRun(), aStep('slow', { fault: 'slow', duration: '1m' }), slowFacts, 0, carried);
    expect(made.map(({ spec }) => [spec.agent, spec.targets.length])).toEqual([
      ['Node', 1],
      ['Sidecar', 2],
    ]);
    expect(new Set(made.map(({ name }) => name)).size).toBe(2);
  });

  test('of the controller do not care for nodes', () => {
    const made = injectionsFor(
      aRun(),
      aStep('kill', { duration: '1m' }),
      killFacts,
      0,
      pods.map((pod) => ({ pod })),
    );
    expect(made).toHaveLength(1);
    expect(made[0]?.name).toMatch(/^lose-one-kill-api-0-0-/);
    expect(Object.keys(made[0]?.spec ?? {})).not.toEqual(expect.arrayContaining(['agent']));
    expect(made[0]?.spec).not.toHaveProperty('duration');
  });
});
