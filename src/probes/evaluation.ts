import { formatDuration } from '../stats/duration.js';
import type { Variables } from './cel.js';
import type { Outcome } from './probe.js';
import type { FromEvaluator, ToEvaluator } from './protocol.js';
import { Thread } from './thread.js';

/** How the evaluation thread is run. */
export interface EvaluationOptions {
  workerUrl: URL;
  /** The longest that one evaluation may take, in milliseconds. */
  limit: number;
}

interface Job extends ToEvaluator {
  resolve(outcome: Outcome): void;
}

/** An expression that was cut off so often in a row is not tried again: it would only keep the others waiting. */
const mostCuts = 3;
const heapMegabytes = 128;

/**
 * Evaluates expressions in a thread of their own, one at a time. CEL always ends, but a nested loop over a long list
 * may do so only next year, and can't be interrupted from within: the thread is ended and a new one takes the next.
 */
export class Evaluation {
  readonly #limit: number;
  readonly #thread: Thread<ToEvaluator, FromEvaluator>;
  readonly #waiting: Job[] = [];
  readonly #cuts = new Map<string, number>();
  #current: Job | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ workerUrl, limit }: EvaluationOptions) {
    this.#limit = limit;
    this.#thread = new Thread({
      url: workerUrl,
      settings: { role: 'evaluator', policy: { blockLoopback: true, blocked: [] } },
      heapMegabytes,
      onMessage: ({ outcome }) => this.#finish(outcome),
      onReady: () => this.#next(),
      onLost: (reason) => this.#cut(reason),
    });
  }

  /** What an expression says of object(s); an error of our own when it takes too long. */
  evaluate(expression: string, variables: Variables): Promise<Outcome> {
    if ((this.#cuts.get(expression) ?? 0) >= mostCuts) {
      const detail = `'${expression}' is not evaluated any more: it was cut off ${mostCuts} times in a row`;
      return Promise.resolve({ ok: false, own: true, detail });
    }
    return new Promise((resolve) => {
      this.#waiting.push({ expression, variables, resolve });
      this.#next();
    });
  }

  /** Gives the expressions that were cut off another chance: they belonged to a run that is over. */
  forgive(expression: string): void {
    this.#cuts.delete(expression);
  }

  /** Ends the thread; what is waiting gets no answer. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#thread.close();
  }

  #next(): void {
    if (this.#current !== undefined || !this.#thread.ready) return;
    this.#current = this.#waiting.shift();
    if (this.#current === undefined) return;
    const { expression, variables } = this.#current;
    this.#thread.post({ expression, variables });
    this.#timer = setTimeout(
      () => this.#thread.abandon(`it took longer than ${formatDuration(this.#limit)}`),
      this.#limit,
    );
  }

  #finish(outcome: Outcome): void {
    if (this.#current !== undefined) this.#cuts.delete(this.#current.expression);
    this.#settle(outcome);
    this.#next();
  }

  /** The thread is gone; the next one asks for work when it is ready. */
  #cut(reason: string): void {
    if (this.#current === undefined) return;
    const { expression } = this.#current;
    this.#cuts.set(expression, (this.#cuts.get(expression) ?? 0) + 1);
    this.#settle({ ok: false, own: true, detail: `the evaluation of '${expression}' was cut off: ${reason}` });
  }

  #settle(outcome: Outcome): void {
    clearTimeout(this.#timer);
    this.#current?.resolve(outcome);
    this.#current = undefined;
  }
}
