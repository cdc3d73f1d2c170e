import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';

/** The command line as it is shipped; `npm run e2e` builds it first. */
export const squallProgram = resolve('dist/squall.js');

/** A program that ended. `signal` is set when a signal ended it. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A program that was started. */
export interface Started {
  process: ChildProcess;
  /** What it has written so far. */
  readonly stdout: string;
  readonly stderr: string;
  ended: Promise<Ended>;
  /** Waits until the pattern shows in what it writes; throws with all it wrote when it does not within 30 s. */
  says(pattern: RegExp): Promise<void>;
}

/** How to start a program. `env` is added to a bare environment: no CI, no colours, no KUBECONFIG. */
export interface StartOptions {
  env?: Record<string, string>;
  input?: string | Buffer;
  cwd?: string;
}

/** Starts a program with an argument array. */
export function start(program: string, args: readonly string[], { env = {}, input, cwd }: StartOptions = {}): Started {
  const { PATH = '', HOME = '', TMPDIR } = process.env;
  const child = spawn(program, args, {
    cwd,
    env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.on('error', () => {}).end(input);
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      written[name] += text;
    });
  }
  const ended = new Promise<Ended>((done, fail) => {
    child.once('error', fail);
    child.once('close', (code, signal) => done({ code, signal, ...written }));
  });
  ended.catch(() => {});
  return {
    process: child,
    get stdout() {
      return written.stdout;
    },
    get stderr() {
      return written.stderr;
    },
    ended,
    async says(pattern) {
      await eventually(
        () => pattern.test(written.stdout + written.stderr),
        () => `${args.join(' ')} did not say ${pattern} but:\n${written.stdout}${written.stderr}`,
      );
    },
  };
}

/** Starts `squall` with arguments. */
export function startSquall(args: readonly string[], options: StartOptions = {}): Started {
  return start(process.execPath, [squallProgram, ...args], options);
}

/** Runs `squall` to its end. */
export function squall(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return startSquall(args, options).ended;
}

/** Ends a program with a signal and waits until it is gone. */
export async function end(started: Started | undefined, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  started?.process.kill(signal);
  await started?.ended;
}

/** Waits until the condition holds; throws what `describe` says when it does not in time. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  describe: () => string,
  withinMilliseconds = 30_000,
): Promise<void> {
  const deadline = performance.now() + withinMilliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(describe());
    await new Promise((done) => setTimeout(done, 50));
  }
}
