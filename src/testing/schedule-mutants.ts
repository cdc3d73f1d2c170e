import type { Mutation } from './mutant.js';

/** A bug in the scheduler, and what the simulated year must say about it. */
export interface ScheduleMutant extends Mutation {
  does: string;
  by: string[];
}

const file = (name: string) => `domain/schedule/${name}.ts`;

/** Bugs that a simulated year must find. */
export const scheduleMutants: readonly ScheduleMutant[] = [
  {
    does: 'forgets what it has dealt with',
    file: file('schedule'),
    from: 'Math.max(Math.min(next === undefined ? now : next - 1, now), recorded)',
    to: 'now - 600_000',
    by: ['started twice', 'were counted', 'started beside', 'aborted'],
  },
  {
    does: 'counts from now after an outage',
    file: file('schedule'),
    from: 'Math.max(Math.min(next === undefined ? now : next - 1, now), recorded)',
    to: 'now - 1',
    by: ['lost', 'were counted', 'nextRunTime'],
  },
  {
    does: 'starts a run however late',
    file: file('schedule'),
    from: 'if (now > start + deadline) return',
    to: 'if (false) return',
    by: ['late'],
  },
  {
    does: 'starts runs while everything is halted',
    file: file('schedule'),
    from: 'if (observed.halts.length > 0) return missed(`everything',
    to: 'if (false) return missed(`everything',
    by: ['halted'],
  },
  {
    does: 'does not look whether a run of the due time is there',
    file: file('schedule'),
    from: "if (draft.run(name)) return { is: 'started' };",
    to: '',
    by: ['were counted', 'started beside', 'aborted', 'lost', 'lastRunNow'],
  },
  {
    does: 'does not count what was missed before the latest',
    file: file('schedule'),
    from: 'if (earlier > 0 && previous !== undefined) miss(',
    to: 'if (false && previous !== undefined) miss(',
    by: ['were counted'],
  },
  {
    does: 'starts beside a run under way although that is forbidden',
    file: file('room'),
    from: "if (first === undefined || policy === 'Allow')",
    to: "if (first === undefined || policy !== 'Replace')",
    by: ['started beside'],
  },
  {
    does: 'starts at once when it replaces',
    file: file('room'),
    from: "return { is: 'cleared', by: first };",
    to: "return { is: 'free' };",
    by: ['started beside'],
  },
  {
    does: 'starts although targets are not Ready',
    file: file('schedule'),
    from: 'unready === undefined || unready.length > 0',
    to: 'unready === undefined',
    by: ['not ready'],
  },
  {
    does: 'ignores that it is suspended',
    file: file('schedule'),
    from: 'if (schedule?.suspend)',
    to: 'if (false)',
    by: ['suspended'],
  },
  {
    does: 'ignores the windows and freezes of policies',
    file: file('due-plan'),
    from: 'freezes: schedule.freezes }, ...policies];',
    to: 'freezes: schedule.freezes }];',
    by: ['closed'],
  },
  {
    does: 'ignores freezes',
    file: 'domain/calendar.ts',
    from: 'isOpen(windows, instant) && !frozenBy(freezes, instant)',
    to: 'isOpen(windows, instant)',
    by: ['closed', 'were counted', 'again and again'],
  },
  {
    does: 'says of the next run when it is due, and not when it starts',
    file: file('schedule'),
    from: 'status.nextRunTime = timeText(next.start);',
    to: 'status.nextRunTime = timeText(next.due);',
    by: ['nextRunTime was'],
  },
  {
    does: 'sleeps until the day after',
    file: file('schedule'),
    from: 'if (next && !waiting) draft.wakeAt(next.start);',
    to: '',
    by: ['lost', 'not at once'],
  },
  {
    does: 'starts a wish anew each time it looks',
    file: file('run-now'),
    from: 'if (status?.lastRunNow === key) return undefined;',
    to: '',
    by: ['the annotation started', 'lastRunNow', 'finished runs are kept'],
  },
  {
    does: 'keeps one run too many of each kind',
    file: file('history'),
    from: 'own.slice(history[bin])',
    to: 'own.slice(history[bin] + 2)',
    by: ['finished runs are kept'],
  },
  {
    does: 'deletes runs that are under way',
    file: file('history'),
    from: 'run.owned && !run.active &&',
    to: 'run.owned &&',
    by: ['which is under way'],
  },
  {
    does: 'has a time of the day that clocks repeat due twice',
    file: file('cron-times'),
    from: 'this.cron.isFixed ? [this.zone.resolve(day + time)] : this.zone.instants(day + time)',
    to: 'this.zone.instants(day + time)',
    by: ['lost', 'no due time', 'were counted'],
  },
];
