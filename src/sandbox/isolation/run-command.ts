import { spawn } from 'node:child_process';
import type { Watchdog } from '../kubelet/watchdog.js';

/**
 * Runs a program that makes or changes something of a sandbox; the watchdog ends it with the sandbox.
 *
 * @returns what it wrote
 * @throws Error with what it wrote to stderr when it fails or can't be started
 */
export function runCommand(watchdog: Watchdog, command: readonly string[], input = ''): Promise<string> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text;
    });
  }
  // A program that ends without reading all of it says why on stderr.
  child.stdin.on('error', () => undefined).end(input);
  if (child.pid !== undefined) {
    watchdog.guard(child.pid);
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (child.pid !== undefined) {
        watchdog.release(child.pid);
      }
      if (code === 0) {
        resolve(written.stdout);
      } else {
        const why = written.stderr.trim() || `ended with ${signal ?? code}`;
        reject(new Error(`${command.join(' ').slice(0, 200)}: ${why}`));
      }
    });
  });
}
