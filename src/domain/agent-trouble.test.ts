import { describe, expect, test } from '@jest/globals';
import type { Ended, Injection, InjectionSpec, TargetState } from '../api/injection.js';
import { aNode, anInjection, anObservation, aRun, aStep, START, slowFacts, stabFacts } from '../testing/builders.js';
import type { NodeFacts } from './observed.js';
import { decideRun } from './run.js';

const silent = aNode({ renewedAt: START - 40_000 });
const method = [aStep('slow', { fault: 'slow', percent: 100, duration: '1m' })];

const reasonsOf = ({ status }: { status: { findings?: { reason: string }[] } }) =>
  status.findings?.map(({ reason }) => reason) ?? [];

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

  test('an agent that falls silent while it takes its step back ends the run too', () => {
    const decision = look({ spec: { state: 'Revert' }, states: ['Effective'] }, { n0: silent });
    expect(reasonsOf(decision)).toEqual(['AgentMissing']);
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
