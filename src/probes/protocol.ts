import type { Sample } from '../stats/window.js';
import type { AddressPolicy } from './address-policy.js';
import type { Variables } from './cel.js';
import type { Outcome, ResourceQuery, ServiceAddress } from './probe.js';

/** What a worker thread is for: sending samples on time, or evaluating expressions that may take long. */
export type WorkerRole = 'sender' | 'evaluator';

/** What a worker thread is started with. */
export interface WorkerSettings {
  role: WorkerRole;
  policy: AddressPolicy;
}

/** One probe of one run, as a sender is told of it. */
export interface SessionSettings {
  /** Unique in the process; an id that is used again is another session. */
  session: number;
  /** The hypothesis entry. */
  entry: object;
  namespace: string;
}

/** What a sender asks of the main thread. */
export type Question =
  | { ask: 'resolveService'; namespace: string; name: string }
  | { ask: 'examineResource'; query: ResourceQuery; expression: string | undefined };

/** The answer to each question. */
export interface Answers {
  resolveService: ServiceAddress | undefined;
  examineResource: Outcome;
}

/** From the main thread to a sender. */
export type ToSender =
  | ({ type: 'start' } & SessionSettings)
  | { type: 'stop'; session: number }
  | { type: 'answer'; call: number; value: unknown }
  | { type: 'refusal'; call: number; message: string };

/** From a sender to the main thread. */
export type FromSender =
  | { type: 'ready' }
  /** All samples of the last moments, in order for each session; also a sign of life when there are none. */
  | { type: 'samples'; batch: { session: number; sample: Sample }[] }
  | { type: 'question'; call: number; question: Question };

/** From the main thread to an evaluator. */
export interface ToEvaluator {
  expression: string;
  variables: Variables;
}

/** From an evaluator to the main thread: that it is ready, or the answer to the one evaluation under way. */
export type FromEvaluator = { type: 'ready' } | { type: 'outcome'; outcome: Outcome };
