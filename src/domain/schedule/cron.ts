import { CronExpressionParser } from 'cron-parser';

const macros = ['@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly', '@annually'];
const fieldNames = ['minute', 'hour', 'day of the month', 'month', 'day of the week'] as const;
/** Numbers, names, ranges, steps and lists: what crontab(5) knows. */
const part = '(?:\\*|\\?|[0-9]{1,2}|[a-z]{3})(?:-(?:[0-9]{1,2}|[a-z]{3}))?(?:/[0-9]{1,2})?';
const field = new RegExp(`^${part}(?:,${part})*$`, 'i');

/** A cron expression that was understood: which minutes of which days it names. */
export interface Cron {
  /** From 0 to 59, in order. */
  minutes: readonly number[];
  /** From 0 to 23, in order. */
  hours: readonly number[];
  daysOfMonth: ReadonlySet<number>;
  /** From 1 to 12. */
  months: ReadonlySet<number>;
  /** From 0 (Sunday) to 6. */
  weekdays: ReadonlySet<number>;
  /** With days of the month and of the week both restricted a day is meant when one of them fits; crontab(5). */
  eitherDay: boolean;
  /** It names times of the day, such as 2:30, and not a rhythm such as every ten minutes; cron(8) of Debian. */
  isFixed: boolean;
}

/**
 * Reads a cron expression as Kubernetes' CronJob does: five fields, or a macro such as `@daily`.
 *
 * @throws RangeError saying what is wrong with it
 */
export function parseCron(text: string): Cron {
  const trimmed = text.trim();
  const isMacro = macros.includes(trimmed);
  const fields = trimmed.split(/\s+/);
  if (!isMacro) checkFields(trimmed, fields);
  const parsed = parsedFields(trimmed);
  // What cron-parser calls a wildcard may name every value; crontab(5) goes by what is written.
  const [minute = '', hour = '', dayOfMonth = '*', , dayOfWeek = '*'] = isMacro ? [] : fields;
  return {
    minutes: ascending(parsed.minute.values),
    hours: ascending(parsed.hour.values),
    daysOfMonth: new Set(parsed.dayOfMonth.values as number[]),
    months: new Set(parsed.month.values as number[]),
    weekdays: new Set((parsed.dayOfWeek.values as number[]).map((day) => day % 7)),
    eitherDay: isRestricted(dayOfMonth) && isRestricted(dayOfWeek),
    isFixed: isMacro ? trimmed !== '@hourly' : !startsWithStar(minute) && !startsWithStar(hour),
  };
}

function checkFields(text: string, fields: readonly string[]): void {
  if (text.startsWith('@')) {
    const hint = text.startsWith('@every') ? '; use `every` instead of `cron`' : '';
    throw new RangeError(`'${text}' is not a macro: expected one of ${macros.join(', ')}${hint}`);
  }
  if (/^(CRON_)?TZ=/.test(text)) throw new RangeError('a time zone is given in `timeZone`, not in the expression');
  if (fields.length !== 5 || text === '') {
    const count = text === '' ? 'none' : String(fields.length);
    throw new RangeError(
      `expected five fields (minute, hour, day of the month, month, day of the week), such as \`0 10 * * 1-5\`; there are ${count}`,
    );
  }
  for (const [index, value] of fields.entries()) {
    if (!field.test(value))
      throw new RangeError(
        `'${value}' is not a ${fieldNames[index]}: expected numbers, names, \`*\`, ranges \`1-5\`, steps \`*/15\` and lists \`1,3\``,
      );
  }
}

function parsedFields(text: string) {
  try {
    return CronExpressionParser.parse(text, { tz: 'UTC' }).fields;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (reason.includes('explicit day of month')) throw new RangeError(`'${text}' is never due: no month has that day`);
    throw new RangeError(`'${text}' is not a cron expression: ${reason}`);
  }
}

function ascending(values: readonly (number | string)[]): number[] {
  return values.map(Number).sort((a, b) => a - b);
}

function isRestricted(value: string): boolean {
  return value !== '*' && value !== '?';
}

function startsWithStar(value: string): boolean {
  return value.startsWith('*') || value.startsWith('?');
}
