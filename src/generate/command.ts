import { compareFiles, generatedFiles, writeFiles } from './files.js';

/** Where the command's lines go. */
export interface Output {
  say(line: string): void;
  complain(line: string): void;
}

/**
 * Writes the generated files below `root`; with `--check` it only says which are not up to date and how to mend that.
 * Returns the exit code: 0, 1 when something is not up to date, 2 when it was called wrongly.
 */
export function generate(args: readonly string[], root: string, output: Output): number {
  const unknown = args.find((argument) => argument !== '--check');
  if (unknown !== undefined) {
    output.complain(`generate: unknown argument '${unknown}': expected nothing, or --check`);
    return 2;
  }
  const files = generatedFiles();
  if (!args.includes('--check')) {
    const { stale, extra } = writeFiles(root, files);
    for (const path of stale) output.say(`wrote ${path}`);
    for (const path of extra) output.say(`removed ${path}`);
    return 0;
  }
  const { stale, extra } = compareFiles(root, files);
  if (stale.length === 0 && extra.length === 0) return 0;
  for (const path of stale) output.complain(`${path}: is not what the sources say`);
  for (const path of extra) output.complain(`${path}: is not generated from anything`);
  output.complain('Run `npm run generate` and commit what it changes.');
  return 1;
}
