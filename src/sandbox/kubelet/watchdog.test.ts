import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { isAlive, until } from '../../testing/workloads.js';

/** A process that guards two sleeping process groups, lets one of them go, and prints both ids. */
const program = `
import { spawn } from 'node:child_process';
import { startWatchdog } from './watchdog.js';
const watchdog = startWatchdog();
const groups = [0, 1].map(() => spawn('sh', ['-c', 'sleep 1000; true'], { detached: true, stdio: 'ignore' }).pid);
for (const group of groups) watchdog.guard(group);
watchdog.release(groups[1]);
console.log(JSON.stringify(groups));
setInterval(() => {}, 1000);
`;

describe('the watchdog', () => {
  test('kills the groups it guards, and no other, when the process that started it is killed', async () => {
    const { outputFiles } = await build({
      stdin: { contents: program, resolveDir: fileURLToPath(new URL('.', import.meta.url)), loader: 'ts' },
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
    });
    const sandbox = spawn('node', ['--input-type=module', '-e', outputFiles[0]!.text]);
    const [line] = await once(sandbox.stdout, 'data');
    const [guarded, released] = JSON.parse(String(line)) as [number, number];
    try {
      expect([guarded, released].map(isAlive)).toEqual([true, true]);
      sandbox.kill('SIGKILL');
      await until(() => !isAlive(guarded));
      expect(isAlive(released)).toBe(true);
    } finally {
      process.kill(-released, 'SIGKILL');
    }
  });
});
