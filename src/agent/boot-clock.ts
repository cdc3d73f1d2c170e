import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * An identifier of this boot of the node: what was in a network namespace or in memory before another boot is gone.
 * @param procRoot where the node's procfs is mounted
 */
export async function readBootId(procRoot = '/proc'): Promise<string> {
  return (await readFile(join(procRoot, 'sys/kernel/random/boot_id'), 'utf8')).trim();
}

/**
 * Milliseconds since this boot of the node, in steps of 10: CLOCK_BOOTTIME (clock_getres(2)) by way of /proc/uptime.
 *
 * Unlike the wall clock nobody can step it. Unlike `process.hrtime` (CLOCK_MONOTONIC) it goes on while the machine is
 * suspended, so that an age on it is what people would call one. All processes of one boot share it.
 */
export async function readBootMilliseconds(procRoot = '/proc'): Promise<number> {
  const [uptime] = (await readFile(join(procRoot, 'uptime'), 'utf8')).split(' ');
  return Math.round(Number(uptime) * 1000);
}
