import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { validateCommand } from './validate.js';

/** The problems of an Experiment with a schedule, without the place of the file. */
async function problemsOf(schedule: string, name = 'lose-one'): Promise<string> {
  return problems(`apiVersion: squall.dev/v1alpha1
kind: Experiment
metadata: {name: ${name}, namespace: shop}
spec:
  schedule: ${schedule}
  method:
    - {name: lose-one, podKill: {}, targets: {pods: {selector: {matchLabels: {app: checkout}}}}}
`);
}

async function problems(text: string): Promise<string> {
  let stderr = '';
  const io = {
    stdin: Readable.from([text]),
    stdout: { write: () => undefined },
    stderr: { write: (line: string) => (stderr += line) },
    color: false,
  };
  await validateCommand(['-'], {}, io);
  return stderr;
}

describe('squall validate of a schedule', () => {
  test.each([
    ['{cron: "0 10 * * 1-5", timeZone: Europe/London, jitter: 10m}'],
    ['{cron: "@daily", windows: [{from: "22:00", to: "06:00"}, {from: "05:00", to: "07:00"}]}'],
    ['{every: 1m}'],
    ['{every: 2h, freezes: [{from: 2026-12-20, to: 2027-01-02}]}'],
    ['{cron: "0 0 29 2 *"}'],
  ])('%s has nothing to say', async (schedule) => {
    expect(await problemsOf(schedule)).toBe('');
  });

  test.each([
    ['{cron: "* * * *"}', ':5:20: spec.schedule.cron: expected five fields', 'there are 4'],
    ['{cron: ""}', ':5:20: spec.schedule.cron:', ''],
    ['{cron: "  "}', ':5:20: spec.schedule.cron: expected five fields', 'there are none'],
    ['{cron: "0 0 31 2 *"}', ':5:20: spec.schedule.cron:', 'is never due: no month has that day'],
    ['{cron: "H * * * *"}', ':5:20: spec.schedule.cron:', "'H' is not a minute"],
    ['{cron: "0 0 * * *", timeZone: Europe/Londn}', ':5:43: spec.schedule.timeZone:', "no time zone 'Europe/Londn'"],
    ['{every: 30s}', ':5:21: spec.schedule.every:', 'must be at least 1m'],
    ['{every: 1h, freezes: [{from: 2026-02-30}]}', 'spec.schedule.freezes[0].from:', 'there is no 2026-02-30'],
    ['{every: 1h, freezes: [{from: 2026-03-02, to: 2026-03-01}]}', 'spec.schedule.freezes[0].to:', 'before `from`'],
    ['{every: 1h, freezes: [{from: 2020-01-01, to: 2999-01-01}]}', 'spec.schedule.every:', 'never due'],
    ['{cron: "0 8 * * *", windows: [{from: "09:00", to: "17:00"}]}', 'spec.schedule.cron:', 'never due'],
    ['{cron: "0 9 * * 1", windows: [{days: [Tue], from: "00:00", to: "00:00"}]}', 'spec.schedule.cron:', 'never due'],
    ['{every: 1h, windows: [{from: "09:00", to: "17:00", timeZone: Mars/Olympus}]}', 'windows[0].timeZone:', 'Mars'],
    ['{every: 1h, jitter: 25h}', 'spec.schedule.jitter:', 'must be at most 24h'],
    ['{cron: "0 0 * * *", every: 1h}', 'spec.schedule:', 'exactly one of'],
    ['{every: 1h, timeZone: Europe/London}', 'spec.schedule:', '`timeZone` may only be given with `cron`'],
  ])('%s is told of at %s %s', async (schedule, place, reason) => {
    const told = await problemsOf(schedule);
    expect(told).toContain(place);
    expect(told).toContain(reason);
  });

  test('takes a name of 52 characters, and none of 53, for runs are named after it', async () => {
    expect(await problemsOf('{every: 1h}', 'n'.repeat(52))).toBe('');
    expect(await problemsOf('{every: 1h}', 'n'.repeat(53))).toContain('at most 52 characters');
  });

  test('looks at the windows and freezes of a SafetyPolicy as well', async () => {
    const told = await problems(`apiVersion: squall.dev/v1alpha1
kind: SafetyPolicy
metadata: {name: peak}
spec:
  windows: [{from: "09:00", to: "17:00", timeZone: Europe/Londn}]
  freezes: [{from: 2026-11-31}]
`);
    expect(told).toContain(':5:52: spec.windows[0].timeZone: there is no time zone');
    expect(told).toContain(':6:20: spec.freezes[0].from: there is no 2026-11-31');
  });
});
