import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Programs for tests of pauses, made from the sources as they are now. */
export interface PauseBundles {
  /** The guard of an agent. */
  guard: string;
  /** `pausing-agent.ts`. */
  agent: string;
  remove(): void;
}

/** Bundles the guard, and an agent that only pauses, into a temporary folder. */
export async function bundlePauses(): Promise<PauseBundles> {
  const folder = mkdtempSync(join(tmpdir(), 'squall-pause-'));
  const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  await build({
    entryPoints: { guard: source('../agent/signals/pause-guard.ts'), agent: source('./pausing-agent.ts') },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
  return {
    guard: join(folder, 'guard.mjs'),
    agent: join(folder, 'agent.mjs'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
