import { describe, expect, test } from '@jest/globals';
import { aNodeView, aPlacing, aPodView } from '../../testing/plan-views.js';
import type { NodeView, Placing, PodView } from './cluster.js';
import { Occupation } from './occupation.js';
import { place } from './placement.js';

const hostname = 'kubernetes.io/hostname';
const zone = 'topology.kubernetes.io/zone';
const web = { matchLabels: { app: 'web' } };

interface World {
  nodes?: NodeView[];
  pods?: PodView[];
  namespaces?: Record<string, Record<string, string>>;
}

function placed(placing: Partial<Placing>, { nodes, pods = [], namespaces = {} }: World = {}, count = 1) {
  const known = nodes ?? ['n1', 'n2', 'n3'].map((name) => aNodeView(name));
  const newcomers = Array.from({ length: count }, (_, index) =>
    aPodView(`new-${index}`, { placing: aPlacing({ requests: { cpu: 1 }, ...placing }) }),
  );
  const [found] = place(newcomers, new Occupation(known, pods, new Map(Object.entries(namespaces))));
  return found;
}

describe('a new pod finds a node', () => {
  test('as long as what it asks for is left there', () => {
    const pods = ['n1', 'n2', 'n3'].map((node) =>
      aPodView(node, { node, placing: aPlacing({ requests: { cpu: 3.1 } }) }),
    );
    expect(placed({}, { pods })).toMatchObject({ placed: 0, reason: '0/3 nodes: 3 insufficient cpu' });
    expect(placed({ requests: { cpu: 0.9 } }, { pods })).toMatchObject({ placed: 1 });
    expect(placed({ requests: { 'example.com/gpu': 1 } })).toMatchObject({
      reason: '0/3 nodes: 3 insufficient example.com/gpu',
    });
  });

  test('that each of several leaves less room on', () => {
    expect(placed({}, {}, 13)).toMatchObject({ wanted: 13, placed: 12, reason: '0/3 nodes: 3 insufficient cpu' });
    const nodes = [aNodeView('n1', { allocatable: { cpu: 100, pods: 2 } })];
    expect(placed({}, { nodes }, 3)).toMatchObject({ placed: 2, reason: '0/1 nodes: 1 too many pods' });
  });

  test('where it is not cordoned, tainted, or not Ready', () => {
    const nodes = [
      aNodeView('n1', { unschedulable: true }),
      aNodeView('n2', { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] }),
      aNodeView('n3', { ready: false }),
      aNodeView('n4', { taints: [{ key: 'gpu', effect: 'PreferNoSchedule' }], allocatable: { cpu: 0, pods: 9 } }),
    ];
    expect(placed({}, { nodes })?.reason).toBe(
      '0/4 nodes: 1 insufficient cpu, 1 not Ready, 1 unschedulable, 1 untolerated taint',
    );
  });

  test.each<[string, Placing['tolerations'], number]>([
    ['the taint', [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }], 1],
    ['the key, whatever its value', [{ key: 'gpu', operator: 'Exists' }], 1],
    ['everything', [{ operator: 'Exists' }], 1],
    ['another value', [{ key: 'gpu', value: 'no' }], 0],
    ['another effect', [{ key: 'gpu', operator: 'Exists', effect: 'NoExecute' }], 0],
    ['nothing, for a toleration without a key must say Exists', [{ value: 'yes' }], 0],
  ])('with a toleration for %s', (_words, tolerations, expected) => {
    const nodes = [aNodeView('n1', { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] })];
    expect(placed({ tolerations }, { nodes })?.placed).toBe(expected);
  });

  test.each<[string, Partial<Placing>, number]>([
    ['a node selector that matches', { nodeSelector: { [zone]: 'z2' } }, 1],
    ['a node selector that matches none', { nodeSelector: { [zone]: 'z9' } }, 0],
    [
      'one of several terms',
      { nodeTerms: [{}, { matchExpressions: [{ key: zone, operator: 'In', values: ['z3'] }] }] },
      1,
    ],
    ['a term that is empty, which matches nothing', { nodeTerms: [{}] }, 0],
    [
      'a field of the node',
      { nodeTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }] },
      1,
    ],
    [
      'a label that is greater',
      { nodeTerms: [{ matchExpressions: [{ key: 'size', operator: 'Gt', values: ['3'] }] }] },
      1,
    ],
    [
      'a label that is less',
      { nodeTerms: [{ matchExpressions: [{ key: 'size', operator: 'Lt', values: ['3'] }] }] },
      0,
    ],
  ])('by %s', (_words, placing, expected) => {
    const nodes = ['n1', 'n2', 'n3'].map((name) =>
      aNodeView(name, { labels: { [zone]: `z${name.slice(1)}`, size: '4' } }),
    );
    expect(placed(placing, { nodes })?.placed).toBe(expected);
  });

  test('away from those it must not be with, also where only they say so', () => {
    const antiAffinity = [{ topologyKey: hostname, labelSelector: web }];
    const pods = ['n1', 'n2'].map((node) => aPodView(node, { node }));
    expect(placed({ antiAffinity }, { pods }, 2)).toMatchObject({
      placed: 1,
      reason: '0/3 nodes: 3 pod anti-affinity',
    });
    const hermits = ['n1', 'n2', 'n3'].map((node) => aPodView(node, { node, placing: aPlacing({ antiAffinity }) }));
    expect(placed({}, { pods: hermits })).toMatchObject({ placed: 0, reason: '0/3 nodes: 3 pod anti-affinity' });
  });

  test('whatever is in other namespaces, unless the rule is about them', () => {
    const pods = ['n1', 'n2', 'n3'].map((node) => aPodView(node, { node, namespace: 'mail' }));
    const term = { topologyKey: hostname, labelSelector: web };
    expect(placed({ antiAffinity: [term] }, { pods })?.placed).toBe(1);
    expect(placed({ antiAffinity: [{ ...term, namespaces: ['mail'] }] }, { pods })?.placed).toBe(0);
    const namespaces = { mail: { team: 'a' }, shop: {} };
    const ofTeam = (team: string) => ({ ...term, namespaceSelector: { matchLabels: { team } } });
    expect(placed({ antiAffinity: [ofTeam('a')] }, { pods, namespaces })?.placed).toBe(0);
    expect(placed({ antiAffinity: [ofTeam('b')] }, { pods, namespaces })?.placed).toBe(1);
  });

  test('beside those it must be with, and anywhere when it is the first of its kind', () => {
    const cache = { topologyKey: zone, labelSelector: { matchLabels: { app: 'cache' } } };
    expect(placed({ affinity: [cache] })).toMatchObject({ placed: 0, reason: '0/3 nodes: 3 pod affinity' });
    const pods = [aPodView('c', { node: 'n2', labels: { app: 'cache' } })];
    expect(placed({ affinity: [cache] }, { pods })?.placed).toBe(1);
    expect(placed({ affinity: [{ topologyKey: zone, labelSelector: web }] })?.placed).toBe(1);
  });

  test('as evenly spread as it must be over the nodes that it may go to', () => {
    const spread = [{ topologyKey: zone, maxSkew: 1, labelSelector: web }];
    const closed = ['n1', 'n2', 'n3'].map((name) => aNodeView(name, { unschedulable: name === 'n3' }));
    const pods = ['n1', 'n2'].map((node) => aPodView(node, { node }));
    expect(placed({ spread }, { nodes: closed, pods })).toMatchObject({
      placed: 0,
      reason: '0/3 nodes: 2 topology spread, 1 unschedulable',
    });
    // What node affinity rules out is no domain.
    const nodeTerms = [{ matchExpressions: [{ key: zone, operator: 'In', values: ['z1', 'z2'] }] }];
    expect(placed({ spread, nodeTerms }, { nodes: closed, pods })?.placed).toBe(1);
    expect(placed({ spread: [{ ...spread[0]!, minDomains: 3 }], nodeTerms }, { nodes: closed, pods })?.placed).toBe(0);
  });

  test('counting only pods of the same revision, where matchLabelKeys says so', () => {
    const spread = [{ topologyKey: zone, maxSkew: 1, labelSelector: web, matchLabelKeys: ['rev'] }];
    const pods = ['n1', 'n1', 'n1'].map((node, index) =>
      aPodView(`old-${index}`, { node, labels: { app: 'web', rev: 'old' } }),
    );
    const fresh = aPodView('new', { labels: { app: 'web', rev: 'new' }, placing: aPlacing({ spread }) });
    const nodes = [aNodeView('n1'), aNodeView('n2', { unschedulable: true })];
    expect(place([fresh], new Occupation(nodes, pods, new Map()))[0]?.placed).toBe(1);
  });

  test('nowhere when there is none', () => {
    expect(placed({}, { nodes: [] })).toMatchObject({ placed: 0, reason: 'there is no node' });
  });
});
