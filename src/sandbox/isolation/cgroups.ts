import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Version 1 controllers that change nothing for those who are in them. */
const harmless = ['name=systemd', 'pids'];
const patienceMilliseconds = 5_000;
const lookAgainMilliseconds = 10;

/**
 * Where cgroups can be made: the hierarchies that say where a process is and limit nothing, or the only one of version 2.
 *
 * @param mountinfo the text of /proc/self/mountinfo
 */
export function cgroupMounts(mountinfo: string): string[] {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [type, , options = ''] = after.split(' ');
    return type?.startsWith('cgroup') ? [{ type, options: options.split(','), path: before.split(' ')[4] ?? '' }] : [];
  });
  const first = mounts.filter(
    ({ type, options }) => type === 'cgroup' && options.some((one) => harmless.includes(one)),
  );
  const chosen = first.length > 0 ? first : mounts.filter(({ type }) => type === 'cgroup2').slice(0, 1);
  return chosen.map(({ path }) => path);
}

/** The cgroups of one sandbox, at the same path in each hierarchy. */
export class Cgroups {
  /** @param roots folders that need not exist yet, one in each hierarchy */
  constructor(private readonly roots: readonly string[]) {}

  /**
   * Makes a cgroup.
   *
   * @param path below the roots
   * @returns the files that a process joins it by
   * @throws Error as of the file system
   */
  make(path: string): string[] {
    return this.roots.map((root) => {
      const folder = join(root, path);
      mkdirSync(folder, { recursive: true });
      return join(folder, 'cgroup.procs');
    });
  }

  /** Kills all that is in a cgroup and below it, and removes it; resolves when it is gone, or has not gone for 5 s. */
  async remove(path: string): Promise<void> {
    await Promise.all(this.roots.map((root) => removeTree(join(root, path))));
  }
}

async function removeTree(folder: string): Promise<void> {
  const end = performance.now() + patienceMilliseconds;
  while (existsSync(folder) && !tryRemove(folder) && performance.now() < end) {
    await sleep(lookAgainMilliseconds);
  }
}

/** Whether the folder is gone. A process needs a moment to die, and one that forks may be ahead of the list. */
function tryRemove(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) {
        tryRemove(join(folder, entry.name));
      }
    }
    for (const pid of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n')) {
      // 0 stands for processes of another PID namespace, and would be our own group.
      if (Number(pid) > 0) {
        process.kill(Number(pid), 'SIGKILL');
      }
    }
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}
