import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { RefusedError } from '../handler.js';
import type { GuardGreeting, GuardOrder } from './guard-order.js';

/** A guard has to answer within this long. */
const PATIENCE_MILLISECONDS = 5_000;
const GREETING = 0;
const MAX_COMPLAINT = 500;

interface Waiting {
  answered: (line: string) => void;
  failed: (error: Error) => void;
}

/** One guard that runs. It does not keep the agent from ending. */
export class GuardProcess {
  /** Why it would die with the agent's container; `''` when it would not. */
  bound = '';
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcessWithoutNullStreams;
  /** By the number of the order; the greeting is number 0. */
  readonly #waiting = new Map<number, Waiting>();
  #complaint = '';

  private constructor([program = '', ...args]: readonly string[]) {
    // Detached, so that no signal to the agent's process group reaches it, and not with the agent's stdout and stderr:
    // a runtime waits for these to be closed when a container has ended.
    const child = spawn(program, args, { cwd: '/', stdio: 'pipe', detached: true });
    this.#child = child;
    this.ended = new Promise((resolve) => {
      const fail = (why: string) => {
        for (const { failed } of this.#waiting.values()) failed(new Error(`${why} ${this.#complaint}`.trim()));
        resolve();
      };
      child.on('error', (error) => fail(error.message));
      child.on('close', (code, signal) => fail(`it ended with ${signal ?? code}`));
    });
    child.unref();
    for (const stream of child.stdio) (stream as Socket).unref();
    child.stdin.on('error', () => {});
    child.stderr.on('data', (text: Buffer) => {
      this.#complaint = `${this.#complaint}${text}`.slice(0, MAX_COMPLAINT);
    });
    createInterface(child.stdout).on('line', (line) => {
      this.#waiting.get(line.startsWith('{') ? GREETING : Number(line))?.answered(line);
    });
  }

  /**
   * Starts a guard, and waits until it listens.
   * @param command such as `['node', 'pause-guard.js', '/proc']`
   * @throws RefusedError when it can't be started
   */
  static async start(command: readonly string[]): Promise<GuardProcess> {
    const guard = new GuardProcess(command);
    try {
      guard.bound = (JSON.parse(await guard.#answer(GREETING)) as GuardGreeting).bound;
      return guard;
    } catch (error) {
      const why = (error as Error).message;
      throw new RefusedError(`the guard that would end a pause if the agent died can't be started: ${why}`);
    }
  }

  /** Its PID. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Tells it something, and waits until it goes by that.
   * @throws Error when it has ended, or does not answer: it is killed then, lest it acts on what it knows later
   */
  async order(order: GuardOrder): Promise<void> {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    await this.#answer(order.number);
  }

  /** Lets everything go on that it watches over, and waits until it has ended. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.ended;
  }

  async #answer(number: number): Promise<string> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error('it has ended');
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<string>((answered, failed) => {
        this.#waiting.set(number, { answered, failed });
        timer = setTimeout(() => {
          this.#child.kill('SIGKILL');
          failed(new Error(`it did not answer within ${PATIENCE_MILLISECONDS / 1000} s`));
        }, PATIENCE_MILLISECONDS);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(number);
    }
  }
}
