import { describe, expect, test } from '@jest/globals';
import type { Ended, Injection, InjectionSpec, TargetState } from '../api/injection.js';
import {
  aNode,
  anInjection,
  anObservation,
  aPod,
  aRun,
  aStep,
  pods,
  type RunOverrides,
  START,
  type StepOverrides,
  slowFacts,
  stabFacts,
} from '../testing/builders.js';
import { chooseAgent } from './agents.js';
import type { NodeFacts, Pod, RunObserved } from './observed.js';
import { decideRun } from './run.js';

const silent = aNode({ renewedAt: START - 40_000 });
const { renewedAt: _none, ...without } = aNode();
const unable = aNode({ refusals: { slow: 'the kernel has no netem' } });
const noSidecars = { sidecarRefusals: { slow: 'the namespace does not admit sidecars' } };

describe('who carries a fault', () => {
  const cases: [string, StepOverrides, Partial<NodeFacts>, Partial<Pod>, RegExp | string][] = [
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
  listed: Pod[],
  nodes: Record<string, NodeFacts>,
  more: Partial<RunObserved> = {},
  template: RunOverrides['template'] = {},
) {
  const run = aRun({ template: { method, ...template } });
  const observed = {
    facts: { slow: slowFacts },
    pods: { slow: listed },
    nodes: new Map(Object.entries(nodes)),
    ...more,
  };
  const decision = decideRun(anObservation(run, observed), START);
  const made = decision.actions.flatMap((action) => (action.do === 'createInjection' ? [action.injection] : []));
  return { ...decision, made };
}

const reasonsOf = ({ status }: { status: { findings?: { reason: string }[] } }) =>
  status.findings?.map(({ reason }) => reason) ?? [];

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

interface Held {
  spec?: Partial<InjectionSpec>;
  states?: TargetState[];
  ended?: Ended;
}

function look(
  { spec = {}, states = ['Confirmed'], ended }: Held,
  nodes: Record<string, NodeFacts>,
  seconds = 10,
  { facts = slowFacts, steps = method } = {},
) {
  const injection: Injection = anInjection({ step: 'slow', agent: 'Node', node: 'n0', ...spec }, states);
  if (ended) injection.status = { ...injection.status, ended };
  const condition = (type: string) => ({
    type,
    status: 'True' as const,
    reason: type,
    message: type,
    lastTransitionTime: new Date(START).toISOString(),
  });
  const holding = {
    name: 'slow',
    fault: 'slow',
    state: 'Holding',
    rounds: 1,
    targets: 1,
    hit: 1,
    effective: 0,
    startTime: new Date(START).toISOString(),
    confirmedTime: new Date(START).toISOString(),
  } as const;
  const run = aRun({
    template: { method: steps, hypothesis: [] },
    metadata: { finalizers: ['squall.dev/revert'] },
    status: {
      startTime: new Date(START).toISOString(),
      seed: 1,
      steps: [holding],
      conditions: [condition('TargetsSelected'), condition('BaselineHeld')],
      selection: [
        {
          step: 'slow',
          matched: 1,
          removed: {
            terminating: 0,
            completed: 0,
            notReady: 0,
            tooYoung: 0,
            protected: 0,
            unmanaged: 0,
            unreachable: 0,
          },
          candidates: 1,
          chosen: 1,
          readyBefore: 1,
          standIns: 0,
          digest: '',
        },
      ],
    },
  });
  const observed = { facts: { slow: facts }, injections: [injection], nodes: new Map(Object.entries(nodes)) };
  return decideRun(anObservation(run, observed), START + seconds * 1000);
}

describe('while a fault of agents is on', () => {
  test('their nodes are asked for', () => {
    expect(look({}, {}).nodes).toEqual(['n0']);
  });

  test('nothing happens while all is well, or nothing is known', () => {
    expect(reasonsOf(look({}, {}))).toEqual([]);
    expect(reasonsOf(look({}, { n0: aNode() }))).toEqual([]);
  });

  test('an agent that has fallen silent ends the run, and everything is taken back', () => {
    const decision = look({}, { n0: silent });
    expect(reasonsOf(decision)).toEqual(['AgentMissing']);
    expect(decision.status.findings?.[0]?.message).toContain("Step 'slow' has lost an agent: the agent of node n0");
    expect(decision.status.stage).toBe('Reverting');
  });

  test('what can not be proven to be off is said after a minute, with its node and what is wrong there', () => {
    const first = look({}, { n0: silent });
    const injection = anInjection({ step: 'slow', agent: 'Node', node: 'n0', state: 'Revert' }, ['Confirmed']);
    const run = aRun({
      template: { method, hypothesis: [] },
      metadata: { finalizers: ['squall.dev/revert'] },
      status: first.status,
    });
    const observed = { facts: { slow: slowFacts }, injections: [injection], nodes: new Map([['n0', silent]]) };
    const at = (seconds: number) => decideRun(anObservation(run, observed), START + 10_000 + seconds * 1000);
    expect(at(59).status.findings).toHaveLength(1);
    const { status } = at(60);
    expect(status.findings?.map(({ reason }) => reason)).toEqual(['AgentMissing', 'CleanupUnproven']);
    expect(status.findings?.[1]?.message).toContain(
      'on node n0, targets pod-0; the agent of node n0 has not been heard of for 40s',
    );
    expect(status.conditions?.find(({ type }) => type === 'Reverted')?.status).toBe('Unknown');
  });

  test('an agent that can not be looked up any more does not count as silent', () => {
    expect(reasonsOf(look({}, { n0: aNode() }, 300))).not.toContain('AgentMissing');
  });

  test('the agents of targets that are clean do not matter any more', () => {
    const decision = look({ spec: { state: 'Revert' }, states: ['Reverted'] }, { n0: silent });
    expect(reasonsOf(decision)).not.toContain('AgentMissing');
    expect(decision.nodes).toEqual([]);
  });

  const endings: Ended[] = [
    { reason: 'ControllerLost', message: 'no sign of it for 30s' },
    { reason: 'FaultLost', message: 'the nft table was gone' },
  ];
  test.each(endings)('an agent that took it back by itself ends the run: $reason', (ended) => {
    const decision = look({ ended, states: ['Reverted'] }, { n0: aNode() });
    expect(reasonsOf(decision)).toEqual([ended.reason]);
    expect(decision.status.findings?.[0]?.message).toContain(`the agent of node n0: ${ended.message}`);
  });

  test('that is found also when the time of the fault is over by then', () => {
    const decision = look(
      { ended: endings[0] as Ended, states: ['Reverted'], spec: { state: 'Revert' } },
      { n0: aNode() },
      120,
    );
    expect(reasonsOf(decision)).toContain('ControllerLost');
  });

  test('a fault that is not back on within two minutes ends the run', () => {
    const drifted: Held = { states: ['Applying'] };
    expect(reasonsOf(look(drifted, { n0: aNode() }, 30))).toEqual([]);
    const late = look(drifted, { n0: aNode() }, 125);
    expect(late.status.findings?.[0]?.message).toContain(
      "Step 'slow' was not confirmed on 1 of 1 targets within 2m, such as pod-0",
    );
  });

  test('what happened once is held until a kubelet would have seen it, and its effect is known', () => {
    const once = [aStep('slow', { fault: 'slow' })];
    const stab = (state: TargetState, seconds: number) => {
      const { status } = look({ states: [state] }, { n0: aNode() }, seconds, { facts: stabFacts, steps: once });
      return status.stage === 'Reverting' ? 'Done' : status.steps?.[0]?.state;
    };
    expect(stab('Effective', 2)).toBe('Holding');
    expect(stab('Effective', 3)).toBe('Done');
    expect(stab('Confirmed', 14)).toBe('Holding');
    expect(stab('Confirmed', 15)).toBe('Done');
  });
});
