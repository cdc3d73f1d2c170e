import { freezes, timeZone, windows } from './calendar.js';
import {
  boolean,
  defaulted,
  duration,
  enumeration,
  type Infer,
  integer,
  list,
  object,
  optional,
  string,
} from './schema.js';

/** What to do when a run is due while an earlier one of the experiment is still under way. */
export const concurrencyPolicies = ['Forbid', 'Replace', 'Allow'] as const;
/** What a scheduled run can wait for. */
export const startConditions = ['NoRolloutInProgress', 'TargetsReady'] as const;

/** When an experiment is run by itself. */
export const schedule = object(
  'schedule says when the experiment is run by itself. Left out: only when it is asked for.',
  {
    cron: optional(
      string(
        'cron expression with five fields (minute, hour, day of the month, month, day of the week), such as `0 10 * * 1-5`, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. A time of the day that the clocks skip is due at that moment, one that they repeat is due the first time; an hourly or shorter rhythm goes on.',
        { max: 128, min: 1 },
      ),
    ),
    every: optional(
      duration(
        'every is the time from one due time to the next, at least 1m, counted from the creation of the experiment.',
      ),
    ),
    timeZone: optional(timeZone('timeZone of `cron`, such as `Europe/London`. Left out: UTC.')),
    jitter: optional(
      duration(
        "jitter delays every due time by a part of this that is derived from the experiment's UID, so that many experiments of the same minute spread, and one is always as late; it never leads out of `windows` or into a freeze. At most 24h. Left out: none.",
        { max: '24h' },
      ),
    ),
    startingDeadline: defaulted(
      duration(
        'startingDeadline is how late a run may be started, such as after an outage of the controller; what is later is missed. Default 5m.',
      ),
      '5m',
    ),
    concurrencyPolicy: defaulted(
      enumeration(
        'concurrencyPolicy says what to do when a run is due while another of the experiment is under way: `Forbid` skips the new one, `Replace` aborts the old one and starts when its faults are taken back, `Allow` starts it beside. Default `Forbid`.',
        concurrencyPolicies,
      ),
      'Forbid',
    ),
    suspend: optional(
      boolean(
        'suspend keeps runs from being started by the schedule; those under way go on, and what is due meanwhile is not made up for. Default false.',
      ),
    ),
    windows: optional(
      windows('windows are when runs may start; due times outside of them are passed over. Left out: always.'),
    ),
    freezes: optional(freezes('freezes are days on which no run may start. Left out: none.')),
    startWhen: optional(
      list(
        'startWhen is what must hold before a run is started, until `startingDeadline`: `NoRolloutInProgress` of a workload that is targeted, `TargetsReady` for all pods and nodes the targets name. Left out: nothing.',
        enumeration('A condition.', startConditions),
        { max: 2, min: 1, set: true },
      ),
    ),
  },
  [
    { rule: 'has(self.cron) != has(self.every)', message: 'exactly one of `cron`, `every` must be given' },
    { rule: '!has(self.timeZone) || has(self.cron)', message: '`timeZone` may only be given with `cron`' },
  ],
);

const kept = (what: string, byDefault: number) =>
  defaulted(
    integer(`${what} runs are kept at most; the oldest are deleted. Default ${byDefault}.`, { min: 0, max: 1000 }),
    byDefault,
  );

/** How many finished runs of an experiment are kept. */
export const history = object(
  'history says how many finished runs are kept, by verdict; runs that may have left something behind are always kept.',
  {
    passed: kept('passed', 3),
    failed: kept('failed', 10),
    other: kept('other (Inconclusive, Aborted, Error)', 5),
  },
);

/** When an experiment is run by itself. */
export type Schedule = Infer<typeof schedule>;
/** How many finished runs of an experiment are kept. */
export type History = Infer<typeof history>;
