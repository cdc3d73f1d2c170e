import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** A probe worker thread's bundle, made from the sources as they are now. */
export interface ProbeWorkerBundle {
  url: URL;
  remove(): void;
}

/** Bundles the entry of the probe worker threads into a temporary folder. */
export async function bundleProbeWorker(): Promise<ProbeWorkerBundle> {
  const folder = mkdtempSync(join(tmpdir(), 'squall-probe-worker-'));
  const outfile = join(folder, 'probe-worker.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('../probes/worker.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
  return { url: pathToFileURL(outfile), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
