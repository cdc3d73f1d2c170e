import { describe, expect, test } from '@jest/globals';
import type { InjectionState, TargetState, TargetStatus } from '../api/injection.js';
import { anInjection, anInjectionObserved, at, START } from '../testing/builders.js';
import { decideInjection } from './injection.js';
import type { InjectionObserved, PresentTarget, Sighting } from './injection-observed.js';

const uid = 'uid-pod-0';
const alive: PresentTarget = { terminating: false, protected: false };
const undo = '[{"before":1}]';

function decide(
  state: InjectionState,
  target: TargetState | Partial<TargetStatus> | undefined,
  overrides: Partial<InjectionObserved> = {},
) {
  const injection = anInjection({ state }, [undefined]);
  const entry = typeof target === 'string' ? { state: target, undo } : target;
  if (entry) injection.status = { targets: [{ uid, state: 'Applying', time: at(0), ...entry }] };
  const observed = { oneShot: false, fault: 'nodeCordon', ...overrides };
  const { status, actions, events, wakeAt } = decideInjection(anInjectionObserved(injection, observed), START);
  return { entry: status.targets?.[0], actions: actions.map((action) => action.do), events, wakeAt };
}

const one = <T>(value: T) => new Map([[uid, value]]);
const there = (pod?: PresentTarget) => ({ present: new Map(pod ? [[uid, pod]] : []) });
const seen = (sighting: Partial<Sighting>) => ({
  sightings: one({ on: true, effective: true, wakeAt: START + 10_000, ...sighting }),
});
const ready = { prepared: one({ result: 'ready' as const, undo: '[{"before":2}]' }) };
const refused = { result: 'refused' as const, message: 'spec.unschedulable of Node n1 is held by another run' };

type Row = [string, Parameters<typeof decide>, TargetState | undefined, string[]];

const rows: Row[] = [
  ['nothing happens while it is pending', ['Pending', undefined], undefined, []],
  ['what is there is read first', ['Apply', undefined], undefined, ['prepare']],
  ['nothing is read while the targets are not known', ['Apply', undefined, { present: undefined }], undefined, []],
  ['nothing is read once it is to stop', ['Apply', undefined, { stopping: true }], undefined, []],
  ['what is gone is missed', ['Apply', undefined, there()], 'Missed', []],
  ['what is protected is missed', ['Apply', undefined, there({ ...alive, protected: true })], 'Missed', []],
  ['the intent is recorded together with what was there', ['Apply', undefined, ready], 'Applying', []],
  ['what is gone when it is read is missed', ['Apply', undefined, { prepared: one({ result: 'gone' }) }], 'Missed', []],
  ['what another fault holds is refused', ['Apply', undefined, { prepared: one(refused) }], 'Refused', []],
  ['a durable intent is carried out', ['Apply', 'Applying'], 'Applying', ['apply']],
  ['and again after a restart', ['Apply', 'Applying', { certain: false }], 'Applying', ['apply']],
  ['but not once it is to stop', ['Apply', 'Applying', { stopping: true }], 'Applying', []],
  ['it is confirmed when that was done', ['Apply', 'Applying', { outcomes: one({ result: 'done' }) }], 'Confirmed', []],
  ['a target that leaves in between is missed', ['Apply', 'Applying', there()], 'Missed', []],
  [
    'one that is protected by now and may have been hit is taken back',
    ['Apply', 'Applying', { certain: false, ...there({ ...alive, protected: true }) }],
    'Applying',
    ['revert'],
  ],
  [
    'one that is not listed any more and may have been hit is taken back',
    ['Apply', 'Applying', { certain: false, ...there() }],
    'Applying',
    ['revert'],
  ],
  ['a refusal of what was not touched is one', ['Apply', 'Applying', { outcomes: one(refused) }], 'Refused', []],
  [
    'a refusal of what is done in part is a failure',
    ['Apply', 'Applying', { outcomes: one({ ...refused, partly: true }) }],
    'Failed',
    [],
  ],
  ['and so is one of what may be on', ['Apply', 'Applying', { outcomes: one(refused), certain: false }], 'Failed', []],
  [
    'what changed in between is read anew',
    ['Apply', 'Applying', { outcomes: one({ result: 'changed' }) }],
    'Applying',
    ['prepare'],
  ],
  [
    'what changed is not applied before that is recorded',
    ['Apply', 'Applying', { outcomes: one({ result: 'changed' }), ...ready }],
    'Applying',
    [],
  ],
  ['what is on is looked at', ['Apply', 'Confirmed'], 'Confirmed', ['inspect']],
  ['what is listed no more is looked at all the same', ['Apply', 'Confirmed', there()], 'Confirmed', ['inspect']],
  ['it is effective when that was seen', ['Apply', 'Confirmed', seen({})], 'Effective', []],
  ['it is not while nothing was seen', ['Apply', 'Confirmed', seen({ effective: false })], 'Confirmed', []],
  ['what went away took the fault along', ['Apply', 'Effective', seen({ gone: true, on: false })], 'Reverted', []],
  ['what can not be gone on with failed', ['Apply', 'Confirmed', seen({ refused: 'forbidden' })], 'Failed', []],
  ['taken back before the intent it is missed', ['Revert', undefined], 'Missed', []],
  ['taken back before anything was tried it is missed', ['Revert', 'Applying'], 'Missed', []],
  ['taken back in doubt it is asked for', ['Revert', 'Applying', { certain: false }], 'Applying', ['revert']],
  [
    'taken back when it was done and that is not recorded it is asked for',
    ['Revert', 'Applying', { outcomes: one({ result: 'done' }) }],
    'Applying',
    ['revert'],
  ],
  ['what failed is taken back', ['Revert', 'Failed'], 'Failed', ['revert']],
  ['what was refused is not', ['Revert', 'Refused'], 'Refused', []],
  ['what can not be taken back failed', ['Revert', 'Effective', { undone: one(refused) }], 'Failed', []],
  ['what was taken back is reverted', ['Revert', 'Effective', { undone: one({ result: 'done' }) }], 'Reverted', []],
  ['what is gone is reverted', ['Revert', 'Effective', { undone: one({ result: 'gone' }) }], 'Reverted', []],
  ['that is final', ['Apply', 'Reverted'], 'Reverted', []],
];

describe('of an injection that is taken back in the end,', () => {
  test.each(rows)('%s', (_, given, expected, actions) => {
    const decision = decide(...given);
    expect(decision.entry?.state).toBe(expected);
    expect(decision.actions).toEqual(actions);
  });

  test('what was there before is kept until the end', () => {
    expect(decide('Apply', undefined, ready).entry?.undo).toBe('[{"before":2}]');
    expect(decide('Apply', 'Applying', { outcomes: one({ result: 'done' }) }).entry?.undo).toBe(undo);
    expect(decide('Revert', 'Effective', { undone: one({ result: 'done' }) }).entry?.undo).toBe(undo);
  });

  test('what is read anew takes the place of what was recorded', () => {
    const { entry } = decide('Apply', 'Applying', { outcomes: one({ result: 'changed' }), ...ready });
    expect(entry?.undo).toBe('[{"before":2}]');
  });

  test('what could not be recorded is refused, and says how long it is', () => {
    const { entry } = decide('Apply', undefined, { prepared: one({ result: 'ready', undo: 'x'.repeat(8_193) }) });
    expect(entry).toMatchObject({ state: 'Refused', message: expect.stringContaining('8193') });
  });

  test('what somebody else took away is said once, and not put back', () => {
    const lost = { on: false, effective: false, instead: 'spec.unschedulable is not set' };
    const first = decide('Apply', 'Effective', seen(lost));
    expect(first.actions).toEqual([]);
    expect(first.entry).toMatchObject({
      state: 'Confirmed',
      effective: true,
      drifts: 1,
      conflict: 'spec.unschedulable is not set: somebody else took the fault away',
    });
    expect(first.events.map(({ reason }) => reason)).toEqual(['FaultConflict']);
    const second = decide('Apply', first.entry, seen(lost));
    expect(second.entry).toEqual(first.entry);
    expect(second.events).toEqual([]);
  });

  test('what somebody else put on again is on', () => {
    const { entry } = decide('Apply', { state: 'Confirmed', effective: true, drifts: 1, conflict: 'lost' }, seen({}));
    expect(entry).toMatchObject({ state: 'Effective', drifts: 1 });
  });

  test('what was seen in effect counts also after it was taken back', () => {
    const undone = { undone: one({ result: 'done' as const, conflict: 'spec.replicas is 2' }) };
    const { entry, events } = decide('Revert', { state: 'Effective', effective: true, undo }, undone);
    expect(entry).toMatchObject({ state: 'Reverted', effective: true, conflict: 'spec.replicas is 2' });
    expect(events).toMatchObject([{ type: 'Warning', reason: 'FaultConflict' }]);
    const found = { undone: one({ result: 'done' as const, effective: true }) };
    expect(decide('Revert', 'Confirmed', found).entry?.effective).toBe(true);
  });

  test('progress is told, and the state keeps its time', () => {
    const progress = { done: 1, total: 3, refused: 0 };
    const { entry } = decide('Apply', 'Confirmed', seen({ effective: false, progress }));
    expect(entry).toMatchObject({ progress, time: at(0) });
  });

  test('the next look is when the first sighting is too old, or a refusal is to be tried again', () => {
    expect(decide('Apply', 'Effective', seen({ wakeAt: START + 700 })).wakeAt).toBe(START + 700);
    expect(decide('Revert', 'Effective', { undone: one(refused) }).wakeAt).toBe(START + 5_000);
  });
});

describe('an injection whose run is gone', () => {
  test('is taken back, and deleted once that is stored', () => {
    expect(decide('Apply', 'Effective', { runIsLive: false }).actions).toEqual(['setInjectionState']);
    expect(decide('Revert', 'Effective', { runIsLive: false, present: undefined }).actions).toEqual(['revert']);
    expect(decide('Revert', 'Reverted', { runIsLive: false, present: undefined }).actions).toEqual(['deleteInjection']);
  });
});

describe('an injection of a fault that shows once it happened', () => {
  const shows = { oneShot: true, shows: true, fault: 'rolloutRestart' };

  test('is effective when that was seen, not when its target is gone', () => {
    expect(decide('Apply', 'Confirmed', { ...shows, ...there() })).toMatchObject({ actions: ['inspect'] });
    expect(decide('Apply', 'Confirmed', { ...shows, ...seen({}) }).entry?.state).toBe('Effective');
  });

  test('is settled in doubt by a look', () => {
    const doubt = { ...shows, certain: false };
    expect(decide('Revert', 'Applying', doubt).actions).toEqual(['inspect']);
    expect(decide('Revert', 'Applying', { ...doubt, ...seen({}) }).entry?.state).toBe('Confirmed');
    expect(decide('Revert', 'Applying', { ...doubt, ...seen({ on: false }) }).entry?.state).toBe('Missed');
    expect(decide('Revert', 'Applying', shows).entry?.state).toBe('Missed');
  });
});
