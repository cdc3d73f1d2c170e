import { type Sample, SampleWindow } from '../stats/window.js';
import type { AddressPolicy } from './address-policy.js';
import { monotonicMilliseconds } from './clock.js';
import { Evaluation } from './evaluation.js';
import { probeOf } from './index.js';
import { type Lane, Lanes, type SenderMessage } from './lanes.js';
import type { Outcome, ResourceQuery, ServiceAddress } from './probe.js';
import type { Answers, Question, SessionSettings } from './protocol.js';
import { whyUnreadable } from './resource.js';

/** What was read: one object, a list, or undefined when there is no object of that name. */
export type ResourceAnswer = { object: unknown } | { objects: unknown[] } | undefined;

/** What the runner needs of the API server. */
export interface ProbePorts {
  /** The address of a Service, undefined when there is none of that name. Rejects when the API server can't say. */
  resolveService(namespace: string, name: string): Promise<ServiceAddress | undefined>;
  /**
   * Reads one object or a list, of bounded size and in bounded time. Rejects, with a message for people, when the API
   * server can't say or when there is too much to read.
   */
  readResource(query: ResourceQuery): Promise<ResourceAnswer>;
}

/** How a runner is made. */
export interface ProbeRunnerOptions {
  /** The bundle of `worker.ts`. */
  workerUrl: URL;
  ports: ProbePorts;
  policy: AddressPolicy;
  /** The most threads that send; each is started when it is needed. Default 2. */
  workers?: number;
  /** The longest that an expression may take, in milliseconds. Default 1000. */
  evaluationLimit?: number;
}

/** A probe to run. */
export interface ProbeStart {
  /** Names the probe in this runner, such as the run's UID and the probe's name. */
  id: string;
  /** The hypothesis entry, with its defaults filled in. */
  probe: object;
  /** The run's namespace. */
  namespace: string;
}

interface Running {
  settings: SessionSettings;
  onSample: ((sample: Sample) => void) | undefined;
  /** The newest first. */
  stages: [Stage, ...Stage[]];
  /** The intended time of the latest sample; `performance.now()` milliseconds. */
  latestAt: number;
}

interface Stage {
  window: SampleWindow;
  /** When it was begun; `performance.now()` milliseconds. */
  since: number;
}

/** So many stages may still get samples that were under way when they ended. */
const openStages = 4;

/**
 * Runs probes in worker threads, so that a busy main thread does not delay what is sent. Times of samples are on the
 * clock of `performance.now()` in the thread that owns the runner.
 */
export class ProbeRunner {
  readonly #options: Required<ProbeRunnerOptions>;
  readonly #lanes: Lanes;
  readonly #running = new Map<string, Running>();
  readonly #bySession = new Map<number, Running>();
  readonly #clockDifference = performance.now() - monotonicMilliseconds();
  #evaluation: Evaluation | undefined;
  #lastSession = 0;

  constructor(options: ProbeRunnerOptions) {
    this.#options = { workers: 2, evaluationLimit: 1_000, ...options };
    this.#lanes = new Lanes({
      workerUrl: this.#options.workerUrl,
      policy: this.#options.policy,
      most: this.#options.workers,
      onMessage: (lane, message) => this.#receive(lane, message),
      onLost: (sessions, reason) => this.#lost(sessions, reason),
    });
  }

  /**
   * Starts a probe with an empty window. `onSample` gets each sample in the order of the intended send times.
   *
   * @throws Error when the id is in use, or when the entry asks for no probe
   */
  start({ id, probe: entry, namespace }: ProbeStart, onSample?: (sample: Sample) => void): void {
    if (this.#running.has(id)) throw new Error(`probe '${id}' is already running`);
    const { probe, spec } = probeOf(entry);
    this.#lastSession += 1;
    const running: Running = {
      settings: { session: this.#lastSession, entry, namespace },
      onSample,
      stages: [newStage()],
      latestAt: Number.NEGATIVE_INFINITY,
    };
    this.#running.set(id, running);
    this.#bySession.set(running.settings.session, running);
    this.#lanes.start(running.settings, 1_000 / probe.interval(spec));
  }

  /** Stops a probe and forgets its windows; without effect when it is not running. */
  stop(id: string): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    this.#bySession.delete(running.settings.session);
    this.#lanes.stop(running.settings.session);
    const { that } = (running.settings.entry as { expect?: { that?: string } }).expect ?? {};
    if (that !== undefined) this.#evaluation?.forgive(that);
    if (this.#running.size === 0) {
      void this.#evaluation?.close();
      this.#evaluation = undefined;
    }
  }

  /** Whether a probe of this id is running. */
  has(id: string): boolean {
    return this.#running.has(id);
  }

  /**
   * The samples since the start or the latest reset.
   *
   * @throws Error when no probe of this id is running
   */
  window(id: string): SampleWindow {
    return this.#get(id).stages[0].window;
  }

  /**
   * Begins a new stage with an empty window, and returns the one before it. Samples that are still under way go to the
   * stage in which they were to be sent: the window returned is complete when `settled` says so.
   *
   * @throws Error when no probe of this id is running
   */
  reset(id: string): SampleWindow {
    const running = this.#get(id);
    const [ended] = running.stages;
    running.stages = [newStage(), ...running.stages.slice(0, openStages - 1)];
    return ended.window;
  }

  /**
   * Whether every sample that was sent before the latest reset has come in. It takes a sample of the new stage to know.
   *
   * @throws Error when no probe of this id is running
   */
  settled(id: string): boolean {
    const { stages, latestAt } = this.#get(id);
    return stages.length === 1 || latestAt >= stages[0].since;
  }

  /** Stops everything and ends the threads. */
  async close(): Promise<void> {
    this.#running.clear();
    this.#bySession.clear();
    await Promise.all([this.#evaluation?.close(), this.#lanes.close()]);
  }

  #get(id: string): Running {
    const running = this.#running.get(id);
    if (running === undefined) throw new Error(`probe '${id}' is not running`);
    return running;
  }

  #receive(lane: Lane, message: SenderMessage): void {
    if (message.type === 'question') {
      void this.#answer(lane, message.call, message.question);
      return;
    }
    for (const { session, sample } of message.batch) {
      const running = this.#bySession.get(session);
      if (running !== undefined) this.#record(running, { ...sample, at: sample.at + this.#clockDifference });
    }
  }

  #record(running: Running, sample: Sample): void {
    running.latestAt = Math.max(running.latestAt, sample.at);
    const stage = running.stages.find(({ since }) => sample.at >= since) ?? running.stages.at(-1);
    stage?.window.add(sample);
    running.onSample?.(sample);
  }

  async #answer(lane: Lane, call: number, question: Question): Promise<void> {
    try {
      const value: Answers[Question['ask']] =
        question.ask === 'resolveService'
          ? await this.#options.ports.resolveService(question.namespace, question.name)
          : await this.#examine(question.query, question.expression);
      lane.thread.post({ type: 'answer', call, value });
    } catch (error) {
      lane.thread.post({ type: 'refusal', call, message: (error as Error).message });
    }
  }

  async #examine(query: ResourceQuery, expression: string | undefined): Promise<Outcome> {
    const refused = whyUnreadable(query);
    if (refused !== undefined) return { ok: false, own: true, detail: refused };
    // What is read is the state of now, which may be later than the sample was meant for.
    const at = monotonicMilliseconds();
    const answer = await this.#options.ports.readResource(query);
    const what = `${query.kind} ${query.name === undefined ? 'objects' : `'${query.name}'`}`;
    if (answer === undefined) return { ok: false, at, detail: `there is no ${what} in namespace '${query.namespace}'` };
    if (expression !== undefined) return { ...(await this.#evaluate(expression, answer)), at };
    const found = 'object' in answer || answer.objects.length > 0;
    return found
      ? { ok: true, at }
      : { ok: false, at, detail: `there are no ${what} in namespace '${query.namespace}'` };
  }

  #evaluate(expression: string, answer: NonNullable<ResourceAnswer>): Promise<Outcome> {
    // The last probe may have been stopped while its objects were read: a thread that is made now would never be ended.
    if (this.#running.size === 0) return Promise.resolve({ ok: false, own: true, detail: 'the probe was stopped' });
    const { workerUrl, evaluationLimit } = this.#options;
    this.#evaluation ??= new Evaluation({ workerUrl, limit: evaluationLimit });
    return this.#evaluation.evaluate(expression, answer);
  }

  #lost(sessions: readonly number[], reason: string): void {
    const detail = `the probe thread was lost and is started again: ${reason}`;
    for (const session of sessions) {
      const running = this.#bySession.get(session);
      if (running !== undefined) this.#record(running, { at: performance.now(), ok: false, own: true, detail });
    }
  }
}

function newStage(): Stage {
  return { window: new SampleWindow(), since: performance.now() };
}
