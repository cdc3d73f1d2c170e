import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';

/** Every module that the bundle of an agent could ever load, statically or not. */
async function modules(): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('./agent.ts', import.meta.url))],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  return Object.keys(metafile.inputs);
}

describe('the program of an agent', () => {
  test('can not reach client-node, the controller, the sandbox or a server for HTTP', async () => {
    const loaded = await modules();
    expect(loaded).toContain('src/agent/agent.ts');
    const forbidden = /client-node|src\/(controller|sandbox|generate|testing|dashboard)\/|kubeconfig\.ts/;
    expect(loaded.filter((path) => forbidden.test(path))).toEqual([]);
  });
});
