import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { RefusedError } from '../handler.js';
import { type ProcStat, parseStat, readProcFile } from '../proc-files.js';

/** One process, told apart from a later one with the same number by its start time. */
export interface KnownProcess {
  pid: number;
  /** Ticks since boot, field 22 of /proc/PID/stat. */
  startTime: string;
}

/** Ticks in a second: USER_HZ, which is 100 in every kernel since 2.6, whatever the kernel's own clock does. */
const TICKS_PER_SECOND = 100;
const POLL_MILLISECONDS = 10;

/**
 * Looks at processes and signals them, and never another one that got the number later. Between the look and the signal
 * nothing of ours runs; for a number to be given away in between, the kernel would have to go once through all of them.
 */
export class ProcessTable {
  readonly #procRoot: string;

  /** @param procRoot a procfs of the PID namespace this program runs in */
  constructor(procRoot = '/proc') {
    this.#procRoot = procRoot;
  }

  /** What the kernel says of a process; undefined when it has ended, also when its parent has not asked for it yet. */
  look({ pid, startTime }: KnownProcess): ProcStat | undefined {
    const stat = this.#stat(`${pid}`);
    return stat?.startTime === startTime && !stat.isZombie ? stat : undefined;
  }

  /** Ticks since boot, on the clock of start times. */
  now(): number {
    const [uptime] = (readProcFile(`${this.#procRoot}/uptime`) ?? '').split(' ');
    return Math.floor(Number(uptime) * TICKS_PER_SECOND);
  }

  /** Whether all of a process is stopped by a signal. One that a debugger has stopped (`t`) goes on as that wants. */
  isStopped(known: KnownProcess): boolean {
    const stat = this.look(known);
    if (stat?.state !== 'Z') return stat?.state === 'T';
    // The first thread has ended before the others.
    const threads = this.#threads(known.pid).map((id) => this.#stat(`${known.pid}/task/${id}`));
    return threads.length > 0 && threads.every((thread) => thread === undefined || /^[TZX]$/.test(thread.state));
  }

  /** Whether a process is stopped, or will be as soon as the kernel lets it see the signal. */
  isStopping(known: KnownProcess): boolean {
    if (!this.look(known)) return false;
    return this.isStopped(known) || has(mask(this.#status(known), 'ShdPnd'), 'SIGSTOP');
  }

  /** Why a signal would do nothing to a process; undefined when it would. See signal(7) and pid_namespaces(7). */
  deafness(known: KnownProcess, signal: NodeJS.Signals): 'ignores it' | 'has no handler for it' | undefined {
    const status = this.#status(known);
    // What is blocked is kept until the process asks for it.
    if (signal === 'SIGKILL' || has(mask(status, 'SigBlk'), signal)) return undefined;
    if (has(mask(status, 'SigIgn'), signal)) return 'ignores it';
    const isFirst = /^NSpid:.*\s1$/m.test(status);
    return isFirst && !has(mask(status, 'SigCgt'), signal) ? 'has no handler for it' : undefined;
  }

  /**
   * Sends a signal to a process.
   * @returns false when it has ended
   * @throws RefusedError when the agent may not
   */
  send(known: KnownProcess, signal: NodeJS.Signals): boolean {
    if (!this.look(known)) return false;
    try {
      process.kill(known.pid, signal);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ESRCH') return false;
      if (code !== 'EPERM') throw error;
      throw new RefusedError(`the agent may not send ${signal} to process ${known.pid}: it lacks the capability KILL`);
    }
  }

  /** Lets a process go on that is stopped or about to be; returns whether it was. */
  resume(known: KnownProcess): boolean {
    return this.isStopping(known) && this.send(known, 'SIGCONT');
  }

  #threads(pid: number): string[] {
    try {
      return readdirSync(`${this.#procRoot}/${pid}/task`);
    } catch {
      return [];
    }
  }

  #stat(file: string): ProcStat | undefined {
    const text = readProcFile(`${this.#procRoot}/${file}/stat`);
    return text ? parseStat(text) : undefined;
  }

  #status({ pid }: KnownProcess): string {
    return readProcFile(`${this.#procRoot}/${pid}/status`) ?? '';
  }
}

/** Waits until something holds, for so many milliseconds at most; returns whether it does. */
export async function within(milliseconds: number, holds: () => boolean): Promise<boolean> {
  const until = performance.now() + milliseconds;
  while (!holds()) {
    if (performance.now() > until) return false;
    await sleep(POLL_MILLISECONDS);
  }
  return true;
}

/** A set of signals from /proc/PID/status: bit n - 1 stands for signal n. */
function mask(status: string, field: string): bigint {
  return BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
}

function has(set: bigint, signal: NodeJS.Signals): boolean {
  return ((set >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}
