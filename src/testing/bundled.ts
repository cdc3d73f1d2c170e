import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** A program made from the sources as they are now. */
export interface Bundled {
  /** What to start Node with. */
  file: string;
  remove(): void;
}

/**
 * Makes a program that a test can start as a process of its own, and kill.
 * @param entry name of a file in this folder, such as `journal-writer.ts`
 */
export async function bundled(entry: string): Promise<Bundled> {
  const folder = mkdtempSync(join(tmpdir(), 'squall-program-'));
  const file = join(folder, 'program.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
