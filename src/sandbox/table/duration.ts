const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** `5s`, `3m20s`, `4h`, `2d3h`: as kubectl shows ages (apimachinery `util/duration.HumanDuration`). */
export function humanDuration(seconds: number): string {
  if (seconds < 0) {
    return seconds < -1 ? '<invalid>' : '0s';
  }
  if (seconds < 2 * MINUTE) {
    return `${Math.floor(seconds)}s`;
  }
  if (seconds < 3 * HOUR) {
    return seconds < 10 * MINUTE ? twoUnits(seconds, MINUTE, 'm', 1, 's') : `${Math.floor(seconds / MINUTE)}m`;
  }
  if (seconds < 2 * DAY) {
    return seconds < 8 * HOUR ? twoUnits(seconds, HOUR, 'h', MINUTE, 'm') : `${Math.floor(seconds / HOUR)}h`;
  }
  if (seconds < 2 * YEAR) {
    return seconds < 8 * DAY ? twoUnits(seconds, DAY, 'd', HOUR, 'h') : `${Math.floor(seconds / DAY)}d`;
  }
  return seconds < 8 * YEAR ? twoUnits(seconds, YEAR, 'y', DAY, 'd') : `${Math.floor(seconds / YEAR)}y`;
}

/** The time since a timestamp, or `<unknown>` without one. */
export function ageOf(timestamp: unknown, now: Date): string {
  const then = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN;
  return Number.isNaN(then) ? '<unknown>' : humanDuration((now.getTime() - then) / 1000);
}

function twoUnits(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small);
  const whole = `${Math.floor(seconds / large)}${largeName}`;
  return rest === 0 ? whole : `${whole}${rest}${smallName}`;
}
