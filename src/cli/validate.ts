import type { Readable } from 'node:stream';
import { styleText } from 'node:util';
import { type Manifests, readManifests } from './manifest/manifests.js';
import { formatProblem, type Problem } from './manifest/problem.js';

/** Where a command reads and writes. `color` is false when the output is not a terminal or NO_COLOR is set. */
export interface ValidateIo {
  stdin?: Readable;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown };
  color: boolean;
}

export interface ValidateOptions {
  /** `json` prints the list of problems, `[]` when there is none. */
  output?: 'json';
}

/**
 * `squall validate FILE|DIR…`: checks manifests without a cluster. Problems go to stderr, the summary to stdout.
 * @returns the exit code: 0 when all are valid, 2 when there are problems
 */
export async function validateCommand(
  paths: readonly string[],
  options: ValidateOptions,
  io: ValidateIo,
): Promise<0 | 2> {
  const manifests = await readManifests(paths, io.stdin);
  const { problems } = manifests;
  if (options.output === 'json') io.stdout.write(`${JSON.stringify(problems, null, 2)}\n`);
  else if (problems.length === 0) io.stdout.write(`${summary(manifests)}\n`);
  else writeProblems(problems, io);
  return problems.length === 0 ? 0 : 2;
}

function writeProblems(problems: Problem[], { stderr, color }: ValidateIo): void {
  for (const problem of problems) stderr.write(`${color ? colored(problem) : formatProblem(problem)}\n`);
  const bad = new Set(problems.map(({ file }) => file)).size;
  stderr.write(`${count(problems.length, 'problem')} in ${count(bad, 'file')}\n`);
}

function colored({ file, line, column, field, message }: Problem): string {
  const place = styleText('bold', `${file}:${line}:${column}:`, { validateStream: false });
  const name = field === undefined ? '' : `${styleText('red', `${field}:`, { validateStream: false })} `;
  return `${place} ${name}${message}`;
}

function summary({ documents, others, files }: Manifests): string {
  const valid = `${documents.length} valid (${count(files, 'file')})`;
  return others.length === 0 ? valid : `${valid}, ${count(others.length, 'other object')} passed over`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
