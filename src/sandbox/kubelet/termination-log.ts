import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where a container finds the file for its termination message: the sandbox gives it no mounts, so that nothing is at
 * `terminationMessagePath`.
 */
export const terminationLogVariable = 'SQUALL_TERMINATION_LOG';
/** As the kubelet reads of each file (`MaxContainerTerminationMessageLength`). */
const maxBytes = 4_096;

/** The file that one run of a container writes its termination message to. */
export class TerminationLog {
  readonly file: string;

  /** @param directory a folder that exists */
  constructor(directory: string) {
    this.file = join(directory, `termination-${randomUUID()}`);
    writeFileSync(this.file, '');
  }

  /** The message, cut to 4 KiB, and the file is gone; undefined when there is none. */
  take(): string | undefined {
    const buffer = Buffer.alloc(maxBytes);
    try {
      const file = openSync(this.file, 'r');
      const length = readSync(file, buffer, 0, maxBytes, 0);
      closeSync(file);
      return buffer.toString('utf8', 0, length) || undefined;
    } catch {
      // The container may do with its file what it likes.
      return undefined;
    } finally {
      rmSync(this.file, { recursive: true, force: true });
    }
  }
}
