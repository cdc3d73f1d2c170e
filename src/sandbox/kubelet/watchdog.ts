import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Takes away what a sandbox has made when its process ends without having done so itself. */
export interface Watchdog {
  /** A process group is killed. */
  guard(group: number): void;
  release(group: number): void;
  /** All processes in a cgroup and below it are killed, and it is removed. The path must hold no space. */
  guardCgroup(folder: string): void;
  /** All network devices of the machine whose names begin like this are deleted. */
  guardDevices(prefix: string): void;
  /** A folder is removed with all that is in it; one at most. */
  guardDirectory(folder: string): void;
  /** Takes away what is still guarded; resolves when that is done and the watchdog itself is gone. */
  stop(): Promise<void>;
}

/**
 * The kernel closes the pipe whatever this process dies of, and `read` then fails. Groups that have ended are forgotten,
 * because their number may by then belong to somebody else. Who is killed needs a moment to leave its cgroup.
 */
const script = `
groups=' ' cgroups='' devices='' directory=''
while read -r line; do
  what=\${line#?}
  case $line in
    +*) groups="$groups$what " ;;
    -*) groups="\${groups%% $what *} \${groups#* $what }" ;;
    C*) cgroups="$cgroups $what" ;;
    D*) devices="$devices /sys/class/net/$what*" ;;
    F*) directory=$what ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
for cgroup in $cgroups; do
  tries=0
  while [ -d "$cgroup" ] && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    for pid in $(find "$cgroup" -name cgroup.procs -exec cat {} +); do
      if [ "$pid" -gt 0 ]; then kill -s KILL "$pid"; fi
    done
    find "$cgroup" -depth -type d -exec rmdir {} +
    if [ -d "$cgroup" ]; then sleep 0.05; fi
  done
done
for device in $devices; do
  if [ -e "$device" ]; then ip link delete dev "\${device##*/}"; fi
done
if [ -n "$directory" ]; then rm -rf -- "$directory"; fi
`;

/** Starts a watchdog: one small shell for the whole sandbox, in a session of its own so that Ctrl-C does not reach it. */
export function startWatchdog(): Watchdog {
  const shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const ended = once(shell, 'close').catch(() => undefined);
  // Writing to a watchdog that somebody killed must not take the sandbox down.
  shell.stdin.on('error', () => undefined);
  shell.unref();
  const tell = (kind: string, what: string | number) => shell.stdin.write(`${kind}${what}\n`);
  return {
    guard: (group) => tell('+', group),
    release: (group) => tell('-', group),
    guardCgroup: (folder) => tell('C', folder),
    guardDevices: (prefix) => tell('D', prefix),
    guardDirectory: (folder) => tell('F', folder),
    async stop() {
      shell.stdin.end();
      shell.ref();
      await ended;
    },
  };
}
