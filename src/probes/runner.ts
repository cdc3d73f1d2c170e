import { type Sample, SampleWindow } from '../stats/window.js';
import type { AddressPolicy } from './address-policy.js';
import { monotonicMilliseconds } from './clock.js';
import { Evaluation } from './evaluation.js';
import { probeOf } from './index.js';
import type { Outcome, ResourceQuery, ServiceAddress } from './probe.js';
import type { Answers, FromSender, Question, SessionSettings, ToSender } from './protocol.js';
import { whyUnreadable } from './resource.js';
import { Thread } from './thread.js';

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
  lane: Lane;
  /** Samples a second. */
  load: number;
  onSample: ((sample: Sample) => void) | undefined;
  window: SampleWindow;
  previous: SampleWindow | undefined;
  /** When `window` was begun, and the intended time of the latest sample; `performance.now()` milliseconds. */
  since: number;
  latestAt: number;
}

/** A sender thread and what it runs. */
interface Lane {
  thread: Thread<ToSender, FromSender>;
  running: Set<Running>;
  heardAt: number;
}

/** A thread takes this many samples a second before another one is started. */
const comfortableLoad = 300;
const heapMegabytes = 256;
const watchEvery = 1_000;
const longestSilence = 5_000;

/**
 * Runs probes in worker threads, so that a busy main thread does not delay what is sent. Times of samples are on the
 * clock of `performance.now()` in the thread that owns the runner.
 */
export class ProbeRunner {
  readonly #options: Required<ProbeRunnerOptions>;
  readonly #lanes: Lane[] = [];
  readonly #running = new Map<string, Running>();
  readonly #bySession = new Map<number, Running>();
  readonly #clockDifference = performance.now() - monotonicMilliseconds();
  readonly #watchdog: NodeJS.Timeout;
  #evaluation: Evaluation | undefined;
  #lastSession = 0;
  #watchedAt = performance.now();

  constructor(options: ProbeRunnerOptions) {
    this.#options = { workers: 2, evaluationLimit: 1_000, ...options };
    this.#watchdog = setInterval(() => this.#watch(), watchEvery);
    this.#watchdog.unref();
  }

  /**
   * Starts a probe with an empty window. `onSample` gets each sample in the order of the intended send times.
   *
   * @throws Error when the id is in use, or when the entry asks for no probe
   */
  start({ id, probe: entry, namespace }: ProbeStart, onSample?: (sample: Sample) => void): void {
    if (this.#running.has(id)) throw new Error(`probe '${id}' is already running`);
    const { probe, spec } = probeOf(entry);
    const load = 1_000 / probe.interval(spec);
    this.#lastSession += 1;
    const running: Running = {
      settings: { session: this.#lastSession, entry, namespace },
      lane: this.#laneFor(load),
      load,
      onSample,
      window: new SampleWindow(),
      previous: undefined,
      since: performance.now(),
      latestAt: Number.NEGATIVE_INFINITY,
    };
    this.#running.set(id, running);
    this.#bySession.set(running.settings.session, running);
    running.lane.running.add(running);
    running.lane.thread.post({ type: 'start', ...running.settings });
  }

  /** Stops a probe and forgets its windows; without effect when it is not running. */
  stop(id: string): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    this.#bySession.delete(running.settings.session);
    running.lane.running.delete(running);
    running.lane.thread.post({ type: 'stop', session: running.settings.session });
    const { that } = (running.settings.entry as { expect?: { that?: string } }).expect ?? {};
    if (that !== undefined) this.#evaluation?.forgive(that);
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
    return this.#get(id).window;
  }

  /**
   * Begins a new stage with an empty window, and returns the one before it. Samples that are still under way go to the
   * stage in which they were to be sent: the window returned is complete when `settled` says so.
   *
   * @throws Error when no probe of this id is running
   */
  reset(id: string): SampleWindow {
    const running = this.#get(id);
    running.previous = running.window;
    running.window = new SampleWindow();
    running.since = performance.now();
    return running.previous;
  }

  /**
   * Whether every sample that was sent before the latest reset has come in. It takes a sample of the new stage to know.
   *
   * @throws Error when no probe of this id is running
   */
  settled(id: string): boolean {
    const { previous, latestAt, since } = this.#get(id);
    return previous === undefined || latestAt >= since;
  }

  /** Stops everything and ends the threads. */
  async close(): Promise<void> {
    clearInterval(this.#watchdog);
    this.#running.clear();
    this.#bySession.clear();
    await Promise.all([this.#evaluation?.close(), ...this.#lanes.map(({ thread }) => thread.close())]);
  }

  #get(id: string): Running {
    const running = this.#running.get(id);
    if (running === undefined) throw new Error(`probe '${id}' is not running`);
    return running;
  }

  /** The least busy thread, or a new one while the others have enough to do. */
  #laneFor(load: number): Lane {
    const [least] = [...this.#lanes].sort((a, b) => loadOf(a) - loadOf(b));
    const roomForMore = this.#lanes.length < this.#options.workers;
    if (least === undefined || (roomForMore && loadOf(least) > 0 && loadOf(least) + load > comfortableLoad)) {
      return this.#newLane();
    }
    return least;
  }

  #newLane(): Lane {
    const { workerUrl, policy } = this.#options;
    const running = new Set<Running>();
    const thread: Lane['thread'] = new Thread({
      url: workerUrl,
      settings: { role: 'sender', policy },
      heapMegabytes,
      onMessage: (message) => this.#receive(lane, message),
      onReady: () => {
        lane.heardAt = performance.now();
        for (const { settings } of running) thread.post({ type: 'start', ...settings });
      },
      onLost: (reason) => this.#lost(lane, reason),
    });
    const lane: Lane = { thread, running, heardAt: performance.now() };
    this.#lanes.push(lane);
    return lane;
  }

  #receive(lane: Lane, message: Exclude<FromSender, { type: 'ready' }>): void {
    lane.heardAt = performance.now();
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
    const window = sample.at < running.since ? (running.previous ?? running.window) : running.window;
    window.add(sample);
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
    const { workerUrl, evaluationLimit } = this.#options;
    this.#evaluation ??= new Evaluation({ workerUrl, limit: evaluationLimit });
    return this.#evaluation.evaluate(expression, answer);
  }

  #lost({ running }: Lane, reason: string): void {
    const detail = `the probe thread was lost and is started again: ${reason}`;
    for (const each of running) this.#record(each, { at: performance.now(), ok: false, own: true, detail });
  }

  /** Ends threads that say nothing for long. After a stop of our own, what they said meanwhile is still to be heard. */
  #watch(): void {
    const now = performance.now();
    const ownStop = now - this.#watchedAt > 2 * watchEvery;
    this.#watchedAt = now;
    for (const lane of this.#lanes) {
      if (ownStop) lane.heardAt = now;
      const silent = lane.thread.ready && now - lane.heardAt > longestSilence;
      if (silent) lane.thread.abandon('it did not answer');
    }
  }
}

function loadOf({ running }: Lane): number {
  return [...running].reduce((sum, { load }) => sum + load, 0);
}
