import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Ended } from '../api/injection.js';
import { CONTROLLER_LEASE } from '../api/labels.js';
import { shortened } from '../domain/draft.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import type { Lease } from '../kubernetes/lease.js';
import { leases } from '../kubernetes/resource.js';
import { sleep, type Timing } from '../kubernetes/timing.js';
import { DeadMan, type SignOfLife } from './dead-man.js';

/** How long what is on is kept on without a sign of the controller, and how often one is looked for. Milliseconds. */
export interface DeadManTimes {
  grace: number;
  every: number;
  /** The longest an answer is waited for. */
  patience: number;
}

/** 30 s, looked for every 5 s as often as a controller renews. */
export const deadManTimes: DeadManTimes = { grace: 30_000, every: 5_000, patience: 2_000 };

/** How a {@link ControllerWatch} is made. */
export interface ControllerWatchOptions {
  client: Client;
  namespace: string;
  /** Where the last sign of life is kept for the next agent. */
  directory: string;
  bootId: string;
  bootMilliseconds(): Promise<number>;
  times: DeadManTimes;
  timing: Timing;
  log: Logger;
  /** Whether there is something that would have to be taken back. Nothing is asked of the API server while not. */
  isNeeded(): boolean;
  /** Everything is to be taken back, for good. */
  onLost(ended: Ended): void;
}

/** What is kept on disk: a sign of life, on the clock that all processes of one boot share. */
interface KeptSign {
  bootId: string;
  record: string | undefined;
  bootMilliseconds: number;
}

const FILE = 'controller-seen.json';
/** As much as the field in the status takes. */
const MAX_MESSAGE = 256;

/**
 * Watches the controller's Lease for as long as something is on. The last sign of life is on disk, so that an agent that
 * is started again, however often, waits for no longer than the first one would have.
 */
export class ControllerWatch {
  readonly #options: ControllerWatchOptions;
  readonly #abort = new AbortController();
  #deadMan: DeadMan;
  #running: Promise<void> | undefined;
  #wake = () => {};
  #answer = '';
  #checking: Promise<boolean> | undefined;

  constructor(options: ControllerWatchOptions) {
    this.#options = options;
    this.#deadMan = new DeadMan(options.times.grace, { record: undefined, at: Number.NEGATIVE_INFINITY });
  }

  /** Takes over the last sign of life from the agent before, and begins to watch. */
  async start(): Promise<void> {
    this.#deadMan = new DeadMan(this.#options.times.grace, await this.#readSign());
    this.#running = this.#run();
  }

  /** Has it look at once whether it is needed. */
  wake(): void {
    this.#wake();
  }

  /**
   * Whether the controller is alive, so that something may be put on. Where it is not being watched, what its Lease says
   * is compared with the API server's time, once; a wrong answer only delays until the next renewal.
   */
  isAlive(): Promise<boolean> {
    if (this.#left() > 0) return Promise.resolve(true);
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** Ends the watch. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake();
    await this.#running;
  }

  #left(): number {
    return this.#deadMan.left(this.#options.timing.now());
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { times, timing, isNeeded } = this.#options;
    while (!signal.aborted) {
      if (!isNeeded()) {
        await this.#woken();
        continue;
      }
      await this.#look();
      // Only right after a look: when this process itself stood still, the controller gets its chance first.
      if (isNeeded() && this.#left() === 0 && !signal.aborted) this.#lose();
      const pause = Math.min(times.every, this.#left());
      await sleep(pause > 0 ? pause : times.every, timing, signal);
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#abort.signal.aborted || this.#options.isNeeded()) resolve();
    });
  }

  #lose(): void {
    const seconds = Math.round(this.#options.times.grace / 1000);
    const message =
      this.#answer === ''
        ? `the controller had not renewed its Lease for ${seconds}s`
        : `the API server had not told of the controller for ${seconds}s: ${this.#answer}`;
    this.#options.log.error({ reason: message }, 'Controller lost: everything is taken back');
    this.#options.onLost({ reason: 'ControllerLost', message: shortened(message, MAX_MESSAGE) });
  }

  async #check(): Promise<boolean> {
    const { client, times, timing } = this.#options;
    const lease = await this.#read();
    const renewed = Date.parse(lease?.spec?.renewTime ?? '');
    if (!lease?.spec?.holderIdentity || Number.isNaN(renewed)) return false;
    const now = timing.now();
    const age = Math.max(0, client.clock.now() - renewed);
    const isAlive = this.#deadMan.heard(recordOf(lease), now) || age < times.grace;
    if (!isAlive) return false;
    this.#deadMan = new DeadMan(times.grace, { record: recordOf(lease), at: now - Math.min(age, times.grace - 1) });
    await this.#keep();
    return true;
  }

  async #look(): Promise<void> {
    if (this.#deadMan.sign.record === undefined) {
      // Nothing to compare with, as on a disk that was full or lost: that is no silence of the controller.
      await this.isAlive();
      return;
    }
    const lease = await this.#read();
    if (lease && this.#deadMan.heard(recordOf(lease), this.#options.timing.now())) await this.#keep();
  }

  /** The Lease; undefined when it is not there or there was no answer. */
  async #read(): Promise<Lease | undefined> {
    const { client, namespace, times } = this.#options;
    try {
      const call = { timeoutMs: times.patience, priority: 'high' as const, signal: this.#abort.signal };
      const lease = await client.get<Lease>(leases, namespace, CONTROLLER_LEASE, call);
      this.#answer = '';
      return lease;
    } catch (error) {
      const isThere = error instanceof ApiError && error.isNotFound;
      this.#answer = isThere ? '' : error instanceof Error ? error.message : String(error);
      return undefined;
    }
  }

  async #readSign(): Promise<SignOfLife> {
    const { directory, bootId, bootMilliseconds, timing } = this.#options;
    const now = timing.now();
    try {
      const kept: KeptSign = JSON.parse(await readFile(join(directory, FILE), 'utf8'));
      if (kept.bootId === bootId)
        return { record: kept.record, at: now - ((await bootMilliseconds()) - kept.bootMilliseconds) };
    } catch {
      // There is none, or it can't be read: the controller has been silent for as long as anybody knows.
    }
    return { record: undefined, at: Number.NEGATIVE_INFINITY };
  }

  async #keep(): Promise<void> {
    const { directory, bootId, bootMilliseconds, timing, log } = this.#options;
    const { record, at } = this.#deadMan.sign;
    try {
      const kept: KeptSign = { bootId, record, bootMilliseconds: (await bootMilliseconds()) - (timing.now() - at) };
      // Not synced: another boot is another node to us, and a process that dies takes nothing of it along.
      await writeFile(join(directory, `${FILE}.new`), JSON.stringify(kept), { mode: 0o600 });
      await rename(join(directory, `${FILE}.new`), join(directory, FILE));
    } catch (error) {
      log.warn({ err: error }, 'The last sign of the controller could not be kept: a restart counts from an older one');
    }
  }
}

/** What changes whenever the controller gives a sign of life. */
function recordOf({ spec = {} }: Lease): string {
  return `${spec.holderIdentity ?? ''} ${spec.leaseTransitions ?? 0} ${spec.renewTime ?? ''}`;
}
