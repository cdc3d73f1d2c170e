import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { LogBuffer } from './log-buffer.js';
import type { Watchdog } from './watchdog.js';

/** How a container's process ended. A process killed by a signal has 128 + its number as the exit code, as in a shell. */
export interface ProcessExit {
  code: number;
  signal?: number;
  /** Why the process could not be started at all. */
  startError?: string;
}

/** What to run. */
export interface Launch {
  command: string[];
  environment: Record<string, string>;
  workingDirectory: string;
  /** Whether it closes descriptor 3 once it is where it belongs; it is there from the start otherwise. */
  saysWhenInside?: boolean;
}

/** A process in a group of its own. */
export interface ContainerProcess {
  pid: number | undefined;
  /** Resolves when it is where it belongs, or has ended; undefined: it is there already. */
  inside: Promise<unknown> | undefined;
  exited: Promise<ProcessExit>;
  /** Signals the first process, as a container runtime does; does nothing once it has ended. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

const outputPatienceMilliseconds = 200;
const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** Starts a container's process. When it ends, what is left of its group is killed, as when a container's first process ends. */
export function startContainerProcess(launch: Launch, log: LogBuffer, watchdog: Watchdog): ContainerProcess {
  const [file = '', ...args] = launch.command;
  const child = spawn(file, args, {
    env: launch.environment,
    cwd: launch.workingDirectory,
    stdio: ['ignore', 'pipe', 'pipe', ...(launch.saysWhenInside ? (['pipe'] as const) : [])],
    detached: true,
  });
  const group = child.pid;
  if (group !== undefined) {
    watchdog.guard(group);
  }
  for (const stream of [child.stdout, child.stderr]) {
    const sink = log.sink();
    stream?.on('data', sink.write);
    stream?.on('end', sink.end);
  }
  const sign = child.stdio[3] as Readable | null | undefined;
  const inside = sign ? new Promise((resolve) => sign.once('close', resolve).resume()) : undefined;
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('error', (error) => {
      if (group === undefined) {
        log.close();
        resolve({ code: 128, startError: error.message });
      }
    });
    child.once('exit', (code, signal) => {
      killGroup(group!);
      watchdog.release(group!);
      const exit = exitOf(code, signal);
      const finish = () => {
        clearTimeout(timer);
        log.close();
        resolve(exit);
      };
      // A descendant that left the group may hold the pipes open; the container has ended all the same.
      const timer = setTimeout(finish, outputPatienceMilliseconds);
      child.once('close', finish);
    });
  });
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const signal = (name: 'SIGTERM' | 'SIGKILL') => {
    if (group === undefined || ended || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    if (name === 'SIGKILL') {
      killGroup(group);
    } else {
      child.kill(name);
    }
  };
  return { pid: group, inside, exited, signal };
}

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // Nobody of the group is left.
  }
}

function exitOf(code: number | null, signal: NodeJS.Signals | null): ProcessExit {
  if (signal === null) {
    return { code: code ?? 0 };
  }
  const number = signalNumbers[signal] ?? 0;
  return { code: 128 + number, signal: number };
}
