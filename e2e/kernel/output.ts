import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Runs a program to its end and returns what it wrote to its standard output.
 *
 * @throws Error with its standard error when it fails or takes longer than `seconds` (10 unless told)
 */
export async function output(
  program: string,
  args: readonly string[],
  { cwd, seconds = 10 }: { cwd?: string; seconds?: number } = {},
): Promise<string> {
  const { stdout } = await run(program, args, { cwd, timeout: seconds * 1_000, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}
