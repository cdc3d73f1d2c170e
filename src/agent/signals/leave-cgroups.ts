import { writeFileSync } from 'node:fs';
import { readProcFile } from '../proc-files.js';

/**
 * Moves this process out of its container, as far as a runtime kills by it: in every cgroup hierarchy, to where the
 * node's first process is. That is never in a pod, and in version 2 it is one of the cgroups that may hold processes;
 * nothing is made that had to be removed later. It is found through that process's view of the file system, which takes
 * the capability SYS_PTRACE, or in this one's, when the node's cgroups are mounted there. Works only from the node's
 * cgroup namespace.
 *
 * @param procRoot a procfs of the node's own PID namespace
 * @returns why it could not, `''` when it is out
 */
export function leaveCgroups(procRoot: string): string {
  try {
    const read = (file: string) => readProcFile(`${procRoot}/${file}`) ?? '';
    const here = new Set(read('self/cgroup').split('\n'));
    const views = [
      { mounts: read('1/mountinfo'), root: `${procRoot}/1/root` },
      { mounts: read('self/mountinfo'), root: '' },
    ];
    const left = read('1/cgroup')
      .split('\n')
      .filter((line) => line !== '' && !here.has(line));
    return left.flatMap((line) => move(line, views)).join('; ');
  } catch (error) {
    return (error as Error).message;
  }
}

/** Moves this process in one hierarchy; what went wrong when no view served. */
function move(line: string, views: readonly { mounts: string; root: string }[]): string[] {
  const problems: string[] = [];
  for (const { mounts, root } of views) {
    const folder = cgroupFolder(line, mounts);
    if (folder === undefined) continue;
    try {
      // 0 stands for the process that writes.
      writeFileSync(`${root}${folder}/cgroup.procs`, '0', { flag: 'r+' });
      return [];
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return problems.length > 0 ? problems : [`no cgroup file system is mounted for '${line}'`];
}

/**
 * The folder of a cgroup; see cgroups(7) and proc_pid_mountinfo(5).
 * @param line of /proc/PID/cgroup, such as `0::/init.scope`, or `4:cpu,cpuacct:/` in version 1
 * @param mounts the text of a /proc/PID/mountinfo
 * @returns undefined when no mount shows it
 */
export function cgroupFolder(line: string, mounts: string): string | undefined {
  const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
  for (const mount of mounts.split('\n')) {
    const [before = '', after = ''] = mount.split(' - ');
    const [, , , root = '', mountPoint = ''] = before.split(' ');
    const below = isHierarchy(after, controllers) ? pathBelow(root, path) : undefined;
    if (below !== undefined) return `${mountPoint}${below}`.replace(/\/$/, '');
  }
  return undefined;
}

/** Whether a mount, by the part of its line after the dash, is the hierarchy of these controllers; none: version 2. */
function isHierarchy(mount: string, controllers: string): boolean {
  const [type, , options = ''] = mount.split(' ');
  if (controllers === '') return type === 'cgroup2';
  const mounted = new Set(options.split(','));
  return type === 'cgroup' && controllers.split(',').every((name) => mounted.has(name));
}

/** A path as seen from one above it; a mount in a container may show only what is below its own. */
function pathBelow(root: string, path: string): string | undefined {
  if (path.startsWith('/..')) return undefined;
  if (root === '/') return path;
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}
