const unitMilliseconds: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const wholeDuration = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/;
const durationPart = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;

/**
 * Reads a duration as Go writes it (`250ms`, `1m30s`, `1.5h`; package `time`, `ParseDuration`) into milliseconds.
 * Signs and bare numbers are refused, also `0`: every duration of ours has a unit. Limits are the caller's to check.
 *
 * @throws RangeError saying what was expected
 */
export function parseDuration(text: string): number {
  if (!wholeDuration.test(text)) {
    throw new RangeError(`'${text}' is not a duration: expected numbers with units, such as 250ms, 30s or 1m30s`);
  }
  let milliseconds = 0;
  for (const [, amount, unit] of text.matchAll(durationPart)) {
    milliseconds += Number(amount) * (unitMilliseconds[unit ?? ''] ?? 0);
  }
  return milliseconds;
}

/**
 * Writes milliseconds as Go does: `0s`, `1.5ms`, `250ms`, `3.4s`, `1m30s`, `2h0m0s` becomes the shorter `2h`.
 * Below a second three digits are kept, above it whole milliseconds.
 */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 0) return `-${formatDuration(-milliseconds)}`;
  if (milliseconds === 0) return '0s';
  if (milliseconds < 999.5) return formatSmall(milliseconds);
  const whole = Math.round(milliseconds);
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor((whole % 3_600_000) / 60_000);
  const seconds = (whole % 60_000) / 1_000;
  return `${hours ? `${hours}h` : ''}${minutes ? `${minutes}m` : ''}${seconds ? `${seconds}s` : ''}`;
}

function formatSmall(milliseconds: number): string {
  return milliseconds >= 1
    ? `${Number(milliseconds.toPrecision(3))}ms`
    : `${Number((milliseconds * 1_000).toPrecision(3))}us`;
}
