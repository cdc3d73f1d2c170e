import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UsageError } from './io.js';

/**
 * Finds out that a file can't be written before anything is done for it.
 *
 * @param option the option that names the file, for the message
 * @throws UsageError
 */
export async function checkWritable(option: string, file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) throw new UsageError(`${option} ${file}: is a folder; name a file`);
  await access(found ? file : dirname(file), constants.W_OK).catch(() => {
    throw new UsageError(`${option} ${file}: can't be written; is its folder there?`);
  });
}
