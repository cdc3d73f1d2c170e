import type { AddressPolicy } from './address-policy.js';
import type { FromSender, SessionSettings, ToSender } from './protocol.js';
import { Thread } from './thread.js';

/** What a sender says, apart from being ready. */
export type SenderMessage = Exclude<FromSender, { type: 'ready' }>;

/** A sender thread and what it runs. */
export interface Lane {
  thread: Thread<ToSender, FromSender>;
  /** By session; the load is in samples a second. */
  sessions: Map<number, { settings: SessionSettings; load: number }>;
  heardAt: number;
}

/** How lanes are made. */
export interface LanesOptions {
  workerUrl: URL;
  policy: AddressPolicy;
  /** The most threads. */
  most: number;
  onMessage(lane: Lane, message: SenderMessage): void;
  /** The samples under way in these sessions are lost; the sessions are started again. */
  onLost(sessions: readonly number[], reason: string): void;
}

/** A thread takes this many samples a second before another one is started. */
const comfortableLoad = 300;
const heapMegabytes = 256;
const watchEvery = 1_000;
const longestSilence = 5_000;
/** A thread without sessions is ended after so long: it takes some 25 MB. */
const longestIdle = 10_000;

/** The sender threads: started when there is something to send, watched, and ended when there is nothing. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Set<Lane>();
  readonly #watchdog: NodeJS.Timeout;
  #watchedAt = performance.now();

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#watchdog = setInterval(() => this.#watch(), watchEvery);
    this.#watchdog.unref();
  }

  /** Starts a session on the least busy thread, or on a new one while the others have enough to do. */
  start(settings: SessionSettings, load: number): void {
    const lane = this.#laneFor(load);
    lane.sessions.set(settings.session, { settings, load });
    lane.thread.post({ type: 'start', ...settings });
  }

  /** Stops a session. */
  stop(session: number): void {
    for (const lane of this.#lanes) {
      if (!lane.sessions.delete(session)) continue;
      lane.thread.post({ type: 'stop', session });
      if (lane.sessions.size === 0) setTimeout(() => this.#endIdle(lane), longestIdle).unref();
    }
  }

  /** Ends all threads. */
  async close(): Promise<void> {
    clearInterval(this.#watchdog);
    await Promise.all([...this.#lanes].map(({ thread }) => thread.close()));
    this.#lanes.clear();
  }

  #laneFor(load: number): Lane {
    const [least] = [...this.#lanes].sort((a, b) => loadOf(a) - loadOf(b));
    const roomForMore = this.#lanes.size < this.#options.most;
    if (least === undefined || (roomForMore && loadOf(least) > 0 && loadOf(least) + load > comfortableLoad)) {
      return this.#open();
    }
    return least;
  }

  #open(): Lane {
    const { workerUrl, policy, onMessage, onLost } = this.#options;
    const sessions: Lane['sessions'] = new Map();
    const thread: Lane['thread'] = new Thread({
      url: workerUrl,
      settings: { role: 'sender', policy },
      heapMegabytes,
      onMessage: (message) => {
        lane.heardAt = performance.now();
        onMessage(lane, message);
      },
      onReady: () => {
        lane.heardAt = performance.now();
        for (const { settings } of sessions.values()) thread.post({ type: 'start', ...settings });
      },
      onLost: (reason) => onLost([...sessions.keys()], reason),
    });
    const lane: Lane = { thread, sessions, heardAt: performance.now() };
    this.#lanes.add(lane);
    return lane;
  }

  #endIdle(lane: Lane): void {
    if (lane.sessions.size > 0 || !this.#lanes.delete(lane)) return;
    void lane.thread.close();
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

function loadOf({ sessions }: Lane): number {
  return [...sessions.values()].reduce((sum, { load }) => sum + load, 0);
}
