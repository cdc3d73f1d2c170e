import { readdirSync, readFileSync } from 'node:fs';

/** A process of this machine; a number alone may be given to another one later. */
export interface Process {
  pid: number;
  parent: number;
  /** When it started, in clock ticks since boot. */
  startTicks: string;
  command: string;
}

/** Everything that a process has started, directly or not, and that is running now. */
export function descendants(root: number): Process[] {
  const all = processes();
  const found: Process[] = [];
  const parents = [root];
  for (const parent of parents) {
    for (const process of all.filter((each) => each.parent === parent)) {
      found.push(process);
      parents.push(process.pid);
    }
  }
  return found;
}

/** Those of the processes that are still there. A zombie is not: it holds nothing, and its parent may be any. */
export function survivors(known: Iterable<Process>): Process[] {
  const now = new Map(processes().map((process) => [process.pid, process]));
  return [...known].filter(({ pid, startTicks }) => now.get(pid)?.startTicks === startTicks);
}

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => read(Number(name)) ?? []);
}

function read(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in brackets, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, parent, startTicks = ''] = [fields[0], Number(fields[1]), fields[19]];
    if (state === 'Z') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 80);
    return { pid, parent, startTicks, command };
  } catch {
    return undefined;
  }
}
