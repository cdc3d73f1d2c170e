import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Kills the process groups it guards when this process ends without having done so itself. */
export interface Watchdog {
  guard(group: number): void;
  release(group: number): void;
  /** Kills what is still guarded; resolves when the watchdog itself is gone. */
  stop(): Promise<void>;
}

/**
 * The kernel closes the pipe whatever this process dies of, and `read` then fails. Groups that have ended are forgotten,
 * because their number may by then belong to somebody else.
 */
const script = `
groups=' '
while read -r line; do
  group=\${line#?}
  case $line in
    +*) groups="$groups$group " ;;
    -*) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
`;

/** Starts a watchdog: one small shell for the whole sandbox, in a session of its own so that Ctrl-C does not reach it. */
export function startWatchdog(): Watchdog {
  const shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const ended = once(shell, 'close').catch(() => undefined);
  // Writing to a watchdog that somebody killed must not take the sandbox down.
  shell.stdin.on('error', () => undefined);
  shell.unref();
  return {
    guard: (group) => shell.stdin.write(`+${group}\n`),
    release: (group) => shell.stdin.write(`-${group}\n`),
    async stop() {
      shell.stdin.end();
      shell.ref();
      await ended;
    },
  };
}
