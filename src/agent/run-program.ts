import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Output, ProgramOptions, RunProgram } from './place.js';

/** At most this many bytes of stdout and stderr together are taken from one program. */
const MAX_OUTPUT = 4 * 1024 * 1024;
const DEFAULT_TIMEOUT_MILLISECONDS = 10_000;

/** All that a program gets to see of our environment: where programs are, and English messages. */
const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** The package of each program that agents run, the same in Debian and Alpine. */
const packages: Readonly<Record<string, string>> = {
  nft: 'nftables',
  tc: 'iproute2',
  ip: 'iproute2',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  flock: 'util-linux',
  setpriv: 'util-linux',
};

/** Says that a program is not there, and which package of Debian or Alpine holds it. */
export function notInstalled(program: string): Error {
  const holder = packages[program];
  return new Error(`${program} is not installed${holder ? `: it is in the package ${holder}` : ''}`);
}

/**
 * Keeps what nsenter or unshare say when they could not even start the program from being taken for its answer.
 * @throws Error that says why the program was not started
 */
export function refuseFailedStart(starter: 'nsenter' | 'unshare', program: string, { code, stderr }: Output): void {
  if (code === 0 || !stderr.startsWith(`${starter}: `)) return;
  if (stderr.includes('failed to execute') && stderr.includes('No such file')) throw notInstalled(program);
  const hint = stderr.includes('not permitted') ? ' (the agent lacks SYS_ADMIN)' : '';
  throw new Error(`${program} can't be run in another network namespace: ${stderr.trim()}${hint}`);
}

/**
 * Runs a program from an argument array, without a shell, in `/` and with an environment of its own.
 *
 * Resolves with the exit code also when the program fails. Rejects with an Error that names the program when it is not
 * installed or can't be started, runs longer than its timeout (it is killed then), was killed by someone else, or writes
 * more than 4 MiB.
 */
export const runProgram: RunProgram = (program, args, options = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: '/', env: environment, stdio: 'pipe' });
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? notInstalled(program) : new Error(`${program} can't be run: ${error.message}`)),
    );
    collect(child, program, options, resolve, reject);
  });

function collect(
  child: ChildProcessWithoutNullStreams,
  program: string,
  { input = '', timeoutMilliseconds = DEFAULT_TIMEOUT_MILLISECONDS }: ProgramOptions,
  resolve: (output: Output) => void,
  reject: (error: Error) => void,
): void {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let size = 0;
  const giveUp = (reason: string) => {
    clearTimeout(timer);
    child.kill('SIGKILL');
    // Something the program started may hold these open for ever.
    for (const stream of child.stdio) stream?.destroy();
    reject(new Error(reason));
  };
  const timer = setTimeout(
    () => giveUp(`${program} did not end within ${timeoutMilliseconds / 1000} s and was killed`),
    timeoutMilliseconds,
  );
  const into = (parts: Buffer[]) => (part: Buffer) => {
    size += part.length;
    if (size > MAX_OUTPUT) return giveUp(`${program} wrote more than ${MAX_OUTPUT / 1024 / 1024} MiB and was killed`);
    parts.push(part);
  };
  child.stdout.on('data', into(stdout));
  child.stderr.on('data', into(stderr));
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    if (code === null) return reject(new Error(`${program} was killed by ${signal}`));
    resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
  });
  // A program that ends before it has read all of its input shows in its exit code.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
}
