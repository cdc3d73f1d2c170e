import { readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { cgroupInPod, type PodCgroup } from './cgroup-path.js';
import { parseStat, readProcFile, readProcLink } from './proc-files.js';
import { sharedScan } from './shared-scan.js';

/** A process in a container of a pod. */
export interface PodProcess extends PodCgroup {
  pid: number;
  /** Ticks since boot. */
  startTime: string;
  innerPid: number;
  name: string;
  /** `net:[4026532008]`; undefined when its first thread has ended. */
  networkNamespace: string | undefined;
}

/** After this many files others get a turn. */
const BATCH = 200;
const MAX_COMMAND_LINE = 4096;
const MAX_LOOKS = 5;

/** Looks for processes in a procfs. Nothing is remembered from one call to the next. */
export class Processes {
  readonly #procRoot: string;
  readonly #byCgroup: () => Promise<Map<string, number[]>>;

  /** @param procRoot a procfs of the node's own PID namespace */
  constructor(procRoot: string) {
    this.#procRoot = procRoot;
    this.#byCgroup = sharedScan(() => this.#groupByCgroup());
  }

  /**
   * The processes in containers of a pod, by start time: all that live in a cgroup of one of its containers or further
   * down, for what users see in a container are its processes too. Not zombies, threads of the kernel, and the runtime's
   * helpers, which are in the pod's cgroup but in the node's network.
   * @throws Error when procfs can't be read
   */
  async of(podUid: string): Promise<PodProcess[]> {
    if (podUid === '') return [];
    for (let look = 1; ; look++) {
      const { found, listed } = await this.#lookForAll(podUid);
      // A process that forks away may be gone each time before it is looked at.
      if (found.length > 0 || listed === 0 || look === MAX_LOOKS) return found;
    }
  }

  /**
   * One process in a container of a pod; all that is said of it is of one process.
   * @returns undefined when there is none with this number, it is not in the pod, a zombie or a thread of the kernel
   */
  look(pid: number, podUid: string): PodProcess | undefined {
    const file = (name: string) => readProcFile(join(this.#procRoot, String(pid), name)) ?? '';
    const { name, isZombie, isKernelThread, startTime } = parseStat(file('stat'));
    const cgroup = cgroupInPod(file('cgroup'), podUid);
    if (!cgroup || isZombie || isKernelThread) return undefined;
    const numbers = /^NSpid:\s*(.*)$/m.exec(file('status'))?.[1]?.split(/\s+/).map(Number) ?? [];
    const networkNamespace = readProcLink(join(this.#procRoot, String(pid), 'ns/net'));
    if (!this.isSame({ pid, startTime })) return undefined;
    return { pid, startTime, innerPid: numbers[1] ?? pid, name, networkNamespace, ...cgroup };
  }

  /**
   * The network namespaces that no fault may ever touch: the node's, and the agent's own. The node's is that of its first
   * process, and of the kernel's threads where a security module hides the first process even from root.
   * @throws Error when neither can be read
   */
  hostNetworks(): ReadonlySet<string> {
    const root = this.#procRoot;
    const kernel = parseStat(readProcFile(join(root, '2/stat')) ?? '').isKernelThread ? '2' : '1';
    const nodes = new Set([networkOf(root, '1'), networkOf(root, kernel)]);
    nodes.delete('');
    if (nodes.size === 0) {
      throw new Error(`the node's own network can't be told from ${root}: the agent needs hostPID and SYS_PTRACE`);
    }
    return nodes.add(networkOf('/proc', 'self'));
  }

  /** Whether a process is still the one that was seen, and not a later one with the same number. */
  isSame({ pid, startTime }: { pid: number; startTime: string }): boolean {
    const stat = readProcFile(join(this.#procRoot, String(pid), 'stat'));
    return stat !== undefined && parseStat(stat).startTime === startTime;
  }

  /** The arguments of a process joined by spaces, at most 4 KiB; `''` when it has ended or can't be read. */
  async commandLine(pid: number): Promise<string> {
    try {
      const file = await open(join(this.#procRoot, String(pid), 'cmdline'), 'r');
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_COMMAND_LINE), 0, MAX_COMMAND_LINE, null);
        return buffer.toString('utf8', 0, bytesRead).replaceAll('\0', ' ').trim();
      } finally {
        await file.close();
      }
    } catch {
      return '';
    }
  }

  async #lookForAll(podUid: string): Promise<{ found: PodProcess[]; listed: number }> {
    const hosts = this.hostNetworks();
    const spellings = [podUid, podUid.replaceAll('-', '_')];
    const texts = await this.#byCgroup();
    const listed = [...texts]
      .filter(([text]) => spellings.some((uid) => text.includes(uid)) && cgroupInPod(text, podUid))
      .flatMap(([, pids]) => pids);
    const found = listed
      .map((pid) => this.look(pid, podUid))
      .filter((one) => one !== undefined)
      .filter(({ networkNamespace = '' }) => !hosts.has(networkNamespace))
      .sort((a, b) => Number(a.startTime) - Number(b.startTime) || a.pid - b.pid);
    return { found, listed: listed.length };
  }

  /** All processes, by the text of their /proc/PID/cgroup: far fewer texts than processes. */
  async #groupByCgroup(): Promise<Map<string, number[]>> {
    const groups = new Map<string, number[]>();
    const pids = readdirSync(this.#procRoot).filter((name) => /^\d+$/.test(name));
    for (const [index, pid] of pids.entries()) {
      if (index % BATCH === BATCH - 1) await setImmediate();
      const text = readProcFile(join(this.#procRoot, pid, 'cgroup'));
      if (text === undefined) continue;
      const group = groups.get(text);
      if (group) group.push(Number(pid));
      else groups.set(text, [Number(pid)]);
    }
    return groups;
  }
}

/** `net:[4026532008]`; empty when it can't be read. */
function networkOf(procRoot: string, pid: string): string {
  try {
    return readProcLink(join(procRoot, pid, 'ns/net')) ?? '';
  } catch {
    return '';
  }
}
