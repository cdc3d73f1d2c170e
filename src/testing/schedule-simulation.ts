import type { Experiment } from '../api/experiment.js';
import type { decideSchedule } from '../domain/schedule/decide.js';
import type { KnownRun, ScheduleAction, ScheduleDecision, ScheduleObserved } from '../domain/schedule/observed.js';
import { type Dice, experimentAt, isWithin, type Span, type Story, type Weather, YEAR } from './schedule-world.js';

const DAY = 86_400_000;
/** Nobody has to look more often in a year: mostly every 5 s while targets are not ready. */
const MOST_LOOKS = 500_000;
/** How often a look ends half-way because the process dies, and for how long then nobody looks at most. */
const CRASHES = 0.02;
const LONGEST_CRASH = 20 * 60_000;
/** A timer is never set for longer. */
const LONGEST_WAIT = DAY;

/** A run that was started. */
export interface SimulatedRun {
  name: string;
  trigger: 'Schedule' | 'RunNow';
  due: number | undefined;
  /** When, on a clock that is always right, and on the API server's. */
  at: number;
  clock: number;
  /** What the status said about the next run just before. */
  promised: string | undefined;
  /** When it is over. */
  end: number;
  verdict: string;
}

/** What has happened to one experiment in a year. */
export interface Course {
  story: Story;
  weather: Weather;
  /** All runs that were ever created, in order. */
  started: SimulatedRun[];
  /** When nobody looked for some time because a process had died. */
  crashes: Span[];
  /** The experiment as it is in the end. */
  last: Experiment;
  /** What is wrong about it, in words, seen while it went on. */
  wrong: string[];
}

/** The part of Squall that is tried. */
export type Decide = typeof decideSchedule;

/** Lets a year of one experiment pass, in virtual time. */
export function simulateYear(story: Story, weather: Weather, dice: Dice, decide: Decide): Course {
  const simulation = new Simulation(story, weather, dice, decide);
  simulation.pass();
  return simulation.course;
}

class Simulation {
  readonly course: Course;
  readonly #runs = new Map<string, SimulatedRun>();
  #status: Experiment['status'];
  readonly #moments: number[];

  constructor(
    readonly story: Story,
    readonly weather: Weather,
    readonly dice: Dice,
    readonly decide: Decide,
  ) {
    this.course = { story, weather, started: [], crashes: [], last: story.experiment, wrong: [] };
    // Whatever changes has the controller look, if there is one; and once in a while it looks for no reason.
    const changes = [
      ...[
        ...weather.halts,
        ...weather.outages,
        ...story.suspended,
        ...weather.policies.map(({ span }) => span),
      ].flatMap(({ from, to }) => [from, to]),
      ...[...story.edits, ...story.wishes, ...weather.clock].map(({ at }) => at),
      ...dice.spans(20, 0).map(({ from }) => from),
    ];
    this.#moments = changes.filter((at) => at > story.createdAt && at < YEAR.to).sort((a, b) => a - b);
  }

  pass(): void {
    let now = this.story.createdAt;
    for (let looks = 0; now < YEAR.to; looks += 1) {
      if (looks > MOST_LOOKS) {
        this.course.wrong.push(`looks again and again at ${new Date(now).toISOString()}`);
        break;
      }
      const down = [...this.weather.outages, ...this.course.crashes.slice(-1)];
      const up = down.find(({ from, to }) => now >= from && now < to)?.to;
      if (up !== undefined) {
        now = up;
        continue;
      }
      const wait = this.#look(now);
      now = Math.min(wait, this.#nextMoment(now), this.#nextEnd(now));
    }
    this.course.last = { ...experimentAt(this.story, YEAR.to - 1), ...(this.#status && { status: this.#status }) };
  }

  /** Looks, and says when to look again. */
  #look(now: number): number {
    const clock = this.#clock(now);
    const observed = this.#observe(now);
    let decision = this.decide(observed, clock);
    if (decision.asksReadiness) {
      const unready = isWithin(this.story.unready, now) ? ['not Ready'] : [];
      decision = this.decide({ ...observed, unready }, clock);
    }
    const isWritten = this.#act(decision, now, clock);
    if (!isWritten) {
      const crash = { from: now, to: now + 1_000 + this.dice.below(LONGEST_CRASH) };
      this.course.crashes.push(crash);
      return now;
    }
    const isNews = decision.actions.length > 0 || decision.status.lastRun?.name !== this.#status?.lastRun?.name;
    this.#status = decision.status;
    // What was done or written makes for another look, by the watch.
    if (isNews) return now + 1;
    this.#check(now);
    return now + Math.min(LONGEST_WAIT, Math.max(1, (decision.wakeAt ?? Number.POSITIVE_INFINITY) - clock));
  }

  /** Performs the actions; false when the process died meanwhile, before the status was written. */
  #act({ actions }: ScheduleDecision, now: number, clock: number): boolean {
    for (const action of actions) {
      if (this.dice.chance(CRASHES)) return false;
      if (action.do === 'create') this.#create(action, now, clock);
      else if (action.do === 'abort') this.#abort(action.name, now);
      else this.#delete(action.name, now);
    }
    return actions.length === 0 || !this.dice.chance(CRASHES);
  }

  #create({ name, trigger, due }: Extract<ScheduleAction, { do: 'create' }>, now: number, clock: number): void {
    // The API server refuses a name that is there: then it counts as started.
    if (this.#runs.has(name)) return;
    const run: SimulatedRun = {
      name,
      trigger,
      due,
      at: now,
      clock,
      promised: this.#status?.nextRunTime,
      end: now + 1_000 + this.dice.below(this.story.longestRun),
      verdict: this.dice.one(['Passed', 'Passed', 'Failed', 'Inconclusive', 'Aborted']),
    };
    const halt = this.weather.halts.find(({ to, from }) => to > now && from < run.end);
    if (halt) run.end = Math.min(run.end, Math.max(now, halt.from) + 2_000);
    this.#runs.set(name, run);
    this.course.started.push(run);
  }

  #abort(name: string, now: number): void {
    const run = this.#runs.get(name);
    if (!run) this.course.wrong.push(`aborted ${name}, which is not there`);
    else run.end = Math.min(run.end, now + 1_000 + this.dice.below(120_000));
  }

  #delete(name: string, now: number): void {
    const run = this.#runs.get(name);
    if (run && run.end > now) this.course.wrong.push(`deleted ${name}, which is under way`);
    this.#runs.delete(name);
  }

  #observe(now: number): ScheduleObserved {
    const experiment = experimentAt(this.story, now);
    return {
      experiment: this.#status ? { ...experiment, status: this.#status } : experiment,
      problems: [],
      runs: [...this.#runs.values()].map((run) => knownRun(run, now)),
      halts: isWithin(this.weather.halts, now) ? ['policy squall-halt: drill'] : [],
      policies: this.weather.policies.filter(({ span }) => isWithin([span], now)).map(({ calendar }) => calendar),
    };
  }

  #check(now: number): void {
    const { spec } = this.story.experiment;
    const limits = spec.history ?? { passed: 0, failed: 0, other: 0 };
    const over = [...this.#runs.values()].filter(({ end, at }) => end <= now && at < now);
    const most = limits.passed + limits.failed + limits.other;
    if (over.length > most) this.course.wrong.push(`${over.length} finished runs are kept, and not ${most}`);
  }

  #clock(now: number): number {
    return now + (this.weather.clock.findLast(({ at }) => at <= now)?.ahead ?? 0);
  }

  #nextMoment(now: number): number {
    while ((this.#moments[0] ?? Number.POSITIVE_INFINITY) <= now) this.#moments.shift();
    return this.#moments[0] ?? YEAR.to;
  }

  #nextEnd(now: number): number {
    let next = YEAR.to;
    for (const { end } of this.#runs.values()) if (end > now && end < next) next = end;
    return next;
  }
}

function knownRun({ name, trigger, due, end, verdict }: SimulatedRun, now: number): KnownRun {
  const isOver = end <= now;
  return {
    name,
    uid: `uid-of-${name}`,
    trigger,
    owned: true,
    active: !isOver,
    ending: false,
    verdict: isOver ? verdict : '',
    reason: '',
    finishTime: isOver ? new Date(end).toISOString() : '',
    ...(due !== undefined && { scheduledTime: due }),
  };
}
