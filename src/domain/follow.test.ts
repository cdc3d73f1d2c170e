import { describe, expect, test } from '@jest/globals';
import type { StepStatus } from '../api/experiment-run.js';
import type { Injection } from '../api/injection.js';
import {
  aNode,
  anInjection,
  anObservation,
  aPod,
  aRun,
  aStep,
  at,
  pods,
  START,
  type StepOverrides,
  slowFacts,
} from '../testing/builders.js';
import { RunDraft } from './draft.js';
import { MAX_ROUNDS } from './follow.js';
import { advanceMethod } from './method.js';
import type { Candidate, StepFacts } from './observed.js';

interface Setting {
  listed: Candidate[];
  injections: Injection[];
  chosen?: number;
  maxTargets?: number;
  seconds?: number;
  step?: StepOverrides;
  facts?: StepFacts;
  status?: Partial<StepStatus>;
}

const none = { terminating: 0, completed: 0, notReady: 0, tooYoung: 0, protected: 0, unmanaged: 0, unreachable: 0 };

/** Looks once at a step that has held for ten seconds on pods of one node. */
function hold({
  listed,
  injections,
  chosen = 2,
  maxTargets,
  seconds = 10,
  step = {},
  facts = slowFacts,
  status = {},
}: Setting) {
  const slow = aStep('slow', { fault: 'slow', duration: '1m', count: chosen, follow: true, ...step });
  const held = {
    name: 'slow',
    fault: 'slow',
    state: 'Holding',
    rounds: 1,
    targets: chosen,
    hit: chosen,
    effective: 0,
    startTime: at(0),
    roundTime: at(0),
    confirmedTime: at(0),
    ...status,
  } as const;
  const selection = {
    step: 'slow',
    matched: 4,
    removed: none,
    candidates: 4,
    chosen,
    readyBefore: 4,
    standIns: 0,
    digest: '',
  };
  const safeguards = maxTargets === undefined ? {} : { maxTargets };
  const run = aRun({
    template: { method: [slow], safeguards },
    status: { seed: 1, startTime: at(0), steps: [held], selection: [selection] },
  });
  const now = START + seconds * 1000;
  const nodes = new Map([['n0', aNode({ readAt: now, renewedAt: now })]]);
  const draft = new RunDraft(
    anObservation(run, { injections, facts: { slow: facts }, candidates: { slow: listed }, nodes }),
    now,
  );
  advanceMethod(draft);
  const made = draft.actions.flatMap((action) => (action.do === 'createInjection' ? [action.injection.spec] : []));
  return {
    draft,
    made,
    names: made.flatMap(({ targets }) => targets.map(({ name }) => name)),
    step: draft.status.steps?.[0],
  };
}

/** Both targets of the draw, one of which went away. */
const lost = () => [anInjection({ step: 'slow', agent: 'Node', node: 'n0' }, ['Effective', 'Reverted'])];
const fresh = (name: string, overrides: Partial<Candidate> = {}) =>
  aPod(name, { ready: false, createdAt: START + 9_000, ...overrides });

describe('a fault that follows', () => {
  test('is put on a pod that takes the place of a target, Ready or not, however young', () => {
    const { made, step } = hold({ listed: [...pods(1), fresh('new')], injections: lost() });
    expect(made).toMatchObject([
      { round: 1, parts: 1, state: 'Pending', agent: 'Node', node: 'n0', targets: [{ name: 'new' }] },
    ]);
    expect(step).toMatchObject({ rounds: 2, targets: 3, roundTime: at(10) });
  });

  const spared: [string, Partial<Candidate>][] = [
    ['before anything of it runs', { running: false }],
    ['on its way out', { terminating: true }],
    ['that has ended', { completed: true }],
    ['that is protected', { protected: true }],
    ['that no agent reaches', { unreachable: true }],
  ];
  test.each(spared)('is not put on a pod %s', (_, overrides) => {
    expect(hold({ listed: [...pods(1), fresh('new', overrides)], injections: lost() }).made).toEqual([]);
  });

  test('is never on more pods at once than were drawn', () => {
    expect(hold({ listed: [...pods(1), fresh('x'), fresh('y')], injections: lost() }).names).toHaveLength(1);
    const on = [anInjection({ step: 'slow', agent: 'Node', node: 'n0' }, ['Effective', 'Confirmed'])];
    expect(hold({ listed: [fresh('x'), fresh('y')], injections: on }).names).toEqual([]);
  });

  test('waits for the proof that it is off the target that went away', () => {
    for (const state of ['Confirmed', 'Applying', 'Failed'] as const) {
      const open = [anInjection({ step: 'slow', agent: 'Node', node: 'n0' }, ['Effective', state])];
      expect(hold({ listed: [...pods(1), fresh('new')], injections: open }).names).toEqual([]);
    }
  });

  test('does not wait for a target that is being deleted, however long that takes', () => {
    const on = [anInjection({ step: 'slow', agent: 'Node', node: 'n0' }, ['Effective', 'Effective'])];
    const [first, second] = pods(2);
    const listed = [first!, { ...second!, terminating: true }, fresh('new')];
    expect(hold({ listed, injections: on }).names).toEqual(['new']);
  });

  test('is never put on a pod again that it was taken back from', () => {
    expect(hold({ listed: pods(2), injections: lost() }).names).toEqual([]);
  });

  test('keeps to the budget of the run', () => {
    const setting = { listed: [...pods(1), fresh('new')], injections: lost() };
    expect(hold({ ...setting, maxTargets: 3 }).names).toEqual(['new']);
    const { names, step } = hold({ ...setting, maxTargets: 2 });
    expect(names).toEqual([]);
    expect(step?.message).toContain('safeguards.maxTargets (the run would hit 3 targets and may hit 2)');
  });

  test('takes in those who come within a second together', () => {
    const soon = hold({ listed: [...pods(1), fresh('new')], injections: lost(), status: { roundTime: at(9.5) } });
    expect(soon.names).toEqual([]);
    expect(soon.draft.decision().wakeAt).toBe(START + 10_500);
  });

  test('makes no end of rounds', () => {
    const rounds = Array.from({ length: MAX_ROUNDS }, (_, round) =>
      anInjection(
        {
          step: 'slow',
          agent: 'Node',
          node: 'n0',
          round,
          targets: [{ namespace: 'shop', name: `old-${round}`, uid: `old-${round}` }],
        },
        ['Reverted'],
      ),
    );
    const { names, step } = hold({ listed: [fresh('new')], injections: rounds, status: { rounds: MAX_ROUNDS } });
    expect(names).toEqual([]);
    expect(step?.message).toContain(`${MAX_ROUNDS} rounds`);
  });

  test('says why a new pod was spared', () => {
    const { names, step } = hold({
      listed: [fresh('new', { sidecarRefusal: 'no room' })],
      injections: lost(),
      step: { agent: 'Sidecar' },
    });
    expect(names).toEqual([]);
    expect(step?.message).toBe('new pods were spared, because pod new: no room');
  });

  test('does not when that is not asked for', () => {
    expect(hold({ listed: [fresh('new')], injections: lost(), step: { follow: false } }).names).toEqual([]);
  });

  test('does not when its time is over, and tells how many went away', () => {
    const { names, step } = hold({ listed: [...pods(1), fresh('new')], injections: lost(), seconds: 60 });
    expect(names).toEqual([]);
    expect(step).toMatchObject({ state: 'Reverting', message: '1 of 2 targets went away while the fault was on' });
  });
});
