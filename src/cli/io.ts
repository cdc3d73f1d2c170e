import type { ValidateIo } from './validate.js';

/** Where a command reads and writes. */
export interface Io extends ValidateIo {
  /** Whether progress may be redrawn in place: stderr is a terminal and not a CI log. */
  live: boolean;
  /** How wide the terminal is now, in columns. */
  readonly width: number;
  /** How high it is now, in lines. */
  readonly height: number;
}

/** The exit codes of every command; a part of the interface. */
export const exitCodes = { Passed: 0, Failed: 1, Usage: 2, Inconclusive: 3, Aborted: 4, Error: 5 } as const;

/** A mistake of the one who called: printed without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** No controller is there to carry a run out: exit code 5. */
export class ControllerMissingError extends Error {
  override readonly name = 'ControllerMissingError';
}

/** The process's own streams. Colours follow NO_COLOR, FORCE_COLOR and whether stdout is a terminal. */
export function processIo(): Io {
  const { env, stdin, stdout, stderr } = process;
  const wanted = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0';
  return {
    stdin,
    stdout,
    stderr,
    color: env.NO_COLOR ? false : wanted || (stdout.isTTY ?? false),
    live: (stderr.isTTY ?? false) && !env.CI && env.TERM !== 'dumb',
    get width() {
      return stderr.columns || 100;
    },
    get height() {
      return stderr.rows || 24;
    },
  };
}
