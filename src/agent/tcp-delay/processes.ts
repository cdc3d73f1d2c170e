import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROXY_UID } from './protocol.js';
import { type Status, statusFrom } from './status.js';

const POLL_MILLISECONDS = 50;
/** On top of the drain: for a machine that is busy. */
const GRACE_MILLISECONDS = 5_000;

/** The processes of proxies, as /proc shows them: those of this agent, and what an agent that died has left. */
export class ProxyProcesses {
  /** @param procRoot where /proc is mounted */
  constructor(private readonly procRoot = '/proc') {}

  /** What a process says of itself; undefined: it is gone, or not the proxy of that fault. */
  async status(pid: number, id: string): Promise<Status | undefined> {
    try {
      return statusFrom(await readFile(join(this.procRoot, `${pid}`, 'cmdline'), 'utf8'), id);
    } catch {
      return undefined;
    }
  }

  /** The PIDs of all proxies of a fault. */
  async find(id: string): Promise<number[]> {
    const pids = (await readdir(this.procRoot)).filter((name) => /^\d+$/.test(name)).map(Number);
    const found: number[] = [];
    for (const pid of pids) {
      if ((await this.status(pid, id)) && (await this.#isOurs(pid))) found.push(pid);
    }
    return found;
  }

  /**
   * Has proxies stop delaying, waits until they have drained, and makes sure that they are gone.
   *
   * @returns what they said last, each of them
   * @throws Error naming a process that is still there
   */
  async end(pids: readonly number[], id: string, drainSeconds: number): Promise<Status[]> {
    const last = new Map<number, Status>();
    const look = async () => {
      const seen = await Promise.all(pids.map(async (pid) => [pid, await this.status(pid, id)] as const));
      for (const [pid, status] of seen) if (status) last.set(pid, status);
      return seen.filter(([, status]) => status !== undefined && !status.ended);
    };
    await this.#signal(pids, id, 'SIGTERM');
    await waitFor(async () => (await look()).length === 0, drainSeconds * 1_000 + GRACE_MILLISECONDS);
    await this.#signal(pids, id, 'SIGKILL');
    const gone = async () => (await Promise.all(pids.map((pid) => this.status(pid, id)))).every((status) => !status);
    if (!(await waitFor(gone, GRACE_MILLISECONDS))) throw new Error(`a proxy did not end: one of ${pids.join(', ')}`);
    return [...last.values()];
  }

  async #signal(pids: readonly number[], id: string, signal: NodeJS.Signals): Promise<void> {
    for (const pid of pids) {
      if (!(await this.status(pid, id))) continue;
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }

  /** Anyone can give a process such a title; only ours run as this user. */
  async #isOurs(pid: number): Promise<boolean> {
    try {
      const status = await readFile(join(this.procRoot, `${pid}`, 'status'), 'utf8');
      return new RegExp(`^Uid:\\t${PROXY_UID}\\t`, 'm').test(status);
    } catch {
      return false;
    }
  }
}

async function waitFor(condition: () => Promise<boolean>, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MILLISECONDS);
  }
  return true;
}
