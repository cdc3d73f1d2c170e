import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Injection, InjectionSpec, TargetState, TargetStatus } from '../api/injection.js';
import { anInjection, at, START } from '../testing/builders.js';
import {
  type AgentInjectionDecision,
  type AgentInjectionObserved,
  decideAgentInjection,
  type FaultSighting,
} from './agent-injection.js';
import type { Outcome } from './injection-observed.js';

const NOW = START + 5_000;
const done: Outcome = { result: 'done' };
const gone: Outcome = { result: 'gone' };
const refused: Outcome = { result: 'refused', message: 'no room' };
const on: FaultSighting = { evidence: { packets: 0 }, effective: false };
const effective: FaultSighting = { evidence: { packets: 3 }, effective: true };
const flushed: FaultSighting = { drift: 'the table is gone', evidence: {}, effective: false };

/** What is known of one target, `pod-0`. */
interface Known {
  state?: TargetState;
  status?: Partial<TargetStatus>;
  spec?: Partial<InjectionSpec>;
  metadata?: Partial<Injection['metadata']>;
  ended?: AgentInjectionObserved['ended'];
  oneShot?: boolean;
  stopping?: boolean;
  outcome?: Outcome;
  undone?: Outcome;
  seen?: FaultSighting;
  intended?: boolean;
  gone?: boolean;
}

const only = <T>(value: T | undefined): ReadonlyMap<string, T> =>
  new Map(value === undefined ? [] : [['uid-pod-0', value]]);
const flag = (value: boolean | undefined): ReadonlySet<string> => new Set(value ? ['uid-pod-0'] : []);

function observe(known: Known): AgentInjectionObserved {
  const injection = anInjection(known.spec, [known.state], known.metadata);
  for (const target of injection.status?.targets ?? []) Object.assign(target, known.status);
  return {
    injection,
    oneShot: known.oneShot ?? false,
    ended: known.ended,
    stopping: known.stopping ?? false,
    outcomes: only(known.outcome),
    undone: only(known.undone),
    sightings: only(known.seen),
    intended: flag(known.intended),
    gone: flag(known.gone),
  };
}

function decide(known: Known): AgentInjectionDecision {
  return decideAgentInjection(observe(known), NOW);
}

/** The state of the one target, and what is to be done to it. */
function next(known: Known): string {
  const { status, actions } = decide(known);
  return [status.targets?.[0]?.state ?? 'nothing', ...actions.map((action) => action.do)].join(' ');
}

const lost = { reason: 'ControllerLost', message: 'silence' } as const;

describe('a target on which the fault is wanted', () => {
  test.each<[string, Known, string]>([
    ['has the intent recorded first', {}, 'Applying'],
    ['has nothing recorded while the agent puts nothing on', { stopping: true }, 'nothing'],
    ['is hit once the intent is recorded', { state: 'Applying' }, 'Applying apply'],
    ['is not hit while the agent puts nothing on', { state: 'Applying', stopping: true }, 'Applying'],
    ['is confirmed when that was done', { state: 'Applying', outcome: done, seen: on }, 'Confirmed'],
    [
      'is confirmed though the agent stops',
      { state: 'Applying', outcome: done, seen: on, stopping: true },
      'Confirmed',
    ],
    ['is effective at once when that shows', { state: 'Applying', outcome: done, seen: effective }, 'Effective'],
    ['was refused before anything was touched', { state: 'Applying', outcome: refused }, 'Refused'],
    ['failed when something may have been on', { state: 'Applying', outcome: refused, intended: true }, 'Failed'],
    [
      'failed when it was refused where it had vanished',
      { state: 'Applying', outcome: refused, status: { drifts: 1 } },
      'Failed',
    ],
    ['was missed when it was gone before', { state: 'Applying', outcome: gone }, 'Missed'],
    ['was missed when its namespace is gone before', { state: 'Applying', gone: true }, 'Missed'],
    [
      'took the fault along when something may have been on',
      { state: 'Applying', outcome: gone, intended: true },
      'Reverted',
    ],
    [
      'took the fault along when it went while it was put back',
      { state: 'Applying', gone: true, status: { drifts: 1 } },
      'Reverted',
    ],
    ['stays confirmed while nothing shows', { state: 'Confirmed', seen: on }, 'Confirmed'],
    ['stays confirmed while it has not been looked at', { state: 'Confirmed' }, 'Confirmed'],
    ['becomes effective when that shows', { state: 'Confirmed', seen: effective }, 'Effective'],
    ['stays effective when the counters rest', { state: 'Effective', seen: on }, 'Effective'],
    ['goes back to the intent when the fault vanished', { state: 'Effective', seen: flushed }, 'Applying'],
    ['took the fault along when it went', { state: 'Effective', gone: true }, 'Reverted'],
    [
      'took the fault along even if that looked like a drift',
      { state: 'Effective', gone: true, seen: flushed },
      'Reverted',
    ],
    ['is left alone when it failed', { state: 'Failed' }, 'Failed'],
    ['is left alone when it was refused', { state: 'Refused' }, 'Refused'],
    ['is left alone when it was missed', { state: 'Missed' }, 'Missed'],
    ['is never hit again when it was reverted', { state: 'Reverted' }, 'Reverted'],
    [
      'is confirmed when a fault that happens once did',
      { state: 'Applying', oneShot: true, outcome: done },
      'Confirmed',
    ],
    ['can not lose a fault that happened once', { state: 'Confirmed', oneShot: true, gone: true }, 'Confirmed'],
    [
      'shows later that a fault that happens once took effect',
      { state: 'Confirmed', oneShot: true, seen: effective },
      'Effective',
    ],
  ])('%s', (_name, known, expected) => {
    expect(next(known)).toBe(expected);
  });

  test('is not looked at before it is wanted', () => {
    expect(next({ spec: { state: 'Pending' } })).toBe('nothing');
  });
});

const ways: [string, Known][] = [
  ['is asked for', { spec: { state: 'Revert' } }],
  ['follows from the deletion of the injection', { metadata: { deletionTimestamp: at(1) } }],
  ['was decided by the agent', { ended: lost }],
];

describe.each(ways)('the revert that %s', (_way, back) => {
  test.each<[string, Known, string]>([
    ['has nothing to do where nothing was on', {}, 'Missed'],
    ['finds an undo record that no status knows of', { intended: true }, 'Applying'],
    ['takes back what may be on', { state: 'Applying' }, 'Applying revert'],
    ['takes back what is on', { state: 'Effective' }, 'Effective revert'],
    ['takes back what failed half-way', { state: 'Failed' }, 'Failed revert'],
    ['is recorded when it is done', { state: 'Confirmed', undone: done }, 'Reverted'],
    ['is recorded when the pod is gone', { state: 'Confirmed', undone: gone }, 'Reverted'],
    ['is recorded when the namespace is gone', { state: 'Effective', gone: true }, 'Reverted'],
    ['says that nothing was hit when the pod was gone before', { state: 'Applying', undone: gone }, 'Missed'],
    [
      'does not say so when something may have been on',
      { state: 'Applying', undone: gone, intended: true },
      'Reverted',
    ],
    ['is tried again when it was refused', { state: 'Effective', undone: refused }, 'Failed revert'],
    ['is over for what was missed', { state: 'Missed' }, 'Missed'],
    ['is over for what was reverted', { state: 'Reverted' }, 'Reverted'],
    ['leaves what happened once', { state: 'Confirmed', oneShot: true }, 'Confirmed'],
    ['settles what may have happened once', { state: 'Applying', oneShot: true }, 'Applying revert'],
    ['also happens while the agent stops', { state: 'Effective', stopping: true }, 'Effective revert'],
  ])('%s', (_name, known, expected) => {
    expect(next({ ...known, ...back })).toBe(expected);
  });
});

describe('what is told', () => {
  test('of a drift: how often, why, and never that the fault is on', () => {
    const [target] =
      decide({ state: 'Effective', status: { drifts: 2, effective: true }, seen: flushed }).status.targets ?? [];
    expect(target).toMatchObject({ state: 'Applying', drifts: 3, effective: true, time: '2026-01-01T00:00:05.000Z' });
    expect(target?.message).toContain('the table is gone');
  });

  test('of counters: never less than before, also when they began anew', () => {
    const status = { evidence: { packets: 10, bytes: 5 } };
    const seen = { evidence: { packets: 3, bytes: 9 }, effective: true };
    const [target] = decide({ state: 'Effective', status, seen }).status.targets ?? [];
    expect(target?.evidence).toEqual({ packets: 10, bytes: 9 });
    expect(target?.time).toBe(at(0));
  });

  test('of a fault that is taken back: what was counted last, and that it took effect', () => {
    const [target] =
      decide({ state: 'Confirmed', undone: done, seen: effective, spec: { state: 'Revert' } }).status.targets ?? [];
    expect(target).toMatchObject({ state: 'Reverted', effective: true, evidence: { packets: 3 } });
  });

  test('of a revert that fails: why, once', () => {
    const first = decide({ state: 'Effective', undone: refused, ended: lost }).status;
    expect(first.targets?.[0]).toMatchObject({ state: 'Failed', message: 'no room' });
    const again = decide({ state: 'Failed', status: { message: 'no room' }, undone: refused, ended: lost }).status;
    expect(again.targets?.[0]?.time).toBe(at(0));
  });

  test('of a message: no more than its field takes', () => {
    const message = 'x'.repeat(1_000);
    const { status } = decide({ state: 'Applying', outcome: { result: 'refused', message } });
    expect(status.targets?.[0]?.message).toHaveLength(256);
  });

  test('of an injection that ended by itself: why, for good', () => {
    expect(decide({ state: 'Effective', ended: lost }).status.ended).toEqual(lost);
    const observed = observe({ state: 'Effective' });
    observed.injection.status = { ...observed.injection.status, ended: lost };
    const { status, actions } = decideAgentInjection({ ...observed, ended: undefined }, NOW);
    expect(status.ended).toEqual(lost);
    expect(actions).toHaveLength(1);
  });
});

describe('with onDrift: End', () => {
  test('a fault that vanished on one target ends the injection on all', () => {
    const injection = anInjection({ onDrift: 'End' }, ['Effective', 'Effective']);
    const observed = { ...observe({ seen: flushed }), injection };
    const { status, actions } = decideAgentInjection(observed, NOW);
    expect(status.ended).toEqual({ reason: 'FaultLost', message: 'the fault on pod-0 vanished: the table is gone' });
    expect(actions.map((action) => [action.do, action.target.name])).toEqual([
      ['revert', 'pod-0'],
      ['revert', 'pod-1'],
    ]);
  });

  test('a drift that is seen only after the revert was asked for ends nothing', () => {
    const { status } = decide({ state: 'Effective', seen: flushed, spec: { state: 'Revert', onDrift: 'End' } });
    expect(status.ended).toBeUndefined();
  });
});

/** Everything that can be known, for one target. */
const anything: fc.Arbitrary<Known> = fc.record({
  state: fc.constantFrom(undefined, 'Applying', 'Confirmed', 'Effective', 'Missed', 'Failed', 'Reverted'),
  spec: fc.record({ state: fc.constantFrom('Pending', 'Apply', 'Revert'), onDrift: fc.constantFrom('End', 'Reapply') }),
  ended: fc.constantFrom(undefined, lost),
  oneShot: fc.boolean(),
  stopping: fc.boolean(),
  outcome: fc.constantFrom(undefined, done, gone, refused),
  undone: fc.constantFrom(undefined, done, gone, refused),
  seen: fc.constantFrom(undefined, on, effective, flushed),
  intended: fc.boolean(),
  gone: fc.boolean(),
}) as fc.Arbitrary<Known>;

describe('whatever is known', () => {
  test('nothing is put on without a recorded intent, nor once it is to be taken back', () => {
    fc.assert(
      fc.property(anything, (known) => {
        const { actions } = decide(known);
        const isBack = known.ended !== undefined || known.spec?.state !== 'Apply';
        for (const action of actions) {
          if (action.do !== 'apply') continue;
          expect(known.state).toBe('Applying');
          expect(isBack || known.stopping).toBe(false);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('nothing is said to be reverted or missed that may still be on', () => {
    fc.assert(
      fc.property(anything, (known) => {
        const state = decide(known).status.targets?.[0]?.state;
        if (state === known.state || (state !== 'Reverted' && state !== 'Missed')) return;
        const isProven = known.gone || known.undone?.result === 'done' || known.undone?.result === 'gone';
        const wasNever = !known.intended && known.state === undefined;
        const wentAway = known.state === 'Applying' && known.outcome?.result === 'gone';
        expect(isProven || wasNever || wentAway).toBe(true);
        if (state === 'Missed') expect(known.intended && known.state !== 'Missed').toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test('deciding twice on the same changes nothing more', () => {
    fc.assert(
      fc.property(anything, (known) => {
        const observed = observe(known);
        const first = decideAgentInjection(observed, NOW);
        expect(decideAgentInjection(observed, NOW)).toEqual(first);
        expect(observed).toEqual(observe(known));
      }),
    );
  });

  test('no fault is claimed to be on that was seen to have vanished', () => {
    fc.assert(
      fc.property(anything, (known) => {
        if (known.oneShot || known.spec?.state !== 'Apply' || known.seen?.drift === undefined) return;
        if (known.state !== 'Confirmed' && known.state !== 'Effective') return;
        const { status, actions } = decide(known);
        const state = status.targets?.[0]?.state ?? '';
        const isClaimed = state === 'Confirmed' || state === 'Effective';
        expect(isClaimed && actions.length === 0).toBe(false);
      }),
    );
  });
});
