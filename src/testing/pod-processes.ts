import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './scripted-server.js';

/** Where a process runs: joins the cgroups whose folders come before `--`, then becomes what is behind it. */
const joinCgroups = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"';

/**
 * Pods as a node has them, of real processes in cgroups and network namespaces, without a kubelet. For tests as root.
 * What is made here is gone after `close`.
 */
export class PodProcesses {
  readonly #root = `squall-test-${process.pid}-${randomUUID().slice(0, 8)}`;
  readonly #mounts = cgroupMounts();
  readonly #children: ChildProcess[] = [];

  /**
   * Starts a process that is in `path` in each cgroup hierarchy, and waits until it is what it is going to be.
   * @param path below a folder of this test's own, such as `kubepods/pod<uid>/<id>`
   * @param command what is going to run, such as `['unshare', '--net', 'sleep', 'infinity']`
   * @param name its name (/proc/PID/comm) when it is ready
   */
  async start(path: string, command: readonly string[], name = 'sleep'): Promise<number> {
    const folders = this.#mounts.map((mount) => join(mount, this.#root, path));
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    const child = spawn('sh', ['-c', joinCgroups, 'sh', ...folders, '--', ...command], { stdio: 'ignore' });
    this.#children.push(child);
    const pid = child.pid ?? 0;
    await until(() => nameOf(pid) === name);
    return pid;
  }

  /** Kills all that is in a path, as a runtime does with a container, and waits until it is gone. */
  async kill(path: string): Promise<void> {
    for (const folder of this.#mounts.map((mount) => join(mount, this.#root, path))) await removeTree(folder);
  }

  /** Kills everything and removes the cgroups. */
  async close(): Promise<void> {
    await this.kill('');
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

/**
 * A command in a network namespace of its own, with a device `eth0` that has these addresses.
 * @param command what it ends up as
 */
export function inNamespace(addresses: readonly string[], command = ['sleep', 'infinity']): string[] {
  const script = [
    'ip link set lo up && ip link add eth0 type ifb && ip link set eth0 up',
    ...addresses.map((address) => `ip address add ${address} dev eth0${address.includes(':') ? ' nodad' : ''}`),
    'exec "$@"',
  ];
  return ['unshare', '--net', 'sh', '-c', script.join(' && '), 'sh', ...command];
}

function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Where cgroups can be made that limit nothing: two hierarchies of version 1, or the one of version 2. */
function cgroupMounts(): string[] {
  const first = ['systemd', 'pids'].map((name) => `/sys/fs/cgroup/${name}`).filter((path) => existsSync(path));
  return first.length > 0 ? first : ['/sys/fs/cgroup'];
}

async function removeTree(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  await until(() => {
    for (const pid of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) kill(Number(pid));
    return tryRemove(folder);
  });
}

function tryRemove(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch {
    return !existsSync(folder);
  }
  return true;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
}
