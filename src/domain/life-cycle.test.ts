import { describe, expect, test } from '@jest/globals';
import type { TargetState } from '../api/injection.js';
import { anInjection, START } from '../testing/builders.js';
import { decideLifeCycle, type LifeCycleObserved, PROOF_MILLISECONDS } from './life-cycle.js';

function decide(
  state: 'Pending' | 'Apply' | 'Revert',
  targets: (TargetState | undefined)[],
  more: Partial<LifeCycleObserved> & { deleted?: boolean; noBoot?: boolean } = {},
) {
  const { deleted, noBoot, ...overrides } = more;
  const injection = anInjection(
    { agent: 'Node', node: 'n0', state, ...(!noBoot && { bootId: 'boot-1' }) },
    targets,
    deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {},
  );
  return decideLifeCycle(
    { injection, oneShot: false, runIsLive: true, waited: PROOF_MILLISECONDS, ...overrides },
    START,
  );
}

const states = ({ status }: ReturnType<typeof decide>) => status.targets?.map(({ state }) => state) ?? [];
const deeds = ({ actions }: ReturnType<typeof decide>) => actions.map((action) => action.do);

describe('an injection that an agent carries out', () => {
  test('is left to the agent while its run is under way', () => {
    for (const state of ['Pending', 'Apply'] as const) {
      expect(decide(state, ['Confirmed', undefined])).toMatchObject({ actions: [], needsBootId: false });
      expect(states(decide(state, ['Confirmed', undefined]))).toEqual(['Confirmed']);
    }
  });

  test('is taken back when no live run owns it, also if it was never wanted', () => {
    for (const state of ['Pending', 'Apply'] as const) {
      expect(deeds(decide(state, ['Confirmed'], { runIsLive: false }))).toEqual(['setInjectionState']);
    }
  });

  test('is let go of when it is clean and its run is over, and not before', () => {
    expect(deeds(decide('Revert', ['Reverted', 'Missed'], { runIsLive: false }))).toEqual(['deleteInjection']);
    expect(deeds(decide('Revert', ['Reverted', 'Missed']))).toEqual([]);
    expect(deeds(decide('Revert', ['Reverted', 'Failed'], { runIsLive: false }))).toEqual([]);
  });

  test('has its time to be taken back before other proof is looked for', () => {
    const decision = decide('Revert', ['Confirmed', undefined], { waited: 4_000, bootId: 'boot-2' });
    expect(decision).toMatchObject({ needsBootId: false, after: 6_000 });
    expect(states(decision)).toEqual(['Confirmed']);
  });

  test('needs nothing taken back where no intent was recorded', () => {
    expect(states(decide('Revert', [undefined, 'Applying']))).toEqual(['Missed', 'Applying']);
  });

  test('is proven to be gone by another boot of its node, and by nothing less', () => {
    const open: TargetState[] = ['Applying', 'Confirmed', 'Effective', 'Failed'];
    expect(decide('Revert', open)).toMatchObject({ needsBootId: true, after: PROOF_MILLISECONDS });
    expect(states(decide('Revert', open))).toEqual(open);
    expect(states(decide('Revert', open, { bootId: 'boot-1' }))).toEqual(open);
    expect(states(decide('Revert', open, { bootId: 'boot-2', noBoot: true }))).toEqual(open);
    const proven = decide('Revert', [...open, 'Missed'], { bootId: 'boot-2' });
    expect(states(proven)).toEqual(['Reverted', 'Reverted', 'Reverted', 'Reverted', 'Missed']);
    expect(proven.status.targets?.[0]?.message).toContain('started again');
  });

  test('is wanted back when someone deletes it', () => {
    expect(states(decide('Apply', ['Confirmed'], { deleted: true, bootId: 'boot-2' }))).toEqual(['Reverted']);
  });
});
