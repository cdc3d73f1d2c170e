import { type Condition, withCondition } from '../../api/conditions.js';
import type { ExperimentStatus } from '../../api/experiment.js';
import type { Schedule } from '../../api/schedule.js';
import type { DomainEvent } from '../observed.js';
import type { KnownRun, ScheduleAction, ScheduleDecision, ScheduleObserved } from './observed.js';

/** Status and actions of an experiment while they are decided. */
export class ScheduleDraft {
  readonly status: ExperimentStatus;
  readonly actions: ScheduleAction[] = [];
  readonly events: DomainEvent[] = [];
  asksReadiness = false;
  /** Runs that are under way, with those that are being started. */
  readonly active: KnownRun[];
  #wakeAt: number | undefined;

  /** @param now milliseconds since the epoch, in API-server time */
  constructor(
    readonly observed: ScheduleObserved,
    readonly now: number,
  ) {
    this.status = { ...observed.experiment.status };
    this.active = observed.runs.filter(({ active }) => active);
  }

  get name(): string {
    return this.observed.experiment.metadata.name;
  }

  get schedule(): Schedule | undefined {
    return this.observed.experiment.spec.schedule;
  }

  /** Has it looked at again at a time, if nothing comes earlier. */
  wakeAt(time: number): void {
    this.#wakeAt = Math.min(this.#wakeAt ?? time, time);
  }

  setCondition(type: string, status: Condition['status'], reason: string, message: string): void {
    const { generation = 0 } = this.observed.experiment.metadata;
    const next = { type, status, reason, message: message.slice(0, 2_048), observedGeneration: generation };
    this.status.conditions = withCondition(this.status.conditions, next, timeText(this.now));
  }

  removeCondition(type: string): void {
    this.status.conditions = (this.status.conditions ?? []).filter((each) => each.type !== type);
  }

  tell(type: DomainEvent['type'], reason: string, message: string): void {
    this.events.push({ type, reason, message });
  }

  /** The run of a name, if there is one or it is being started. */
  run(name: string): KnownRun | undefined {
    return this.observed.runs.find((each) => each.name === name);
  }

  /** Has a run created, unless something else has taken its name: then false. */
  create(action: Extract<ScheduleAction, { do: 'create' }>): boolean {
    if (this.observed.taken?.has(action.name)) return false;
    this.actions.push(action);
    this.active.push({
      name: action.name,
      uid: '',
      trigger: action.trigger,
      owned: true,
      active: true,
      ending: false,
      verdict: '',
      reason: '',
      finishTime: '',
    });
    return true;
  }

  decision(): ScheduleDecision {
    const { actions, status, events, asksReadiness } = this;
    return { actions, status, events, asksReadiness, wakeAt: this.#wakeAt };
  }
}

/** A time as statuses hold it. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z');
}

/** A time of a status in milliseconds since the epoch; undefined when there is none, or it can't be read. */
export function timeOf(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? undefined : time;
}
