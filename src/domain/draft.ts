import { type Condition, findCondition, withCondition } from '../api/conditions.js';
import type { Step } from '../api/experiment.js';
import type { ProbeStage, RunCondition, RunStatus, StepStatus } from '../api/experiment-run.js';
import type { Injection } from '../api/injection.js';
import type { Reason } from '../api/reasons.js';
import type { DomainEvent, NodeFacts, RunAction, RunDecision, RunObserved, StepFacts } from './observed.js';
import { holdingOf } from './reservations.js';
import type { Holding, Survey } from './survey.js';

/** How often what changes all the time is looked at. */
export const LOOK_MILLISECONDS = 250;

const MAX_FINDINGS = 20;
const MAX_MESSAGE = 1024;

/** A time in status, from milliseconds since the epoch. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Cuts a message so that it fits its field. */
export function shortened(message: string, max = MAX_MESSAGE): string {
  return message.length <= max ? message : `${message.slice(0, max - 1)}…`;
}

/** A decision in the making: a private copy of the status, and what is to be done. Lives for one call only. */
export class RunDraft {
  readonly status: RunStatus;
  readonly actions: RunAction[] = [];
  readonly events: DomainEvent[] = [];
  probing: ProbeStage | undefined;
  readonly #nodes = new Set<string>();
  #surveyFrom: number | undefined;
  #wakeAt: number | undefined;

  constructor(
    readonly observed: RunObserved,
    readonly now: number,
  ) {
    this.status = structuredClone(observed.run.status ?? {});
  }

  get template() {
    return this.observed.run.spec.template;
  }

  get time(): string {
    return timestamp(this.now);
  }

  /** The injections of one step, in the order they were made. */
  injectionsOf(step: string): Injection[] {
    return this.observed.injections
      .filter((injection) => injection.spec.step === step)
      .sort((a, b) => a.spec.round - b.spec.round || a.spec.part - b.spec.part);
  }

  stepStatus(step: Step): StepStatus {
    const found = this.status.steps?.find(({ name }) => name === step.name);
    if (!found) throw new Error(`the run's status has no step '${step.name}'`);
    return found;
  }

  condition(type: RunCondition): Condition | undefined {
    return findCondition(this.status.conditions, type);
  }

  holds(type: RunCondition): boolean {
    return this.condition(type)?.status === 'True';
  }

  setCondition(type: RunCondition, status: Condition['status'], reason: string, message: string): void {
    this.status.conditions = withCondition(
      this.status.conditions,
      {
        type,
        status,
        reason,
        message: shortened(message, 2048),
        observedGeneration: this.observed.run.metadata.generation ?? 0,
      },
      this.time,
    );
  }

  /** Records something that speaks against a pass, once per reason and message. */
  find(reason: Reason, message: string): void {
    this.status.findings ??= [];
    const text = shortened(message);
    const known = this.status.findings.some((each) => each.reason === reason && each.message === text);
    if (known) return;
    if (this.status.findings.length >= MAX_FINDINGS && !this.#makeRoom(reason)) return;
    this.status.findings.push({ reason, message: text });
  }

  /** A reason that is not there yet outranks the repetition of one that is: the verdict depends on reasons only. */
  #makeRoom(reason: Reason): boolean {
    const findings = this.status.findings ?? [];
    if (this.found(reason)) return false;
    const repeated = findings.findLastIndex(
      (each, place) => findings.findIndex((one) => one.reason === each.reason) < place,
    );
    findings.splice(repeated, 1);
    return true;
  }

  found(reason: Reason): boolean {
    return this.status.findings?.some((each) => each.reason === reason) ?? false;
  }

  do(action: RunAction): void {
    this.actions.push(action);
  }

  event(type: DomainEvent['type'], reason: string, message: string): void {
    this.events.push({ type, reason, message: shortened(message) });
  }

  /** Asks for what is known of a node, and for another look when that changes; undefined while nothing is. */
  nodeFacts(node: string): NodeFacts | undefined {
    this.#nodes.add(node);
    return this.observed.nodes.get(node);
  }

  /** What a look at rights and safeguards that began at `from` or later has brought; asks for one while there is none. */
  surveySince(from: number): Survey | undefined {
    const { survey } = this.observed;
    if (survey && survey.at >= from) return survey;
    this.#surveyFrom = Math.max(this.#surveyFrom ?? 0, from);
    return undefined;
  }

  /** What is known of a step's fault. */
  facts(step: { name: string }): StepFacts {
    const facts = this.observed.facts[step.name];
    if (!facts) throw new Error(`nothing is known of the fault of step '${step.name}'`);
    return facts;
  }

  /** Asks to be called again at that time, or sooner. */
  wakeAt(milliseconds: number): void {
    this.#wakeAt = Math.min(this.#wakeAt ?? Number.POSITIVE_INFINITY, Math.max(milliseconds, this.now));
  }

  /** What the run holds after what has been decided so far. */
  holding(): Holding {
    const { facts, injections } = this.observed;
    return holdingOf({ method: this.template.method, status: this.status, facts }, injections, this.actions);
  }

  decision(): RunDecision {
    return {
      status: this.status,
      actions: this.actions,
      events: this.events,
      nodes: [...this.#nodes],
      reserves: this.holding(),
      ...(this.#surveyFrom !== undefined && { surveyFrom: this.#surveyFrom }),
      ...(this.probing && { probing: this.probing }),
      ...(this.#wakeAt !== undefined && { wakeAt: this.#wakeAt }),
    };
  }
}
