import type { Experiment } from '../api/experiment.js';
import { ANNOTATION_RUN_NOW } from '../api/labels.js';
import type { Schedule } from '../api/schedule.js';
import type { Calendar } from '../domain/calendar.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** When the simulated year begins and ends. Milliseconds since the epoch, on a clock that is always right. */
export const YEAR = { from: Date.UTC(2026, 0, 1), to: Date.UTC(2027, 0, 1) };

/** From one moment to another one that is not part of it. */
export interface Span {
  from: number;
  to: number;
}

/** What goes on around the experiments: nobody tells the controller in advance. */
export interface Weather {
  /** When no controller runs. */
  outages: Span[];
  halts: Span[];
  /** Policies with windows and freezes, while they are there. */
  policies: { span: Span; calendar: Calendar }[];
  /** From when on the API server's clock is ahead by how much; negative: behind. */
  clock: { at: number; ahead: number }[];
}

/** One experiment, and what people do to it in the year. */
export interface Story {
  experiment: Experiment;
  createdAt: number;
  suspended: Span[];
  /** The schedule it gets at some time. */
  edits: { at: number; schedule: Schedule }[];
  /** Values the annotation gets. */
  wishes: { at: number; value: string }[];
  /** When its targets are not Ready. */
  unready: Span[];
  /** How long its runs take at most. */
  longestRun: number;
}

/** Numbers from 0 up to but not including 1 that are the same for the same seed: mulberry32. */
export class Dice {
  constructor(private state: number) {}

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  chance(part: number): boolean {
    return this.next() < part;
  }

  /** So many spans of the year, of lengths up to `longest`. */
  spans(count: number, longest: number): Span[] {
    return Array.from({ length: count }, () => {
      const from = YEAR.from + this.below(YEAR.to - YEAR.from);
      // Most are short.
      return { from, to: from + 5 * SECOND + Math.floor(this.next() ** 3 * longest) };
    }).sort((a, b) => a.from - b.from);
  }
}

/** Outages and halts, and nothing that changes which times are due. */
export function plainWeather(dice: Dice): Weather {
  return { outages: dice.spans(25, 3 * DAY), halts: dice.spans(6, 2 * DAY), policies: [], clock: [] };
}

/** The same with policies that come and go, and a clock that is set forward and back. */
export function roughWeather(dice: Dice): Weather {
  const policy = (calendar: Calendar, days: number) => {
    const from = YEAR.from + dice.below(300 * DAY);
    return { span: { from, to: from + days * DAY }, calendar };
  };
  const steps = dice.spans(4, 12 * HOUR).flatMap(({ from, to }, index) => [
    { at: from, ahead: [-5 * MINUTE, 5 * MINUTE, -50 * MINUTE, 90 * SECOND][index] ?? 0 },
    { at: to, ahead: 0 },
  ]);
  return {
    ...plainWeather(dice),
    policies: [
      { span: YEAR, calendar: { freezes: [{ from: '2026-12-19', to: '2027-01-02' }] } },
      policy(
        { windows: [{ days: ['Mon', 'Tue', 'Wed', 'Thu'], from: '06:00', to: '21:00', timeZone: 'Europe/Paris' }] },
        30,
      ),
      policy({ freezes: [{ from: '2026-01-01', to: '2026-12-31', timeZone: 'Asia/Tokyo' }] }, 2),
    ],
    clock: steps.sort((a, b) => a.at - b.at),
  };
}

const crons = ['0 10 * * 1-5', '30 1,2 * * *', '0 0 * * 0', '15 9,17 * * *', '45 23 1,15 * *', '5 4 * * sat', '@daily'];
const oftenCrons = ['20 */3 * * *', '*/30 8-18 * * 2'];
const zones = ['UTC', 'Europe/London', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Africa/Cairo'];
/** None begins or ends at night, when clocks are set: what that means is tried elsewhere. */
const windows = [
  { from: '07:00', to: '19:30', timeZone: 'Europe/London' },
  { days: ['Mon' as const, 'Wed' as const, 'Fri' as const], from: '20:00', to: '05:30', timeZone: 'America/New_York' },
  { from: '05:00', to: '05:00', days: ['Sat' as const, 'Sun' as const, 'Tue' as const] },
];
const freezes = [{ from: '2026-04-03', to: '2026-04-06', timeZone: 'Europe/London' }, { from: '2026-11-27' }];

function schedule(dice: Dice): Schedule {
  const rhythm = dice.chance(0.3)
    ? { every: dice.one(['24h', '31h', '100h', '167h']) }
    : { cron: dice.one(dice.chance(0.06) ? oftenCrons : crons), timeZone: dice.one(zones) };
  return {
    ...rhythm,
    startingDeadline: dice.one(['1m', '5m', '3h']),
    concurrencyPolicy: dice.one(['Forbid', 'Forbid', 'Replace', 'Allow']),
    ...(dice.chance(0.4) && { jitter: dice.one(['30s', '10m', '4h']) }),
    ...(dice.chance(0.3) && { windows: [dice.one(windows), dice.one(windows)] }),
    ...(dice.chance(0.3) && { freezes }),
    ...(dice.chance(0.2) && { startWhen: ['TargetsReady' as const] }),
  };
}

/** The story of one of many experiments; a plain one is left alone by people. */
export function story(index: number, dice: Dice, isPlain: boolean): Story {
  const createdAt = YEAR.from + dice.below(20) * MINUTE + dice.below((40 * DAY) / SECOND) * SECOND;
  const first = schedule(dice);
  const name = `experiment-${index}`;
  const experiment: Experiment = {
    apiVersion: 'squall.dev/v1alpha1',
    kind: 'Experiment',
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${index}`,
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: new Date(createdAt).toISOString(),
      annotations: {},
    },
    spec: {
      serviceAccountName: 'default',
      schedule: first,
      history: { passed: dice.below(3), failed: dice.below(3), other: dice.below(3) },
      method: [],
      recovery: { within: '60s' },
      timeout: '1h',
    },
  };
  const moments = (count: number) =>
    Array.from({ length: count }, () => createdAt + dice.below(YEAR.to - createdAt)).sort((a, b) => a - b);
  return {
    experiment,
    createdAt,
    suspended: isPlain ? [] : dice.spans(2, 20 * DAY).filter(({ from }) => from > createdAt),
    edits: isPlain ? [] : moments(1).map((at) => ({ at, schedule: schedule(dice) })),
    wishes: isPlain ? [] : moments(3).map((at, place) => ({ at, value: `v${place}` })),
    unready: first.startWhen ? dice.spans(100, 5 * HOUR) : [],
    longestRun: dice.one([2 * MINUTE, 10 * MINUTE, 5 * HOUR]),
  };
}

/** The experiment as it is at a moment, but for its status. */
export function experimentAt({ experiment, suspended, edits, wishes }: Story, moment: number): Experiment {
  const edited = edits.filter(({ at }) => at <= moment);
  const base = edited.at(-1)?.schedule ?? experiment.spec.schedule;
  const changes = suspended.flatMap(({ from, to }) => [from, to]).filter((at) => at <= moment);
  const wish = wishes.findLast(({ at }) => at <= moment);
  return {
    ...experiment,
    metadata: {
      ...experiment.metadata,
      generation: 1 + edited.length + changes.length,
      annotations: wish ? { [ANNOTATION_RUN_NOW]: wish.value } : {},
    },
    spec: { ...experiment.spec, ...(base && { schedule: { ...base, suspend: isWithin(suspended, moment) } }) },
  };
}

/** Whether a moment is in one of the spans. */
export function isWithin(spans: readonly Span[], moment: number): boolean {
  return spans.some(({ from, to }) => moment >= from && moment < to);
}
