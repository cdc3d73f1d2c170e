import type { Expectation } from '../api/expectation.js';
import type { Sample } from '../stats/window.js';
import type { AddressPolicy } from './address-policy.js';
import { monotonicMilliseconds } from './clock.js';
import { probeOf } from './index.js';
import type { Sampler, Services } from './probe.js';
import type { Answers, FromSender, Question, SessionSettings, ToSender } from './protocol.js';
import { Session } from './session.js';
import { StallClock } from './stall-clock.js';

/** How often samples are handed over: at 1000 samples a second, one message for 50. */
const handOverEvery = 50;
const signOfLifeEvery = 1_000;
/** A main thread that does not answer for so long is taken to have no answer. */
const answerWithin = 15_000;

interface Call {
  settle(answer: { value: unknown } | { error: Error }): void;
}

/** The inside of a sender thread: runs sessions and speaks with the main thread. */
export class Sender {
  readonly #policy: AddressPolicy;
  readonly #send: (message: FromSender) => void;
  readonly #sessions = new Map<number, Session>();
  readonly #calls = new Map<number, Call>();
  readonly #stalls = new StallClock(monotonicMilliseconds);
  #batch: { session: number; sample: Sample }[] = [];
  #handedOverAt = 0;
  // A new thread starts where no older one can have been, so that an answer to a lost thread is no answer to this one.
  #lastCall = Math.floor(monotonicMilliseconds() * 1_000);

  constructor(policy: AddressPolicy, send: (message: FromSender) => void) {
    this.#policy = policy;
    this.#send = send;
    setInterval(() => this.#handOver(), handOverEvery);
  }

  /** Takes a message of the main thread. */
  receive(message: ToSender): void {
    switch (message.type) {
      case 'start':
        this.#start(message);
        break;
      case 'stop':
        this.#sessions.get(message.session)?.stop();
        this.#sessions.delete(message.session);
        break;
      case 'answer':
        this.#calls.get(message.call)?.settle({ value: message.value });
        break;
      case 'refusal':
        this.#calls.get(message.call)?.settle({ error: new Error(message.message) });
        break;
    }
  }

  #start(settings: SessionSettings): void {
    const { session } = settings;
    const running = new Session({
      ...this.#plan(settings),
      now: monotonicMilliseconds,
      stalled: () => this.#stalls.total(),
      emit: (sample) => this.#batch.push({ session, sample }),
    });
    this.#sessions.set(session, running);
    void running.start();
  }

  /** What to take samples with, and how often. A probe that can't be made gives errors of our own, not a dead thread. */
  #plan({ entry, namespace }: SessionSettings): { sampler: Sampler; interval: number } {
    try {
      const { probe, spec } = probeOf(entry);
      const { expect = {} } = entry as { expect?: Expectation };
      const context = { namespace, expect, services: this.#services, policy: this.#policy, now: monotonicMilliseconds };
      return { sampler: probe.sampler(spec, context), interval: probe.interval(spec) };
    } catch (error) {
      const detail = `the probe can not be run: ${(error as Error).message}`;
      return { sampler: { sample: async () => ({ ok: false, own: true, detail }) }, interval: 1_000 };
    }
  }

  /** Hands over the samples; now and then also none, because the main thread takes silence for a thread that hangs. */
  #handOver(): void {
    const now = monotonicMilliseconds();
    if (this.#batch.length === 0 && now - this.#handedOverAt < signOfLifeEvery) return;
    this.#handedOverAt = now;
    const batch = this.#batch;
    this.#batch = [];
    this.#send({ type: 'samples', batch });
  }

  readonly #services: Services = {
    resolveService: (namespace, name) => this.#ask({ ask: 'resolveService', namespace, name }),
    examineResource: (query, expression) => this.#ask({ ask: 'examineResource', query, expression }),
  };

  #ask<Q extends Question>(question: Q): Promise<Answers[Q['ask']]> {
    this.#lastCall += 1;
    const call = this.#lastCall;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#calls.get(call)?.settle({ error: new Error('the API server was not asked in time') }),
        answerWithin,
      );
      this.#calls.set(call, {
        settle: (answer) => {
          clearTimeout(timer);
          this.#calls.delete(call);
          if ('error' in answer) reject(answer.error);
          else resolve(answer.value as Answers[Q['ask']]);
        },
      });
      this.#send({ type: 'question', call, question });
    });
  }
}
