import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Readable } from 'node:stream';

/** More than any set of manifests needs, and little enough to hold in memory. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const TOO_LARGE = `larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB, which no manifest needs`;
const MAX_FILES = 10_000;
const EXTENSIONS = new Set(['.yaml', '.yml', '.json']);

/** A file that was read, or why it could not be. */
export interface SourceFile {
  /** As given on the command line, or below a directory given there; `<stdin>` for `-`. */
  file: string;
  /** Named on the command line itself, rather than found in a directory. */
  explicit: boolean;
  text?: string;
  error?: string;
}

/** Reads files, directories (all `*.yaml`, `*.yml`, `*.json` below them, hidden ones aside) and `-`, in order. */
export async function* readSources(paths: readonly string[], stdin: Readable): AsyncGenerator<SourceFile> {
  for (const path of paths) {
    if (path === '-') yield { file: '<stdin>', explicit: true, ...(await readText(stdin)) };
    else yield* readPath(path);
  }
}

async function* readPath(path: string): AsyncGenerator<SourceFile> {
  try {
    if (!statSync(path).isDirectory()) {
      yield { file: path, explicit: true, ...(await readFile(path)) };
      return;
    }
    const files = findFiles(path);
    if (files.length === 0)
      yield { file: path, explicit: true, error: 'no *.yaml, *.yml or *.json file in this directory' };
    for (const file of files) yield { file, explicit: false, ...(await readFile(file)) };
  } catch (error) {
    yield { file: path, explicit: true, error: readError(error) };
  }
}

function findFiles(directory: string): string[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) files.push(...findFiles(path));
    else if (EXTENSIONS.has(extname(entry.name)) && (entry.isFile() || isLinkedFile(path))) files.push(path);
    if (files.length > MAX_FILES) throw new Error(`more than ${MAX_FILES} files; name a smaller directory`);
  }
  return files;
}

function isLinkedFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

// Regular files are read synchronously: there is nothing else to do meanwhile, and hundreds are read in half the time.
async function readFile(path: string): Promise<Pick<SourceFile, 'text' | 'error'>> {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return await readText(createReadStream(path));
    return stats.size > MAX_FILE_BYTES ? { error: TOO_LARGE } : decode(readFileSync(path));
  } catch (error) {
    return { error: readError(error) };
  }
}

async function readText(stream: Readable): Promise<Pick<SourceFile, 'text' | 'error'>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_FILE_BYTES) return { error: TOO_LARGE };
    chunks.push(bytes);
  }
  return decode(Buffer.concat(chunks));
}

function decode(bytes: Uint8Array): Pick<SourceFile, 'text' | 'error'> {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { error: 'not UTF-8 text' };
  }
}

function readError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file or directory';
  if (code === 'EACCES') return 'permission denied';
  return message;
}
