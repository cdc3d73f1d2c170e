import { describe, expect, test } from '@jest/globals';
import type { TargetStatus } from '../../api/injection.js';
import type { SidecarReport } from '../../faults/sidecar.js';
import type { Sidecar, SidecarView } from './container.js';
import {
  AWAITED_MILLISECONDS,
  GATE_MILLISECONDS,
  HEARD_MILLISECONDS,
  judge,
  SETTLED_MILLISECONDS,
  type SidecarFacts,
} from './judge.js';

const NOW = 1_800_000_000_000;
const calm: SidecarReport = { drifts: 0, effective: false, evidence: { packets: 0 } };

const container = (more: Partial<Sidecar> = {}): Sidecar => ({
  name: 'squall-agent-0badcafe',
  fault: 'the-order',
  milliseconds: 60_000,
  startBy: NOW + 30_000,
  podIPs: ['10.1.0.5'],
  state: 'Running',
  words: '',
  startedAt: NOW - 5_000,
  ...more,
});
const waiting = (words = 'ContainerCreating', more: Partial<Sidecar> = {}) =>
  container({ state: 'Waiting', startedAt: 0, words, ...more });
const ended = (end: SidecarReport['end'], message = '') =>
  container({ state: 'Ended', words: 'Completed (exit code 0)', report: { ...calm, ...(end && { end }), message } });
const died = container({ state: 'Ended', words: 'OOMKilled (exit code 137)' });

const view = (hold: Sidecar[], revert: Sidecar[] = [], more: Partial<SidecarView> = {}): SidecarView => ({
  hold,
  revert,
  podIPs: ['10.1.0.5'],
  isTerminating: false,
  hasEnded: false,
  ...more,
});
const inState = (state: TargetStatus['state'], drifts?: number): TargetStatus => ({
  uid: 'u',
  state,
  time: '',
  ...(drifts !== undefined && { drifts }),
});

const facts = (more: Partial<SidecarFacts>): SidecarFacts => ({
  before: inState('Applying'),
  back: false,
  view: view([]),
  isGone: false,
  isCertain: true,
  said: undefined,
  isMute: false,
  isNodeReady: true,
  waited: 0,
  lastEffect: undefined,
  now: NOW,
  ...more,
});
const putOn = (more: Partial<SidecarFacts>) => judge(facts(more));
const held = (more: Partial<SidecarFacts>) => judge(facts({ before: inState('Confirmed'), ...more }));
const back = (more: Partial<SidecarFacts>) => judge(facts({ before: inState('Effective'), back: true, ...more }));

describe('a fault that is to be put on', () => {
  test('gets a container, once', () => {
    expect(putOn({}).next).toEqual({ role: 'hold', isAlone: false });
    expect(putOn({ view: view([waiting()]) })).toEqual({ isGone: false, isIntended: true });
  });

  test('gets none in a pod that is on its way out', () => {
    expect(putOn({ view: view([], [], { isTerminating: true }) })).toMatchObject({ outcome: { result: 'gone' } });
  });

  test('is on when its container says so, and not before', () => {
    expect(putOn({ view: view([container()]) }).outcome).toBeUndefined();
    expect(putOn({ view: view([container()]), said: calm }).outcome).toEqual({ result: 'done' });
  });

  test('is on when its container has not given up for a while and its log must not be read', () => {
    const at = (age: number) =>
      putOn({ view: view([container({ startedAt: NOW - age })]), isMute: true }).outcome?.result;
    expect([at(SETTLED_MILLISECONDS - 1), at(SETTLED_MILLISECONDS + 1)]).toEqual([undefined, 'done']);
  });

  test("is refused in the kubelet's words when its container does not start in time", () => {
    const stuck = (startBy: number) => putOn({ view: view([waiting('ErrImagePull: not found', { startBy })]) }).outcome;
    expect(stuck(NOW)).toBeUndefined();
    expect(stuck(NOW - 1)).toMatchObject({ result: 'refused', message: expect.stringMatching(/45 s: ErrImagePull/) });
  });

  test.each([
    ['refused', ended('Refused', 'no such device'), 'no such device'],
    ['lost', ended('Lost', "can't be put back"), "can't be put back"],
    ['left behind', ended('Failed', 'still there'), 'still there'],
    ['killed', died, 'OOMKilled'],
  ])('is refused when its container was %s', (_, hold, words) => {
    const { outcome } = putOn({ view: view([hold]) });
    expect(outcome).toMatchObject({ result: 'refused', message: expect.stringContaining(words) });
  });

  test('gets another container when the one that held it died', () => {
    expect(putOn({ before: inState('Applying', 1), view: view([died]) }).next).toMatchObject({ role: 'hold' });
  });
});

describe('a fault that is on', () => {
  test('shows what its container has seen', () => {
    const said = { ...calm, effective: true, evidence: { packets: 7 } };
    expect(held({ view: view([container()]), said })).toMatchObject({
      sighting: { effective: true, evidence: { packets: 7 } },
    });
  });

  test('has vanished when its container says so, until that is recorded', () => {
    const said = { ...calm, drifts: 2, message: 'the table was gone' };
    const drift = (drifts: number) =>
      held({ before: inState('Confirmed', drifts), view: view([container()]), said }).sighting?.drift;
    expect([drift(1), drift(2)]).toEqual(['the table was gone', undefined]);
  });

  test.each([
    ['died', died, 'its sidecar died: OOMKilled (exit code 137)'],
    ['found it gone', ended('Lost', 'it vanished'), 'it vanished'],
    ['was ended by somebody', ended('Stopped', 'its container was ended'), 'its container was ended'],
  ])('has vanished when its container %s', (_, hold, drift) => {
    expect(held({ view: view([hold]) }).sighting).toMatchObject({ drift });
  });

  test('is over when its time is, and gone with a pod that is on its way out', () => {
    expect(held({ view: view([ended('Over')]) }).over).toMatchObject({ state: 'Reverted' });
    expect(held({ view: view([ended('Stopped')], [], { isTerminating: true }) }).isGone).toBe(true);
  });
});

describe('a fault that is wanted back', () => {
  test('was never on where no container was asked for', () => {
    expect(back({}).over).toMatchObject({ state: 'Missed' });
    expect(back({ isCertain: false }).over).toBeUndefined();
  });

  test('is taken back by a second container while the first one runs, which is waited for when it soon ends', () => {
    expect(back({ view: view([container()]) }).next).toEqual({ role: 'revert', fault: 'the-order', isAlone: false });
    const soon = container({ startedAt: NOW - 60_000 + AWAITED_MILLISECONDS - 1 });
    expect(back({ view: view([soon]) }).next).toBeUndefined();
    expect(back({ view: view([soon]), waited: AWAITED_MILLISECONDS }).next).toBeDefined();
  });

  test('gets nothing new in a pod that is on its way out', () => {
    expect(back({ view: view([container()], [], { isTerminating: true }) }).next).toBeUndefined();
  });

  test('is cleared away by a second one alone when the first one died', () => {
    expect(back({ view: view([died]) }).next).toMatchObject({ role: 'revert', isAlone: true });
  });

  test.each(['Over', 'Stopped', 'Lost'] as const)('is gone when its container has ended: %s', (end) => {
    expect(back({ view: view([ended(end)]) }).over).toMatchObject({ state: 'Reverted' });
  });

  test('was missed when it was refused before it was on', () => {
    expect(back({ before: inState('Failed'), view: view([ended('Refused')]) }).over).toMatchObject({ state: 'Missed' });
  });

  test('is gone only when the second container has said so', () => {
    const second = (revert: Sidecar) => back({ view: view([ended('Stopped')], [revert]) });
    expect(second(container())).toEqual({ isGone: false, isIntended: true, sighting: expect.anything() });
    expect(second(ended('Stopped')).over).toMatchObject({ state: 'Reverted' });
    expect(second(ended('Failed')).next).toMatchObject({ role: 'revert' });
    expect(second(died).next).toMatchObject({ role: 'revert' });
  });

  test('has failed when three could not take it back', () => {
    const tries = [ended('Failed'), ended('Failed'), ended('Failed', 'the class 5351:2 of eth0')];
    const { undone, next } = back({ view: view([died], tries) });
    expect(next).toBeUndefined();
    expect(undone).toMatchObject({ result: 'refused', message: expect.stringMatching(/3 sidecars .*5351:2/) });
  });

  test('was never on when its container has not started in time, and its node is alive to say so', () => {
    const late = view([waiting('ImagePullBackOff', { startBy: NOW - HEARD_MILLISECONDS })]);
    expect(back({ view: late }).over).toMatchObject({ state: 'Missed' });
    expect(back({ view: late, isNodeReady: false }).over).toBeUndefined();
    expect(back({ view: late, now: NOW - 1 }).over).toBeUndefined();
  });

  test('is gone with a network that was made anew, once nobody of the old one runs', () => {
    const anew = { podIPs: ['10.1.0.9'] };
    expect(back({ view: view([died], [], anew) }).over).toMatchObject({ state: 'Reverted' });
    expect(back({ view: view([container()], [], anew) }).over).toBeUndefined();
  });
});

describe('a pod that is gone', () => {
  const gone = { isGone: true };

  test('takes the fault with it when the kubelet has seen its containers end', () => {
    expect(back({ ...gone, view: view([container()], [], { hasEnded: true }) }).isGone).toBe(true);
    expect(back({ ...gone, view: view([ended('Stopped')]) }).isGone).toBe(true);
  });

  test('is no proof, as its containers may still run', () => {
    expect(back({ ...gone, view: view([container()]) })).toMatchObject({ isGone: false });
    expect(back({ ...gone, view: undefined, isCertain: false })).toMatchObject({ isGone: false });
  });

  test('is proof when its sidecar can not be at work any more', () => {
    const at = (lastEffect: number) => back({ ...gone, view: view([container()]), lastEffect }).over?.state;
    expect([at(NOW - GATE_MILLISECONDS + 1), at(NOW - GATE_MILLISECONDS)]).toEqual([undefined, 'Reverted']);
  });

  test('was missed when nothing was asked for', () => {
    expect(putOn({ ...gone, view: view([]) })).toEqual({ isGone: true, isIntended: false });
  });
});
