import { readdirSync, readFileSync } from 'node:fs';
import type { Place, TargetProcess } from '../agent/place.js';
import { parseStat } from '../agent/proc-files.js';

/**
 * A place whose processes are those of these numbers that live, and all their descendants: as if they ran in one
 * container `app`, of which the oldest is the first.
 */
export function placeOf(roots: () => readonly number[], change: Partial<TargetProcess> = {}): Place {
  return {
    pod: { namespace: 'shop', name: 'checkout-1', uid: 'b2f7a8d0-0000-4000-8000-000000000001' },
    networkNamespace: 'net:[4026532008]',
    podIPs: ['10.0.0.1'],
    run: () => Promise.reject(new Error('runs nothing')),
    enter: [],
    processes: async () => family(roots()).map((one) => ({ ...one, ...change })),
  };
}

/** The processes of these numbers and their descendants, without zombies. */
function family(roots: readonly number[]): TargetProcess[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const all = pids.flatMap((pid) => {
    const stat = statOf(pid);
    return stat && !stat.isZombie ? [{ ...stat, pid: Number(pid) }] : [];
  });
  const found = all.filter(({ pid }) => roots.includes(pid));
  for (const one of found) found.push(...all.filter(({ parent, pid }) => parent === one.pid && !roots.includes(pid)));
  return found.map(({ pid, startTime, name }) => {
    const commandLine = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    return { pid, startTime, name, commandLine, innerPid: pid, container: 'app', ephemeral: false };
  });
}

function statOf(pid: string) {
  const text = read(`/proc/${pid}/stat`);
  return text === '' ? undefined : parseStat(text);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
