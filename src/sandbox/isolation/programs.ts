import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';

/**
 * Where the kernel would find a program.
 *
 * @param path folders as in PATH
 * @param directory what relative names are relative to
 * @returns undefined when there is none, or none that may be run
 */
export function findProgram(name: string, path: string, directory = '/'): string | undefined {
  const candidates = name.includes('/') ? [name] : path.split(delimiter).map((folder) => `${folder || '.'}/${name}`);
  return candidates.map((candidate) => resolve(directory, candidate)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
