import { describe, expect, test } from '@jest/globals';
import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Injection } from '../../api/injection.js';
import { holdingOf } from '../../domain/reservations.js';
import { anInjection, aRun, aStep, freezeFacts, killFacts } from '../../testing/builders.js';
import { Ledger, type LedgerCaches } from './ledger.js';

function ledgerOf(injections: Injection[], runs: ExperimentRun[] = []): Ledger {
  const get = (namespace: string | undefined, name: string) => {
    const run = runs.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
    return run && { finished: false as const, uid: run.metadata.uid, run };
  };
  return new Ledger({ injections: { list: () => injections }, runs: { get } } as unknown as LedgerCaches);
}

const uidsOf = (ledger: Ledger, uid = 'other') =>
  ledger.others(uid).flatMap(({ targets }) => targets.map((each) => each.uid));
const claimsOf = (ledger: Ledger, uid = 'other') => ledger.others(uid).flatMap(({ claims }) => claims);
const kill = (state: 'Pending' | 'Apply', targets: Parameters<typeof anInjection>[1], more = {}) =>
  anInjection({ state, podKill: {}, ...more } as never, targets);

describe('the ledger', () => {
  test('counts what injections hold of runs that this process has not decided on', () => {
    const ledger = ledgerOf([kill('Pending', [undefined, undefined])], [aRun()]);
    expect(uidsOf(ledger)).toEqual(['uid-pod-0', 'uid-pod-1']);
    expect(claimsOf(ledger)).toHaveLength(2);
    expect(uidsOf(ledger, 'run-uid')).toEqual([]);
  });

  test('takes what this process has decided instead, from that moment on', () => {
    const run = aRun();
    const ledger = ledgerOf([kill('Pending', [undefined])], [run]);
    const target = { namespace: 'shop', name: 'x', uid: 'uid-x', group: 0, disrupts: true };
    ledger.set(run, { targets: [target], claims: ['Deployment/web in namespace shop'] });
    expect(uidsOf(ledger)).toEqual(['uid-x']);
    ledger.release(run.metadata.uid);
    expect(uidsOf(ledger)).toEqual(['uid-pod-0']);
    ledger.set(run, { targets: [target], claims: [] });
    ledger.reset();
    expect(uidsOf(ledger)).toEqual(['uid-pod-0']);
  });

  test('lets go of a run that was decided and whose injections never came to be', () => {
    const run = aRun();
    const ledger = ledgerOf([]);
    ledger.set(run, { targets: [], claims: ['Deployment/web in namespace shop'] });
    ledger.release(run.metadata.uid);
    expect(ledger.others('other')).toEqual([]);
  });

  test('keeps what a run that is over could not take back, and nothing of what has nothing to take back', () => {
    const lasting = anInjection({ state: 'Revert', step: 'slow', network: {} } as never, ['Failed', 'Reverted']);
    const ledger = ledgerOf([lasting, kill('Apply', ['Effective'])]);
    expect(uidsOf(ledger)).toEqual(['uid-pod-0']);
    expect(claimsOf(ledger)).toEqual([]);
  });

  test('is not confused by a fault that this version does not know', () => {
    const ledger = ledgerOf([anInjection({ state: 'Apply', flood: {} } as never, ['Confirmed'])], [aRun()]);
    expect(ledger.others('other')[0]?.targets).toMatchObject([{ uid: 'uid-pod-0', disrupts: true }]);
  });
});

describe('what a run holds', () => {
  const method = [aStep('a'), aStep('b', { parallel: true }), aStep('c')];
  const facts = { a: killFacts, b: freezeFacts, c: killFacts };
  const held = (
    states: Record<string, 'Waiting' | 'Holding' | 'Done'>,
    injections: Injection[],
    finishTime?: string,
  ) => {
    const steps = Object.entries(states).map(([name, state]) => ({
      name,
      state,
      fault: '',
      rounds: 1,
      targets: 1,
      hit: 0,
      effective: 0,
    }));
    const status = { steps, ...(finishTime && { finishTime }) };
    return holdingOf({ method, status, facts }, injections);
  };

  test('stands in the group of its step', () => {
    const injections = [anInjection({ step: 'b' }, [undefined]), anInjection({ step: 'c' }, [undefined])];
    expect(held({}, injections).targets.map(({ group, disrupts }) => [group, disrupts])).toEqual([
      [0, false],
      [1, true],
    ]);
  });

  test('is held until a fault that lasts is off, and one that is over at once until its step ends', () => {
    const killed = anInjection({ step: 'a' }, ['Effective', 'Missed']);
    const lasting = anInjection({ step: 'b' }, ['Confirmed', 'Reverted', 'Failed']);
    expect(held({ a: 'Holding', b: 'Done' }, [killed, lasting]).targets).toMatchObject([
      { uid: 'uid-pod-0', disrupts: true },
      { uid: 'uid-pod-2', disrupts: false },
    ]);
    expect(held({ a: 'Done', b: 'Done' }, [killed, lasting]).targets.map(({ uid }) => uid)).toEqual([
      'uid-pod-0',
      'uid-pod-2',
    ]);
  });

  test('is claimed until the run is over, whatever became of it', () => {
    const killed = anInjection({ step: 'a' }, ['Effective']);
    expect(held({ a: 'Done' }, [killed])).toMatchObject({ targets: [], claims: [expect.stringContaining('pod-0')] });
    expect(held({ a: 'Done' }, [killed], '2026-01-01T00:00:00Z').claims).toEqual([]);
  });
});
