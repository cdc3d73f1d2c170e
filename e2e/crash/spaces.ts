import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { cgroupsOf } from '../../src/testing/machine-traces.js';

const run = promisify(execFile);

/** What there is in a pod's network namespace, to be compared. */
export interface SpaceState {
  nft: string;
  qdiscs: string;
  classes: string;
  links: string;
  /** The names of all processes in it. */
  processes: string[];
}

const CUT = '-- cut --';
// One program for all, as starting one takes a while when there are hundreds of scenes.
const script = ['nft list ruleset', 'tc qdisc', 'tc class show dev eth0 2>&1', 'ip -o link'].join(`; echo '${CUT}'; `);

/** Network namespaces of pods, by the UID of the pod, which stay for as long as they are open here. */
export class Spaces {
  readonly #open = new Map<string, FileHandle>();

  /** Opens that of a pod that runs; its name, such as `net:[4026532008]`. */
  async open(uid: string): Promise<string> {
    const [pid] = processesOf(uid);
    const name = spaceOf(pid ?? 0);
    if (name === undefined) throw new Error(`pod ${uid} has no process`);
    this.#open.set(uid, await open(`/proc/${pid}/ns/net`));
    return name;
  }

  async close(uid: string): Promise<void> {
    await this.#open.get(uid)?.close();
    this.#open.delete(uid);
  }

  /** Runs a program in that of a pod. */
  async run(uid: string, program: string, ...args: string[]): Promise<string> {
    const handle = this.#open.get(uid);
    if (!handle) throw new Error(`the network of pod ${uid} is not open`);
    const space = `--net=/proc/${process.pid}/fd/${handle.fd}`;
    return (await run('nsenter', [space, '--', program, ...args])).stdout;
  }

  /** What there is in that of a pod now. */
  async state(uid: string, name: string): Promise<SpaceState> {
    const [nft = '', qdiscs = '', classes = '', links = ''] = (await this.run(uid, 'sh', '-c', script)).split(CUT);
    const processes = processesIn(name).map((pid) => contentOf(`/proc/${pid}/comm`).trim());
    return { nft, qdiscs, classes, links, processes: processes.sort() };
  }
}

/** The processes in a network namespace. */
export function processesIn(space: string): number[] {
  return pids().filter((pid) => spaceOf(pid) === space);
}

/** The processes of a pod, by their cgroup. */
export function processesOf(uid: string): number[] {
  return pids().filter((pid) => cgroupsOf(pid).some((path) => path.includes(`/pod${uid}/`)));
}

/** Whether any process of a pod is stopped. */
export function isPaused(uid: string): boolean {
  return processesOf(uid).some((pid) => /^State:\tT/m.test(contentOf(`/proc/${pid}/status`)));
}

/** The processes whose command line and environment hold these. */
export function processesWith(command: string, variable = ''): number[] {
  return pids().filter(
    (pid) =>
      contentOf(`/proc/${pid}/cmdline`).includes(command) && contentOf(`/proc/${pid}/environ`).includes(variable),
  );
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function spaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
