import { constants, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { lockDirectory } from './directory-lock.js';
import { RefusedError } from './handler.js';
import {
  decodeJournal,
  encodeEntry,
  type JournalContent,
  type JournalEntry,
  type JournalRecord,
} from './journal-format.js';

export { type JournalRecord, recordId } from './journal-format.js';

/** All open records together take at most this many bytes. */
const MAX_OPEN = 32 * 1024 * 1024;
/** Below this size a file is not worth being compacted while it is in use. */
const COMPACT_FROM = 1024 * 1024;
const RETRY_MILLISECONDS = 5_000;

const FILE = 'journal';
const NEW_FILE = 'journal.new';
const DAMAGED_FILE = 'journal.damaged';

interface Waiting {
  entry: JournalEntry;
  line: string;
  written: () => void;
  failed: (error: unknown) => void;
}

/**
 * The undo records of one agent: a directory with a file of JSON lines, each with a checksum, that is only appended to
 * and written anew when most of it is clean.
 *
 * A record is on disk before `intend` resolves, so that whatever dies afterwards, the next agent on the node knows what
 * may be there. A record that is written only in part was never acknowledged, and is dropped when the journal is opened.
 */
export class Journal {
  /** What was found wrong when the journal was opened, in sentences for the log. */
  readonly problems: readonly string[];
  readonly #directory: string;
  readonly #lock: FileHandle;
  #file: FileHandle;
  /** Bytes of the file that count: all of them are on disk. */
  #size: number;
  /** The size from which on compacting is tried. */
  #compactFrom = COMPACT_FROM;
  readonly #open: JournalContent['open'];
  #openSize = 0;
  /** Lines that could not be read, until they are in a file of their own. */
  #damaged: Buffer[];
  #waiting: Waiting[] = [];
  /** Lines that say a record is clean and that could not be written. */
  #unwritten: string[] = [];
  #writer: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;

  private constructor(directory: string, lock: FileHandle, file: FileHandle, content: JournalContent) {
    this.#directory = directory;
    this.#lock = lock;
    this.#file = file;
    this.#size = content.completeSize;
    this.#open = content.open;
    for (const { line } of content.open.values()) this.#openSize += Buffer.byteLength(line);
    this.#damaged = content.damaged;
    this.problems = problemsOf(directory, content);
  }

  /**
   * Opens the journal in a directory, which is made when it is not there, and keeps others from using it.
   * @throws Error when the directory can't be written or another agent uses it
   */
  static async open(directory: string): Promise<Journal> {
    try {
      await makeDirectory(directory);
      const lock = await lockDirectory(directory);
      return await Journal.#openLocked(directory, lock).catch(async (error) => {
        await lock.close();
        throw error;
      });
    } catch (error) {
      const why = `the journal in ${directory} can't be used, and without it no fault is put on: ${messageOf(error)}`;
      throw new Error(why, { cause: error });
    }
  }

  static async #openLocked(directory: string, lock: FileHandle): Promise<Journal> {
    await rm(join(directory, NEW_FILE), { force: true });
    const file = await open(join(directory, FILE), constants.O_RDWR | constants.O_CREAT, 0o600);
    await lock.sync();
    const bytes = await file.readFile();
    const content = decodeJournal(bytes);
    if (content.completeSize < bytes.length) {
      await file.truncate(content.completeSize);
      await file.datasync();
    }
    const journal = new Journal(directory, lock, file, content);
    if (content.compactible || content.damaged.length > 0) await journal.#tryToCompact();
    return journal;
  }

  /** The records that are not clean yet, oldest first. */
  get records(): readonly JournalRecord[] {
    return [...this.#open.values()].map(({ record }) => record);
  }

  /**
   * Records what is about to be done; once this resolves it survives a crash of the node. Records with the same id
   * replace each other.
   * @throws RefusedError when it can't be written: then nothing may be done
   */
  async intend(record: JournalRecord): Promise<void> {
    const entry = { intend: record };
    const line = encodeEntry(entry);
    if (this.#openSize + Buffer.byteLength(line) > MAX_OPEN) {
      throw new RefusedError(`the undo records on this node would take more than ${MAX_OPEN / 1024 / 1024} MiB`);
    }
    await this.#append(entry, line).catch((error) => {
      throw new RefusedError(
        `nothing was done, because the undo record can't be written to ${this.#directory} on the node: ${messageOf(error)}`,
      );
    });
  }

  /**
   * Records that nothing of it is left. Never throws: what can't be written is tried again every 5 s, and a record that
   * a crash makes us find again does no harm, because taking back twice is taking back once.
   */
  async clean(id: string): Promise<void> {
    if (!this.#open.has(id)) return;
    const entry = { clean: id };
    this.#settle(entry, '');
    await this.#append(entry, encodeEntry(entry));
  }

  /** Ends the use of the journal, after all that was asked for. */
  async close(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#writer;
    await this.#file.close();
    await this.#lock.close();
  }

  /** Brings what is known to be open in line with an entry. */
  #settle(entry: JournalEntry, line: string): void {
    const id = 'intend' in entry ? entry.intend.id : entry.clean;
    this.#openSize -= Buffer.byteLength(this.#open.get(id)?.line ?? '');
    this.#open.delete(id);
    if (!('intend' in entry)) return;
    this.#open.set(id, { record: entry.intend, line });
    this.#openSize += Buffer.byteLength(line);
  }

  #append(entry: JournalEntry, line: string): Promise<void> {
    return new Promise((written, failed) => {
      this.#waiting.push({ entry, line, written, failed });
      this.#work();
    });
  }

  #work(): void {
    this.#writer ??= this.#write().finally(() => {
      this.#writer = undefined;
    });
  }

  /** Writes what waits, with one sync for all that came together while the one before was under way. */
  async #write(): Promise<void> {
    do {
      const batch = this.#waiting.splice(0);
      const failure = await this.#persist(batch).catch((error: unknown) => ({ error }));
      for (const { entry, line, written, failed } of batch) {
        if ('clean' in entry) {
          if (failure) this.#unwritten.push(line);
          written();
        } else if (failure) failed(failure.error);
        else {
          this.#settle(entry, line);
          written();
        }
      }
    } while (this.#waiting.length > 0);
    if (this.#unwritten.length > 0) this.#retryLater();
  }

  #retryLater(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#work(), RETRY_MILLISECONDS).unref();
  }

  async #persist(batch: readonly Waiting[]): Promise<undefined> {
    const bytes = Buffer.from([...this.#unwritten, ...batch.map(({ line }) => line)].join(''));
    const nothingOpen = this.#open.size === 0 && batch.every(({ entry }) => 'clean' in entry);
    if (nothingOpen && this.#damaged.length === 0) {
      // Takes no room on a full disk.
      await this.#file.truncate(0);
      await this.#file.datasync();
      this.#size = 0;
      this.#unwritten = [];
      return;
    }
    if (this.#size + bytes.length > this.#compactFrom) await this.#tryToCompact();
    try {
      await writeAll(this.#file, bytes, this.#size);
      await this.#file.datasync();
    } catch (error) {
      // What was written of it must not stand before the next line.
      await this.#file.truncate(this.#size).catch(() => {});
      throw error;
    }
    this.#size += bytes.length;
    this.#unwritten = [];
  }

  /** Writes only what is open to a new file that takes the place of the old one; the old one stays when that fails. */
  async #tryToCompact(): Promise<void> {
    const path = join(this.#directory, NEW_FILE);
    const bytes = Buffer.from([...this.#open.values()].map(({ line }) => line).join(''));
    let file: FileHandle | undefined;
    try {
      await this.#setAside();
      file = await open(path, 'w+', 0o600);
      await writeAll(file, bytes, 0);
      await file.sync();
      await rename(path, join(this.#directory, FILE));
    } catch {
      await file?.close();
      await rm(path, { force: true }).catch(() => {});
      this.#compactFrom = this.#size + COMPACT_FROM;
      return;
    }
    await this.#file.close();
    this.#file = file;
    this.#size = bytes.length;
    // Until the directory is on disk a crash could bring the old file back: then nothing may be appended to this one.
    this.#compactFrom = 0;
    await this.#lock.sync();
    this.#compactFrom = Math.max(COMPACT_FROM, 4 * bytes.length);
  }

  /** Keeps lines that can't be read in a file of their own, for people. */
  async #setAside(): Promise<void> {
    if (this.#damaged.length === 0) return;
    const file = await open(join(this.#directory, DAMAGED_FILE), 'a', 0o600);
    try {
      for (const line of this.#damaged) await file.appendFile(Buffer.concat([line, Buffer.from('\n')]));
      await file.sync();
      await this.#lock.sync();
    } finally {
      await file.close();
    }
    this.#damaged = [];
  }
}

/** Makes a directory and what leads to it, so that it is there after a crash. */
async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = resolve(directory); made.length >= first.length; made = dirname(made)) {
    const parent = await open(dirname(made), 'r');
    await parent.sync().finally(() => parent.close());
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

function problemsOf(directory: string, { damaged }: JournalContent): string[] {
  if (damaged.length === 0) return [];
  const many = damaged.length === 1 ? '1 undo record' : `${damaged.length} undo records`;
  return [
    `${many} in ${join(directory, FILE)} can't be read (kept in ${join(directory, DAMAGED_FILE)}): ` +
      'such a fault ends by itself within 30 s, but traces of it may stay in a pod as long as that lives',
  ];
}

/** What went wrong with a file, without the path and the system call that Node adds. */
function messageOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const words: Record<string, string> = {
    ENOSPC: 'no space is left on the device',
    EDQUOT: 'the disk quota is used up',
    EROFS: 'the file system is read-only',
    EACCES: 'permission denied',
    EIO: 'the disk failed (EIO)',
  };
  return words[code ?? ''] ?? message;
}
