import { spawn } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { notInstalled } from './run-program.js';

/** Another process holds the lock. */
export class DirectoryInUseError extends Error {
  override readonly name = 'DirectoryInUseError';
}

/**
 * Opens a directory and holds an exclusive lock on it until the handle is closed or the process ends, however it ends.
 *
 * A lock of flock(2) belongs to the open file, not to the process that asked for it, so that the program flock can take
 * it for us on a descriptor it inherits. No lock file is left behind that someone would have to judge as stale.
 * @throws DirectoryInUseError when another process holds the lock, Error when the directory can't be opened
 */
export async function lockDirectory(directory: string): Promise<FileHandle> {
  const handle = await open(directory, 'r');
  try {
    const taken = await flock(handle.fd);
    if (!taken) throw new DirectoryInUseError(`${directory} is in use by another agent: two must never share one`);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function flock(descriptor: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-x', '-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] });
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? notInstalled('flock') : error),
    );
    child.on('close', (code) => {
      // 1: someone else has it; see flock(1).
      if (code === 0 || code === 1) resolve(code === 0);
      else reject(new Error(`flock failed with exit code ${code}`));
    });
  });
}
