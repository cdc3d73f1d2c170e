import { readlinkSync } from 'node:fs';
import { RefusedError } from '../handler.js';
import type { GuardOrder } from './guard-order.js';
import { GuardProcess } from './guard-process.js';
import type { KnownProcess } from './process-table.js';

/** What a guard is started with. */
export interface GuardOptions {
  /** The bundle of `pause-guard.ts`. */
  program: string;
  /** A procfs of the node's own PID namespace, which the agent has to run in. */
  procRoot?: string;
  /** For how many milliseconds it holds processes of which it hears nothing. Default 20,000. */
  patience?: number;
  /** Told what an operator should know. */
  warn(message: string): void;
}

/** Looks come every few seconds; with this the effect ends within 30 s whatever hangs. */
const PATIENCE_MILLISECONDS = 20_000;

/**
 * The agent's end of its guard: a process that lets paused processes go on when the agent has died or hangs, which
 * nothing in the kernel does. It is started with the first pause, ends after the last, and is started anew when it died.
 */
export class PauseGuard {
  readonly #options: GuardOptions;
  readonly #held = new Map<string, readonly KnownProcess[]>();
  #running: Promise<GuardProcess> | undefined;
  #number = 0;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** The processes it watches over for an undo record. */
  processesOf(id: string): readonly KnownProcess[] {
    return this.#held.get(id) ?? [];
  }

  /** Whether a process is watched over for another undo record than this. */
  isHeldByAnother(id: string, { pid, startTime }: KnownProcess): boolean {
    const isIt = (one: KnownProcess) => one.pid === pid && one.startTime === startTime;
    return [...this.#held].some(([other, processes]) => other !== id && processes.some(isIt));
  }

  /**
   * Makes sure that these processes of an undo record go on unless this is called again in time.
   * @throws RefusedError when no guard can be had: then nothing may be stopped
   */
  async hold(id: string, processes: readonly KnownProcess[]): Promise<void> {
    this.#held.set(id, processes);
    // A guard that has died since the last time may show only now.
    const isTold = (await this.#tell(id)) || (await this.#tell(id));
    if (!isTold) throw new RefusedError('the guard that would end a pause if the agent died does not answer');
  }

  /** Forgets an undo record whose processes go on. Never throws. */
  async release(id: string): Promise<void> {
    if (!this.#held.delete(id) || !this.#running) return;
    await this.#tell(id).catch(() => {});
    if (this.#held.size === 0) await this.close();
  }

  /** Ends the guard; whatever it still watches over goes on. */
  async close(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await (await running?.catch(() => undefined))?.end();
  }

  /** The guard's PID, when there is one. */
  async pid(): Promise<number | undefined> {
    return (await this.#running)?.pid;
  }

  /** Tells the guard what it should watch over for an undo record; returns whether it does. */
  async #tell(id: string): Promise<boolean> {
    this.#running ??= this.#start();
    const mine = this.#running;
    try {
      await (await mine).order(this.#orderOf(id));
      return true;
    } catch (error) {
      if (this.#running === mine) this.#running = undefined;
      if (error instanceof RefusedError) throw error;
      return false;
    }
  }

  #orderOf(id: string): GuardOrder {
    this.#number += 1;
    return { number: this.#number, id, processes: this.processesOf(id).map(({ pid, startTime }) => [pid, startTime]) };
  }

  /** Starts a guard that takes over all there is to watch over. */
  async #start(): Promise<GuardProcess> {
    const guard = await this.#launch();
    const mine = this.#running;
    guard.ended.then(() => {
      if (this.#running === mine) this.#running = undefined;
    });
    if (guard.bound !== '') {
      this.#options.warn(
        "The guard that ends pauses when the agent dies could not leave the agent's cgroup. If the whole container is " +
          `killed at once, processes that are paused then stay so until an agent runs on this node again: ${guard.bound}`,
      );
    }
    for (const id of this.#held.keys()) await guard.order(this.#orderOf(id));
    return guard;
  }

  async #launch(): Promise<GuardProcess> {
    const { program, procRoot = '/proc', patience = PATIENCE_MILLISECONDS } = this.#options;
    const plain = [process.execPath, program, procRoot, String(patience)];
    // From a cgroup namespace of its own nobody can leave the cgroups it shows.
    const outside = ['nsenter', `--cgroup=${procRoot}/1/ns/cgroup`, '--', ...plain];
    const isInside = cgroupNamespace(procRoot, 'self') !== cgroupNamespace(procRoot, '1');
    const guard = isInside ? await GuardProcess.start(outside).catch(() => undefined) : undefined;
    return guard ?? (await GuardProcess.start(plain));
  }
}

function cgroupNamespace(procRoot: string, process: string): string {
  try {
    return readlinkSync(`${procRoot}/${process}/ns/cgroup`);
  } catch {
    return '';
  }
}
