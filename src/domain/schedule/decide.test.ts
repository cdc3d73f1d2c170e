import { describe, expect, test } from '@jest/globals';
import type { Experiment, ExperimentStatus } from '../../api/experiment.js';
import type { Schedule } from '../../api/schedule.js';
import { decideSchedule } from './decide.js';
import type { KnownRun, ScheduleObserved } from './observed.js';

const CREATED = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

function at(minutes: number): number {
  return CREATED + minutes * MINUTE;
}

function text(minutes: number): string {
  return new Date(at(minutes)).toISOString().replace('.000Z', 'Z');
}

const hourly: Schedule = { every: '1h', startingDeadline: '5m', concurrencyPolicy: 'Forbid' };

function experiment(schedule: Partial<Schedule> | undefined, more: Partial<Experiment> = {}): Experiment {
  return {
    apiVersion: 'squall.dev/v1alpha1',
    kind: 'Experiment',
    metadata: {
      name: 'e',
      namespace: 'shop',
      uid: 'uid-e',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: text(0),
    },
    spec: {
      serviceAccountName: 'default',
      ...(schedule && { schedule: { ...hourly, ...schedule } }),
      method: [],
      recovery: { within: '60s' },
      timeout: '1h',
    },
    ...more,
  };
}

function observed(object: Experiment, more: Partial<ScheduleObserved> = {}): ScheduleObserved {
  return { experiment: object, problems: [], runs: [], halts: [], policies: [], ...more };
}

function aRun(name: string, more: Partial<KnownRun> = {}): KnownRun {
  const ended = { verdict: 'Passed', reason: 'HypothesisHeld', finishTime: text(1) };
  return {
    name,
    uid: `uid-${name}`,
    trigger: 'Schedule',
    owned: true,
    active: false,
    ending: false,
    ...ended,
    ...more,
  };
}

/** The status after a first look at a moment. */
function known(minutes: number, schedule: Partial<Schedule> = {}): { status: ExperimentStatus } {
  return { status: decideSchedule(observed(experiment(schedule)), at(minutes)).status };
}

const nameAt = (minutes: number) => `e-${at(minutes) / MINUTE}`;

describe('a schedule', () => {
  test('is due for the first time after its creation, and sleeps until then', () => {
    const { actions, status, wakeAt } = decideSchedule(observed(experiment({})), at(1));
    expect(actions).toEqual([]);
    expect(wakeAt).toBe(at(60));
    expect(status).toMatchObject({ nextRunTime: text(60), schedule: { rhythm: 'every 1h', nextDueTime: text(60) } });
  });

  test('makes up for nothing that was due while it was suspended', () => {
    const suspended = decideSchedule(observed(experiment({ suspend: true }, known(1))), at(59)).status;
    expect(suspended.nextRunTime).toBeUndefined();
    const { actions, status } = decideSchedule(observed(experiment({}, { status: suspended })), at(61));
    expect(actions).toEqual([]);
    expect(status.nextRunTime).toBe(text(120));
    expect(status.missedRuns).toBeUndefined();
  });

  test('names a run after its due time also when jitter makes it later, each time by as much', () => {
    const jitter = { jitter: '30m' };
    const { status } = decideSchedule(observed(experiment(jitter)), at(1));
    const start = Date.parse(status.nextRunTime ?? '');
    expect(start).toBeGreaterThan(at(60));
    expect(start).toBeLessThan(at(90));
    expect(decideSchedule(observed(experiment(jitter, { status })), start - 1).actions).toEqual([]);
    const decision = decideSchedule(observed(experiment(jitter, { status })), start);
    expect(decision.actions).toMatchObject([{ do: 'create', name: nameAt(60), due: at(60), start }]);
    expect(Date.parse(decision.status.nextRunTime ?? '')).toBe(start + 60 * MINUTE);
  });

  test('shortens jitter where a window closes', () => {
    const jitter = { cron: '0 16 * * *', jitter: '24h', windows: [{ from: '09:00', to: '17:00' }] };
    const starts = Array.from({ length: 50 }, (_, index) => {
      const object = experiment({ ...jitter });
      delete object.spec.schedule?.every;
      object.metadata.uid = `uid-${index}`;
      return Date.parse(decideSchedule(observed(object), at(1)).status.nextRunTime ?? '') - at(16 * 60);
    });
    expect(Math.min(...starts)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...starts)).toBeLessThan(59 * MINUTE);
    expect(new Set(starts).size).toBeGreaterThan(45);
  });

  test('does not go back with a clock that is set back, and starts nothing twice although the run is gone', () => {
    const started = decideSchedule(observed(experiment({}, known(1))), at(60)).status;
    const decision = decideSchedule(observed(experiment({}, { status: started })), at(30));
    expect(decision.actions).toEqual([]);
    expect(decision.status.nextRunTime).toBe(text(120));
  });

  test('is not stuck for ever after a clock that was a year ahead', () => {
    const lost = decideSchedule(observed(experiment({}, known(1))), at(365 * 1_440)).status;
    const back = decideSchedule(observed(experiment({}, { status: lost })), at(90)).status;
    expect(back.nextRunTime).toBe(text(120));
    expect(decideSchedule(observed(experiment({}, { status: back })), at(120)).actions).toHaveLength(1);
  });

  test('counts a million missed starts at once, and starts the latest', () => {
    const everyMinute = { every: '1m' };
    const before = performance.now();
    const decision = decideSchedule(observed(experiment(everyMinute, known(0, everyMinute))), at(1_000_000));
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(decision.actions).toMatchObject([{ do: 'create', name: nameAt(1_000_000) }]);
    expect(decision.status.missedRuns).toBe(999_999);
    expect(decision.events.map(({ reason }) => reason)).toEqual(['RunStarted', 'RunsMissed']);
  });

  test('starts nothing once the window has closed that was open when it was due', () => {
    const windows = { windows: [{ from: '00:30', to: '01:02' }] };
    const decision = decideSchedule(observed(experiment(windows, known(1, windows))), at(63));
    expect(decision.actions).toEqual([]);
    expect(decision.status).toMatchObject({ missedRuns: 1, lastMissed: { dueTime: text(60) } });
    expect(decision.status.lastMissed?.message).toContain('window had closed');
  });

  test('takes a run that is there for started, whose start was not recorded', () => {
    const runs = [aRun(nameAt(60), { active: true, scheduledTime: at(60) })];
    const decision = decideSchedule(observed(experiment({}, known(1)), { runs }), at(100));
    expect(decision.actions).toEqual([]);
    expect(decision.status.lastScheduleTime).toBe(text(60));
    expect(decision.status.missedRuns).toBeUndefined();
  });

  test('does not count an earlier run as missed whose start was not recorded', () => {
    const runs = [aRun(nameAt(60), { scheduledTime: at(60) })];
    const decision = decideSchedule(observed(experiment({}, known(1)), { runs }), at(181));
    expect(decision.actions).toMatchObject([{ do: 'create', name: nameAt(180) }]);
    expect(decision.status.missedRuns).toBe(1);
  });

  test('misses a run whose name something else has', () => {
    const taken = new Set([nameAt(60)]);
    const decision = decideSchedule(observed(experiment({}, known(1)), { taken }), at(60));
    expect(decision.actions).toEqual([]);
    expect(decision.status.lastMissed?.message).toContain('another run of the name');
  });

  test('asks whether targets are ready only when a run is due', () => {
    const startWhen: Partial<Schedule> = { startWhen: ['TargetsReady'] };
    const object = experiment(startWhen, known(1, startWhen));
    expect(decideSchedule(observed(object), at(59)).asksReadiness).toBe(false);
    expect(decideSchedule(observed(object), at(60)).asksReadiness).toBe(true);
    expect(decideSchedule(observed(object, { unready: [] }), at(60)).actions).toHaveLength(1);
    const waiting = decideSchedule(observed(object, { unready: ['1 of 2 is not Ready'] }), at(60));
    expect(waiting).toMatchObject({ actions: [], wakeAt: at(60) + 5_000, status: { nextRunTime: text(60) } });
  });

  test('does not end a run that a person has started, to take its place', () => {
    const runs = [aRun('mine', { trigger: 'Manual', owned: false, active: true })];
    const replace: Partial<Schedule> = { concurrencyPolicy: 'Replace' };
    const decision = decideSchedule(observed(experiment(replace, known(1, replace)), { runs }), at(60));
    expect(decision.actions).toEqual([]);
    expect(decision.status.lastMissed?.message).toBe('Run mine was still under way');
  });
});

describe('history', () => {
  const none = { passed: 0, failed: 0, other: 0 };
  const finished = [
    aRun('e-1', { scheduledTime: at(1) }),
    aRun('e-2', { verdict: 'Error', reason: 'CleanupUnproven', scheduledTime: at(2) }),
    aRun('e-3', { trigger: 'Manual', owned: false }),
    aRun('e-4', { active: true, scheduledTime: at(3) }),
    aRun('e-5', { scheduledTime: at(90) }),
  ];

  const recorded = (finishTime: string) => {
    const lastRun = { name: 'e-0', verdict: 'Passed', reason: 'HypothesisHeld', finishTime };
    return { status: { ...known(1).status, lastScheduleTime: text(60), lastRun } };
  };

  test('deletes neither what may have left something, nor what is not its own, under way, or not recorded yet', () => {
    const object = experiment({}, recorded(text(1)));
    object.spec.history = none;
    const { actions } = decideSchedule(observed(object, { runs: finished }), at(61));
    expect(actions).toEqual([{ do: 'delete', name: 'e-1', uid: 'uid-e-1' }]);
  });

  test('keeps three that passed where nothing is said', () => {
    const runs = [1, 2, 3, 4, 5].map((n) => aRun(`e-${n}`, { scheduledTime: at(n), finishTime: text(n) }));
    const before = decideSchedule(observed(experiment({}, recorded(text(0))), { runs }), at(61));
    // How they ended is recorded first: one that dies in between leaves the answer.
    expect(before).toMatchObject({ actions: [], status: { lastRun: { name: 'e-5' } } });
    const { actions } = decideSchedule(observed(experiment({}, { status: before.status }), { runs }), at(61));
    expect(actions.map(({ name }) => name)).toEqual(['e-2', 'e-1']);
  });

  test('lets go of a run whose start nobody lived to record, also when the schedule is gone', () => {
    const runs = [aRun('e-50', { scheduledTime: at(50), finishTime: text(51) })];
    const status = { ...recorded(text(51)).status, lastScheduleTime: text(40) };
    const object = experiment(undefined, { status });
    object.spec.history = none;
    const first = decideSchedule(observed(object, { runs }), at(61));
    expect(first).toMatchObject({ actions: [], status: { lastScheduleTime: text(50) } });
    const next = { ...object, status: first.status };
    expect(decideSchedule(observed(next, { runs }), at(61)).actions).toEqual([
      { do: 'delete', name: 'e-50', uid: 'uid-e-50' },
    ]);
  });
});
