import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cgroupMounts } from '../sandbox/isolation/cgroups.js';

/**
 * What there is of one sandbox on this machine besides its processes, one line each.
 *
 * @param directory the sandbox's own folder, after which all of it is named
 */
export function tracesOf(directory: string): string[] {
  const name = basename(directory);
  const ip = (...args: string[]) => execFileSync('ip', ['-o', ...args], { encoding: 'utf8' }).split('\n');
  const lines = [...ip('link'), ...ip('route', 'show', 'table', 'all'), ...ip('-6', 'route', 'show', 'table', 'all')];
  const mounts = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  return [
    ...lines.filter((line) => line.includes(`sqb${name.slice(-8)}`) || line.includes(`sqv${name.slice(-8)}`)),
    ...[directory, ...mounts.map((mount) => join(mount, name))].filter((path) => existsSync(path)),
  ];
}

/** The processes of a container, by their cgroup. */
export function processesIn(containerID: string): number[] {
  const [, id = ''] = containerID.split('://');
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => cgroupsOf(Number(pid)).some((path) => path.endsWith(`/${id}`))).map(Number);
}

/** The lines of /proc/PID/cgroup; none when there is no such process. */
export function cgroupsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}
