import type { Readable } from 'node:stream';
import type { Contents } from './contents.js';

/** Reads a snapshot. */
export async function readSnapshot(_file: string, _stdin: Readable | undefined): Promise<Contents> {
  throw new Error('not yet');
}
