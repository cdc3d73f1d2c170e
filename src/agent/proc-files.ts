import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';

/** Files of procfs that tell of one process are read up to this size. */
const buffer = Buffer.alloc(64 * 1024);

/**
 * Reads a file of procfs that holds one record, such as stat, status or cgroup, which the kernel gives out in one piece;
 * at most its first 64 KiB. Synchronous, because the kernel answers from memory, and handing thousands of files to
 * threads would cost more than it takes.
 * @returns undefined when the process has ended, or ends while it is read
 * @throws Error for any other reason
 */
export function readProcFile(path: string): string | undefined {
  return unlessEnded(() => {
    const file = openSync(path, 'r');
    try {
      return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, 0));
    } finally {
      closeSync(file);
    }
  });
}

/**
 * Reads what a link of procfs points to, such as `net:[4026532008]`.
 * @returns undefined when the process ended or is a zombie
 * @throws Error that names the capability that is missing when it is not allowed
 */
export function readProcLink(path: string): string | undefined {
  return unlessEnded(() => readlinkSync(path));
}

function unlessEnded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new Error(
        `the agent may not look at processes of others: it lacks SYS_PTRACE (${(error as Error).message})`,
      );
    }
    throw error;
  }
}

/** What /proc/PID/stat says of a process. */
export interface ProcStat {
  name: string;
  /** One letter for its first thread, such as `T`: stopped by a signal. */
  state: string;
  /** Number of its parent; 0 when that is in none of the PID namespaces one can see. */
  parent: number;
  /** It has ended, and only waits for its parent to ask. */
  isZombie: boolean;
  isKernelThread: boolean;
  /** Ticks since boot. */
  startTime: string;
}

/** PF_KTHREAD of the kernel's include/linux/sched.h. */
const KERNEL_THREAD = 0x0020_0000;

/** Reads the text of /proc/PID/stat, see proc_pid_stat(5). Names may hold anything, also spaces and parentheses. */
export function parseStat(text: string): ProcStat {
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  const field = (number: number) => fields[number - 3] ?? '';
  // The first thread of a process may end before the others: it is a zombie then, and the process is not.
  const threads = Number(field(20));
  return {
    name: text.slice(text.indexOf('(') + 1, end),
    state: field(3),
    parent: Number(field(4)),
    isZombie: /^[ZXx]$/.test(field(3)) && threads <= 1,
    isKernelThread: (Number(field(9)) & KERNEL_THREAD) !== 0,
    startTime: field(22),
  };
}
