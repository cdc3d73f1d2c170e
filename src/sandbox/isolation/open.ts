import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWatchdog, type Watchdog } from '../kubelet/watchdog.js';
import type { Isolation, IsolationWish } from './isolation.js';
import { openLoopback } from './loopback.js';
import { openNamespaces } from './namespaces.js';

/**
 * Gets ready to keep pods apart as is wished, or as well as can be done here.
 *
 * @throws Error when that does not work; nothing is left then
 */
export async function openIsolation(wish: IsolationWish): Promise<Isolation> {
  if (wish === 'loopback') {
    return withWatchdog((watchdog, directory) => openLoopback(watchdog, directory, 'it was asked to do without'));
  }
  try {
    return await withWatchdog(openNamespaces);
  } catch (error) {
    const { message } = error as Error;
    if (wish === 'namespaces') {
      throw new Error(`Pods can't have network namespaces here: ${message}.`);
    }
    return withWatchdog((watchdog, directory) => openLoopback(watchdog, directory, message));
  }
}

async function withWatchdog(open: (watchdog: Watchdog, directory: string) => Promise<Isolation>): Promise<Isolation> {
  const watchdog = startWatchdog();
  const directory = join(tmpdir(), `squall-sandbox-${randomBytes(4).toString('hex')}`);
  try {
    watchdog.guardDirectory(directory);
    mkdirSync(directory, { mode: 0o700 });
    return await open(watchdog, directory);
  } catch (error) {
    await watchdog.stop();
    throw error;
  }
}
