import { enumeration, type Infer, list, object, optional, string } from './schema.js';

/** Days of the week as they are written in windows, Monday first. */
export const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;

/** A time zone of the IANA database; whether it exists is checked apart from the schema. */
export const timeZone = (description: string) =>
  string(description, { max: 64, min: 1, pattern: '^[A-Za-z0-9_+/-]+$' });

const clock = '^([01][0-9]|2[0-3]):[0-5][0-9]$';
const date = '^[0-9]{4}-[0-9]{2}-[0-9]{2}$';

/** When something may happen; several windows add up. */
export const windows = (description: string) =>
  list(
    description,
    object('A span of hours on some days of the week.', {
      days: optional(
        list('days of the week on which the window begins. Left out: every day.', enumeration('A day.', weekdays), {
          max: 7,
          min: 1,
          set: true,
        }),
      ),
      from: string('from is the first minute of the window, as `09:30`.', { max: 5, pattern: clock }),
      to: string(
        'to is the end of the window, as `17:00`, not part of it. One that is not after `from` ends on the next day; equal to `from` it is a whole day.',
        { max: 5, pattern: clock },
      ),
      timeZone: optional(timeZone('timeZone of `from` and `to`, such as `Europe/London`. Left out: UTC.')),
    }),
    { max: 20, min: 1 },
  );

/** When nothing may happen, whatever the windows say. */
export const freezes = (description: string) =>
  list(
    description,
    object('A range of dates.', {
      from: string('from is the first day, as `2026-12-20`.', { max: 10, pattern: date }),
      to: optional(
        string('to is the last day, part of the freeze. Left out: `from` alone.', { max: 10, pattern: date }),
      ),
      timeZone: optional(timeZone('timeZone in which the days begin and end. Left out: UTC.')),
      reason: optional(string('reason for people.', { max: 256, min: 1 })),
    }),
    { max: 100, min: 1 },
  );

/** A span of hours on some days of the week. */
export type Window = Infer<ReturnType<typeof windows>>[number];
/** A range of dates in which nothing may happen. */
export type Freeze = Infer<ReturnType<typeof freezes>>[number];
