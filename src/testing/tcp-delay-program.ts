import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Bundled } from './bundled.js';

/** Bundles the proxy that delays TCP, from the sources as they are now, where every user can read it. */
export async function bundleTcpDelay(): Promise<Bundled> {
  const folder = mkdtempSync(join(tmpdir(), 'squall-tcp-delay-'));
  const file = join(folder, 'tcp-delay.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('../agent/tcp-delay/program.ts', import.meta.url))],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
