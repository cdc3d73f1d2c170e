import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Destination } from './connection.js';
import type { ProxySettings, Response } from './protocol.js';
import { MARKER } from './status.js';

const ANSWER_MILLISECONDS = 10_000;
const MAX_STDERR = 2_048;
/** The proxy's buffers lie outside of this heap and have a bound of their own. */
const nodeOptions = ['--max-old-space-size=96', '--max-semi-space-size=8', '--no-warnings'];

type Listening = Exclude<Response, { error: string }>;

/** A proxy that this process has started, and talks to over its stdin and stdout. */
export class ProxyChild {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: ((response: Response) => void)[] = [];
  #stderr = '';
  #end: string | undefined;

  /**
   * @param enter what brings a program into the network namespace of the target
   * @param program the bundle of `program.ts`
   * @param ended called once, when the process is gone
   */
  constructor(enter: readonly string[], program: string, id: string, settings: ProxySettings, ended: () => void) {
    const [command = process.execPath, ...args] = [
      ...enter,
      process.execPath,
      ...nodeOptions,
      program,
      MARKER,
      id,
      JSON.stringify(settings),
    ];
    // One thread less each for what a proxy never does: files, DNS, compression.
    const env = { PATH: process.env.PATH, UV_THREADPOOL_SIZE: '1' };
    this.#child = spawn(command, args, { cwd: '/', env, stdio: 'pipe' });
    // An agent that is done ends at once, and with its end of the pipe the delay; it does not wait for this one to drain.
    this.#child.unref();
    for (const stream of this.#child.stdio) (stream as Socket).unref();
    this.#child.once('error', (error) => this.#over(error.message, ended));
    this.#child.once('exit', (code, signal) => this.#over(signal ?? `exit code ${code}`, ended));
    this.#child.stdin.on('error', () => {});
    this.#child.stderr.on('data', (chunk) => {
      this.#stderr = `${this.#stderr}${chunk}`.slice(-MAX_STDERR);
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) =>
      this.#waiting.shift()?.(JSON.parse(line) as Response),
    );
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** How it ended; undefined: it runs. */
  get end(): string | undefined {
    return this.#end;
  }

  /**
   * Has it listen for exactly these destinations, and know that its agent lives.
   *
   * @throws Error when it can't, has ended, or does not answer
   */
  async listen(destinations: readonly Destination[]): Promise<Listening> {
    if (this.#end !== undefined) throw new Error(this.#end);
    const answer = new Promise<Response>((resolve) => this.#waiting.push(resolve));
    this.#child.stdin.write(`${JSON.stringify({ destinations })}\n`);
    const timeout = new AbortController();
    const late = sleep(ANSWER_MILLISECONDS, { error: 'it does not answer' }, { signal: timeout.signal });
    const response = await Promise.race([answer, late.catch(() => ({ error: 'never' }))]);
    timeout.abort();
    if ('error' in response) throw new Error(response.error);
    return response;
  }

  /** @param signal SIGTERM has it stop delaying, drain and end */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  #over(reason: string, ended: () => void): void {
    if (this.#end !== undefined) return;
    this.#end = `it ended with ${reason}${this.#stderr && `: ${this.#stderr.trim()}`}`;
    for (const answer of this.#waiting.splice(0)) answer({ error: this.#end });
    ended();
  }
}
