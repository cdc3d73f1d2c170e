import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { DoomMessage } from '../../src/testing/doomed.js';
import { eventually, squallProgram } from '../processes.js';

const MAX_LOG = 200_000;
/** Marks all that the suite started, also what such a process starts and leaves behind. */
export const MARK = 'SQUALL_CRASH_SUITE';

/** A real `squall` process that can be told where to die. */
export class DoomedProcess {
  /** The boundaries it passed since it was armed. */
  readonly boundaries: string[] = [];
  /** Resolves once it is gone. */
  readonly ended: Promise<void>;
  /** When it was gone, on the clock of `performance.now()`. */
  endedAt = Number.POSITIVE_INFINITY;
  readonly #child: ChildProcess;
  #log = '';

  /**
   * @param preload the bundle of `doomed.ts`
   * @param mark of the suite that starts it
   */
  constructor(preload: string, mark: string, args: readonly string[]) {
    const { PATH = '', HOME = '', TMPDIR } = process.env;
    this.#child = spawn(process.execPath, ['--import', preload, squallProgram, ...args], {
      env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), [MARK]: mark },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = `${this.#log}${text}`.slice(-MAX_LOG);
    });
    this.#child.on('message', ({ boundary }: { boundary: string }) => this.boundaries.push(boundary));
    this.#child.on('error', () => {});
    this.ended = once(this.#child, 'close').then(() => {
      this.endedAt = performance.now();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What it wrote to stderr. */
  get log(): string {
    return this.#log;
  }

  /** Where it killed itself; undefined: somebody else did, or it lives. */
  get killedAt(): string | undefined {
    return /^killed (.*)$/m.exec(this.#log)?.[1];
  }

  /** Waits until its log shows this. */
  async says(pattern: RegExp): Promise<void> {
    await eventually(
      () => pattern.test(this.#log) || this.hasEnded,
      () => `it did not say ${pattern}: ${this.#log.slice(-2_000)}`,
      60_000,
    );
    if (!pattern.test(this.#log)) throw new Error(`it ended without saying ${pattern}: ${this.#log.slice(-2_000)}`);
  }

  /** Has it count boundaries from now on, and die at the nth. */
  arm(nth: number): void {
    this.boundaries.length = 0;
    this.tell({ doom: { nth: Number.isFinite(nth) ? nth : -1 } });
  }

  tell(message: DoomMessage): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Kills it, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** Asks it to end, and waits until it has. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended;
  }
}
