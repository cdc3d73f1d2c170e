import { Worker } from 'node:worker_threads';
import type { WorkerSettings } from './protocol.js';

/** How a thread is made. */
export interface ThreadOptions<Received> {
  /** The bundle of `worker.ts`. */
  url: URL;
  settings: WorkerSettings;
  /** The thread's heap; when it takes more, it ends and is started again. */
  heapMegabytes: number;
  onMessage(message: Exclude<Received, { type: 'ready' }>): void;
  /** The thread takes messages now; also after each restart, when it knows nothing of what it was told before. */
  onReady(): void;
  /** The thread is gone and a new one is on the way. */
  onLost(reason: string): void;
}

/** A thread that comes up and dies at once is started again after so long, doubling up to the longest. */
const firstPause = 50;
const longestPause = 5_000;

/** A worker thread that is started again whenever it ends. */
export class Thread<Sent, Received extends { type: string }> {
  readonly #options: ThreadOptions<Received>;
  #worker: Worker;
  #ready = false;
  #closed = false;
  #pause = 0;
  #restart: NodeJS.Timeout | undefined;
  #lossReason: string | undefined;

  constructor(options: ThreadOptions<Received>) {
    this.#options = options;
    this.#worker = this.#spawn();
  }

  /** Whether it takes messages now. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Sends a message; without effect while the thread is not ready. */
  post(message: Sent): void {
    if (this.#ready) this.#worker.postMessage(message);
  }

  /** Ends the thread, however busy it is; a new one is started. */
  abandon(reason: string): void {
    this.#lossReason = reason;
    void this.#worker.terminate();
  }

  /** Ends the thread for good. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#ready = false;
    clearTimeout(this.#restart);
    await this.#worker.terminate();
  }

  #spawn(): Worker {
    const worker = new Worker(this.#options.url, {
      workerData: this.#options.settings,
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapMegabytes },
    });
    worker.on('message', (message: Received) => this.#receive(message));
    worker.on('error', (error: NodeJS.ErrnoException) => {
      this.#lossReason ??= error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it ran out of memory' : error.message;
    });
    worker.once('exit', () => this.#lost());
    return worker;
  }

  #receive(message: Received): void {
    if (message.type !== 'ready') {
      this.#pause = 0;
      this.#options.onMessage(message as Exclude<Received, { type: 'ready' }>);
      return;
    }
    this.#ready = true;
    this.#options.onReady();
  }

  #lost(): void {
    if (this.#closed) return;
    this.#ready = false;
    const reason = this.#lossReason ?? 'it ended';
    this.#lossReason = undefined;
    this.#restart = setTimeout(() => {
      this.#worker = this.#spawn();
    }, this.#pause);
    this.#pause = Math.min(Math.max(firstPause, this.#pause * 2), longestPause);
    this.#options.onLost(reason);
  }
}
