import { describe, expect, test } from '@jest/globals';
import {
  aNode,
  anObservation,
  aPod,
  aRun,
  aStep,
  pods,
  type RunOverrides,
  START,
  type StepOverrides,
  slowFacts,
} from '../testing/builders.js';
import { chooseAgent } from './agents.js';
import type { Candidate, NodeFacts, RunObserved } from './observed.js';
import { decideRun } from './run.js';

const silent = aNode({ renewedAt: START - 40_000 });
const { renewedAt: _none, ...without } = aNode();
const unable = aNode({ refusals: { slow: 'the kernel has no netem' } });
const noSidecars = { sidecarRefusals: { slow: 'the namespace does not admit sidecars' } };

describe('who carries a fault', () => {
  const cases: [string, StepOverrides, Partial<NodeFacts>, Partial<Candidate>, RegExp | string][] = [
    ['the agent of the node', {}, aNode(), {}, 'Node'],
    ['nobody else when that is asked for', { agent: 'Node' }, aNode(), {}, 'Node'],
    ['a sidecar when that is asked for', { agent: 'Sidecar' }, aNode(), {}, 'Sidecar'],
    ['a sidecar where no agent is', {}, without, {}, 'Sidecar'],
    ['a sidecar where the agent has fallen silent', {}, silent, {}, 'Sidecar'],
    ['a sidecar where the agent can not', {}, unable, {}, 'Sidecar'],
    ['nobody, and the agent is missed', { agent: 'Node' }, without, {}, /^AgentMissing: no agent runs on node n0; see/],
    [
      'nobody, with what the node says',
      { agent: 'Node' },
      { ...without, hint: 'start it as root' },
      {},
      /; start it as root$/,
    ],
    ['nobody, and since when', { agent: 'Node' }, silent, {}, /^AgentMissing: .* not been heard of for 40s;/],
    [
      'nobody, and why the agent can not',
      { agent: 'Node' },
      unable,
      {},
      /^NotSupported: node n0: the kernel has no netem$/,
    ],
    [
      'nobody, and why no sidecar can either',
      {},
      { ...unable, ...noSidecars },
      {},
      /^NotSupported: node n0: the kernel has no netem; and as a sidecar, pod a: the namespace does not admit sidecars$/,
    ],
    [
      'nobody, by what the pod is',
      { agent: 'Sidecar' },
      aNode(),
      { sidecarRefusal: 'no room' },
      /^NotSupported: pod a: no room$/,
    ],
    [
      'nobody, and a missing agent counts more',
      {},
      { ...without, ...noSidecars },
      {},
      /^AgentMissing: .*; and as a sidecar, /,
    ],
  ];
  test.each(cases)('is %s', (_, step, node, pod, expected) => {
    const choice = chooseAgent(aStep('slow', { fault: 'slow', ...step }), aPod('a', pod), {
      ...aNode(),
      renewedAt: undefined,
      ...node,
    } as NodeFacts);
    const words = 'agent' in choice ? choice.agent : `${choice.reason}: ${choice.why}`;
    expect(words).toMatch(expected);
  });
});

const method = [aStep('slow', { fault: 'slow', percent: 100, duration: '1m' })];
const onNodes = (count: number, nodes: number) =>
  pods(count).map((pod, index) => ({ ...pod, node: `n${index % nodes}` }));

function admit(
  listed: Candidate[],
  nodes: Record<string, NodeFacts>,
  more: Partial<RunObserved> = {},
  template: RunOverrides['template'] = {},
) {
  const run = aRun({ template: { method, ...template } });
  const observed = {
    facts: { slow: slowFacts },
    candidates: { slow: listed },
    nodes: new Map(Object.entries(nodes)),
    ...more,
  };
  const decision = decideRun(anObservation(run, observed), START);
  const made = decision.actions.flatMap((action) => (action.do === 'createInjection' ? [action.injection] : []));
  return { ...decision, made };
}

describe('an admission of a fault of agents', () => {
  test('asks for the nodes of those it has drawn, and waits until they are known', () => {
    const decision = admit(onNodes(4, 2), { n0: aNode() });
    expect(decision.nodes).toEqual(expect.arrayContaining(['n0', 'n1']));
    expect(decision.made).toEqual([]);
    expect(decision.status.stage).toBe('Admitted');
    expect(admit(onNodes(4, 2), { n0: aNode(), n1: aNode() }).made).toHaveLength(2);
  });

  test('asks for no other nodes', () => {
    const one = { method: [aStep('slow', { fault: 'slow', duration: '1m' })] };
    expect(admit(onNodes(4, 4), {}, {}, one).nodes).toHaveLength(1);
  });

  test('does not trust what was read too long ago', () => {
    const old = aNode({ readAt: START - 15_001 });
    expect(admit(pods(1), { n0: old }).made).toEqual([]);
  });

  test('makes an injection for each node, with all that its agent needs', () => {
    const { made } = admit(onNodes(5, 2), { n0: aNode(), n1: aNode({ bootId: 'boot-9' }) });
    const found = made.map(({ spec: { node, agent, bootId, part, parts, duration, targets } }) => ({
      node,
      agent,
      bootId,
      part,
      parts,
      duration,
      targets: targets.length,
    }));
    const common = { agent: 'Node', parts: 2, duration: '1m' };
    expect(found.sort((a, b) => (a.node ?? '').localeCompare(b.node ?? ''))).toEqual([
      { ...common, node: 'n0', bootId: 'boot-1', part: expect.any(Number), targets: 3 },
      { ...common, node: 'n1', bootId: 'boot-9', part: expect.any(Number), targets: 2 },
    ]);
    expect(new Set(found.map(({ part }) => part))).toEqual(new Set([0, 1]));
  });

  test('records no boot for sidecars', () => {
    const { made } = admit(pods(1), { n0: { ...without, bootId: 'boot-1' } });
    expect(made).toMatchObject([{ spec: { agent: 'Sidecar', node: 'n0' } }]);
    expect(made[0]?.spec).not.toHaveProperty('bootId');
  });

  test('puts 100 targets of a node into one injection, and not more', () => {
    expect(admit(pods(100), { n0: aNode() }).made).toHaveLength(1);
    expect(admit(pods(101), { n0: aNode() }).made.map(({ spec }) => spec.targets.length)).toEqual([100, 1]);
  });

  test('ends the run before anything is made when one target can not carry it', () => {
    const decision = admit(onNodes(4, 2), { n0: aNode(), n1: { ...unable, ...noSidecars } });
    expect(decision.status).toMatchObject({ verdict: 'Inconclusive', reason: 'NotSupported' });
    expect(decision.status.message).toContain(
      "Step 'slow' can't be carried out on 2 of 4 targets: node n1: the kernel has no netem",
    );
    expect(decision.actions.filter((action) => action.do === 'createInjection')).toEqual([]);
  });

  test('names a few of many nodes without an agent', () => {
    const nodes = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [`n${index}`, { ...without, ...noSidecars }]),
    );
    const { status } = admit(onNodes(9, 9), nodes);
    expect(status).toMatchObject({ verdict: 'Error', reason: 'AgentMissing' });
    expect(status.message).toMatch(/no agent runs on node .*; and 6 more/);
  });

  test('leaves out pods that no agent reaches, and takes those that nothing would replace', () => {
    const listed = [aPod('host', { unreachable: true }), aPod('bare', { managed: false })];
    const { made, status } = admit(listed, { n0: aNode() });
    expect(made.flatMap(({ spec }) => spec.targets.map(({ name }) => name))).toEqual(['bare']);
    expect(status.selection).toMatchObject([{ matched: 2, candidates: 1, removed: { unreachable: 1, unmanaged: 0 } }]);
  });

  test('decides about thousands of targets on hundreds of nodes in a moment', () => {
    const listed = onNodes(5_000, 500);
    const nodes = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`n${index}`, aNode()]));
    const started = performance.now();
    expect(admit(listed, nodes).made).toHaveLength(500);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
