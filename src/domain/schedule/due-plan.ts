import { createHash } from 'node:crypto';
import type { Schedule } from '../../api/schedule.js';
import { parseDuration } from '../../stats/duration.js';
import { admits, type Calendar, nextOpen, openSpans, openUntil, type Span } from '../calendar.js';
import { type Recurrence, recurrenceOf } from './recurrence.js';

/** What is passed over so often and for so long has no end, but for what is due a few times in a year only. */
const MAX_PASSED_OVER = 500;
const PATIENCE_MILLISECONDS = 400 * 86_400_000;
/** Jitter leaves at least this of a window: a run that starts a moment later is still in it. */
const MARGIN_MILLISECONDS = 60_000;
const HORIZON_MILLISECONDS = 5 * 366 * 86_400_000;

/** When a run is due, and when it is to be started, which jitter makes later. Milliseconds since the epoch. */
export interface Due {
  due: number;
  start: number;
}

/** Due times that have come. */
export interface Arrivals {
  /** The latest of them. */
  latest: Due;
  /** The one before that, if there is one. */
  previous: number | undefined;
  count: number;
}

/**
 * When the runs of one experiment are due. A due time outside of the windows or in a freeze, of the schedule or of a
 * policy, is passed over. Jitter never leads out of the windows or into a freeze: where it would, it is as much shorter
 * as there is less time left. So the start times are in the order of the due times.
 */
export class DuePlan {
  readonly #recurrence: Recurrence;
  readonly #calendars: readonly Calendar[];
  readonly #jitter: number;
  readonly #part: number;

  /**
   * @param policies the windows and freezes of policies
   * @throws RangeError when the schedule can't be read
   */
  constructor(
    schedule: Schedule,
    { uid, createdAt }: { uid: string; createdAt: number },
    policies: readonly Calendar[] = [],
  ) {
    this.#recurrence = recurrenceOf(schedule, createdAt);
    this.#calendars = [{ windows: schedule.windows, freezes: schedule.freezes }, ...policies];
    this.#jitter = parseDuration(schedule.jitter ?? '0s');
    this.#part = partOf(uid);
  }

  /** The next run that is started after an instant; undefined when there is none, as far as can be told. */
  next(instant: number): Due | undefined {
    let due = this.dueAfter(instant - this.#jitter - 1);
    while (due && due.start <= instant) due = this.dueAfter(due.due);
    return due;
  }

  /** Whether a run may be started at an instant. */
  admits(instant: number): boolean {
    return admits(this.#calendars, instant);
  }

  /** The first due time after an instant, whether it is to be started before or after it. */
  dueAfter(instant: number): Due | undefined {
    let from = instant;
    for (let passed = 0; ; passed += 1) {
      const due = this.#recurrence.after(from);
      if (due === undefined || due - instant > HORIZON_MILLISECONDS) return undefined;
      if (admits(this.#calendars, due)) return { due, start: this.#startOf(due) };
      if (passed > MAX_PASSED_OVER && due - instant > PATIENCE_MILLISECONDS) return undefined;
      const open = nextOpen(this.#calendars, due);
      if (open === undefined) return undefined;
      from = open - 1;
    }
  }

  /** The due times after an instant whose start has come. They are counted, not gone through. */
  arrivals(after: number, now: number): Arrivals | undefined {
    if (this.#recurrence.latest(after, now) === undefined) return undefined;
    const spans = openSpans(this.#calendars, { from: after + 1, to: now + 1 });
    const latestUpTo = (upTo: number): number | undefined => {
      for (let index = spans.length - 1; index >= 0; index -= 1) {
        const { from, to } = spans[index] as Span;
        const found = from > upTo ? undefined : this.#recurrence.latest(from - 1, Math.min(to - 1, upTo));
        if (found !== undefined) return found;
      }
      return undefined;
    };
    let due = latestUpTo(now);
    while (due !== undefined && this.#startOf(due) > now) due = latestUpTo(due - 1);
    if (due === undefined) return undefined;
    const last = due;
    const counts = spans.map(({ from, to }) => this.#recurrence.count(from - 1, Math.min(to - 1, last)));
    return {
      latest: { due, start: this.#startOf(due) },
      previous: latestUpTo(due - 1),
      count: counts.reduce((sum, each) => sum + each, 0),
    };
  }

  #startOf(due: number): number {
    if (this.#jitter === 0) return due;
    const closing = openUntil(this.#calendars, due, due + this.#jitter + MARGIN_MILLISECONDS);
    const room = Math.max(0, closing - due - MARGIN_MILLISECONDS);
    return due + Math.floor((room * this.#part) / 1_000) * 1_000;
  }
}

/** From 0 up to but not including 1, always the same for a UID, and spread evenly over many. */
function partOf(uid: string): number {
  return createHash('sha256').update(uid).digest().readUIntBE(0, 6) / 2 ** 48;
}
