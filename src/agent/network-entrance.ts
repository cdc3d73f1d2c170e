import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TargetGoneError } from './handler.js';
import type { Output, ProgramOptions, RunProgram } from './place.js';
import type { Processes } from './processes.js';
import { refuseFailedStart } from './run-program.js';

/** What ways into a network namespace are looked for with. */
export interface EntranceContext {
  procRoot: string;
  processes: Processes;
  run: RunProgram;
}

/** A process as far as it is needed to get into its network namespace. */
export type Anchor = { pid: number; startTime: string };

/**
 * The ways into the network namespace of one pod: through processes of that pod only, and where none is left, through
 * the file by which the container runtime keeps the namespace for the pod's next container.
 */
export class NetworkEntrance {
  constructor(
    private readonly context: EntranceContext,
    private readonly podUid: string,
    private readonly networkNamespace: string,
    private anchors: readonly Anchor[],
  ) {}

  /** A path to the namespace as of now: another process may have that number later. */
  async path(): Promise<string> {
    const anchor = this.anchors.find((one) => this.context.processes.isSame(one));
    if (anchor) return this.#pathOf(anchor);
    const { descriptor, path } = await this.#open();
    closeSync(descriptor);
    return path;
  }

  /**
   * Runs a program in the namespace. It is opened and compared before, and entered through the open file: a process
   * that ends meanwhile, and another one that gets its number, can't lead anywhere else.
   * @throws TargetGoneError when there is no way in any more
   * @throws Error when the program is not installed, or the agent may not enter
   */
  async run(program: string, args: readonly string[], options?: ProgramOptions): Promise<Output> {
    const { descriptor } = await this.#open();
    try {
      const path = `/proc/${process.pid}/fd/${descriptor}`;
      const output = await this.context.run('nsenter', [`--net=${path}`, '--', program, ...args], options);
      refuseFailedStart('nsenter', program, output);
      return output;
    } finally {
      closeSync(descriptor);
    }
  }

  async #open(): Promise<{ descriptor: number; path: string }> {
    const open = this.#openByAnchors();
    if (open) return open;
    // All known ones have ended: a container restarted, or its process forks away.
    const found = await this.context.processes.of(this.podUid);
    this.anchors = found.filter(({ networkNamespace }) => networkNamespace === this.networkNamespace);
    const again = this.#openByAnchors();
    if (again) return again;
    for (const path of await keptAt(this.context.procRoot, this.networkNamespace)) {
      const descriptor = this.#openPath(path);
      if (descriptor !== undefined) return { descriptor, path };
    }
    throw new TargetGoneError(`nothing is left of the pod's network namespace ${this.networkNamespace}`);
  }

  #openByAnchors(): { descriptor: number; path: string } | undefined {
    for (const anchor of this.anchors) {
      const path = this.#pathOf(anchor);
      const descriptor = this.#openPath(path);
      if (descriptor === undefined) continue;
      if (this.context.processes.isSame(anchor)) return { descriptor, path };
      closeSync(descriptor);
    }
    return undefined;
  }

  #pathOf({ pid }: Anchor): string {
    return join(this.context.procRoot, String(pid), 'ns/net');
  }

  /** Opens a file when it is this namespace. */
  #openPath(path: string): number | undefined {
    let descriptor: number;
    try {
      descriptor = openSync(path, 'r');
    } catch {
      return undefined;
    }
    if (namespaceOf(descriptor) === this.networkNamespace) return descriptor;
    closeSync(descriptor);
    return undefined;
  }
}

/** Which namespace an open file is, as links in /proc/PID/ns write it: the number is that of the inode, see namespaces(7). */
function namespaceOf(descriptor: number): string | undefined {
  const { dev, ino } = fstatSync(descriptor);
  return dev === statSync('/proc/self/ns/net').dev ? `net:[${ino}]` : undefined;
}

/**
 * Paths of the files that keep a network namespace alive without a process, such as /run/netns/cni-…: bind mounts of
 * nsfs. Runtimes keep a pod's until its sandbox is removed. By proc_pid_mountinfo(5) field 4 is the namespace.
 */
export async function keptAt(procRoot: string, networkNamespace: string): Promise<string[]> {
  const mounts = await Promise.all([
    mountPoints(join(procRoot, '1/mountinfo'), networkNamespace),
    mountPoints('/proc/self/mountinfo', networkNamespace),
  ]);
  const [nodes, own] = mounts;
  return [...(nodes ?? []).map((path) => join(procRoot, '1/root', path)), ...(own ?? [])];
}

async function mountPoints(file: string, root: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    if (fields[3] !== root || !line.includes(' - nsfs ')) return [];
    const path = fields[4] ?? '';
    return [path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))];
  });
}
