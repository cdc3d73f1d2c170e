import type { Readable } from 'node:stream';
import type { Kind } from '../../api/kind.js';
import { type ParsedDocument, type Part, parseDocuments } from './document.js';
import { readSources, type SourceFile } from './files.js';
import { recognize } from './kind.js';
import type { ObjectProblem } from './metadata.js';
import type { Position, Problem } from './problem.js';

export type { Position, Problem } from './problem.js';

/** An object read from a file. */
export interface Manifest {
  file: string;
  /** The line it begins in, from 1. */
  line: number;
  /** As it was written: neither pruned nor defaulted. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON; its schema is known only by its kind
  object: any;
  /** Where a field is, or the nearest one above it that is there. */
  locate(path: readonly (string | number)[]): Position;
}

/** What was read. Documents with problems are not among the documents. */
export interface Manifests {
  /** Objects of our kinds, valid as far as can be told without a cluster. */
  documents: Manifest[];
  /** Objects of other kinds, not checked. */
  others: Manifest[];
  /** Everything wrong, in order of file and line. */
  problems: Problem[];
  /** How many files were read. */
  files: number;
}

/**
 * Reads manifests: files, directories with all their YAML and JSON files, and `-` for the standard input; several
 * documents in a file and `kind: List` are taken apart. Problems are returned, never thrown.
 */
export async function readManifests(paths: readonly string[], stdin: Readable = process.stdin): Promise<Manifests> {
  const result: Manifests = { documents: [], others: [], problems: [], files: 0 };
  for await (const source of readSources(paths, stdin)) {
    if (source.text === undefined) {
      result.problems.push({ file: source.file, line: 1, column: 1, message: source.error ?? 'could not be read' });
      continue;
    }
    result.files++;
    await readFile(source, source.text, result);
  }
  rejectTwins(result);
  result.problems.sort(byPlace(result.problems.map(({ file }) => file)));
  return result;
}

/** Files keep the order they were read in. */
function byPlace(files: string[]): (left: Problem, right: Problem) => number {
  const order = new Map<string, number>();
  for (const file of files) if (!order.has(file)) order.set(file, order.size);
  return (left, right) =>
    (order.get(left.file) ?? 0) - (order.get(right.file) ?? 0) || left.line - right.line || left.column - right.column;
}

async function readFile(source: SourceFile, text: string, result: Manifests): Promise<void> {
  const documents = parseSafely(text).filter(({ value, errors }) => value !== undefined || errors.length > 0);
  if (documents.length === 0 && source.explicit) {
    result.problems.push({ file: source.file, line: 1, column: 1, message: 'empty: expected a Kubernetes object' });
  }
  for (const document of documents) {
    if (document.errors.length > 0) {
      result.problems.push(...document.errors.map((error) => ({ file: source.file, ...error })));
    } else {
      await readObject({ source, document, path: [] }, document.value, result);
    }
  }
}

/** The parser is recursive, so a text can be nested deeper than the stack. */
function parseSafely(text: string): ParsedDocument[] {
  try {
    return parseDocuments(text);
  } catch (error) {
    const reason = error instanceof RangeError ? 'nested too deeply' : (error as Error).message;
    return [
      {
        value: undefined,
        locate: () => ({ line: 1, column: 1 }),
        errors: [{ line: 1, column: 1, message: `not valid YAML: ${reason}` }],
      },
    ];
  }
}

/** An object's place in a file: a document, or an item of a List in it. */
interface Place {
  source: SourceFile;
  document: ParsedDocument;
  path: (string | number)[];
}

async function readObject(place: Place, value: unknown, result: Manifests): Promise<void> {
  if (!isObject(value)) {
    if (place.source.explicit || place.path.length > 0)
      report(place, [{ path: [], message: 'not a Kubernetes object: expected apiVersion, kind and metadata' }], result);
    return;
  }
  if (isList(value)) {
    for (const [index, item] of value.items.entries())
      await readObject({ ...place, path: [...place.path, 'items', index] }, item, result);
    return;
  }
  const { kinds } = await import('../../catalogue.js');
  const recognized = recognize(value, kinds);
  if ('kind' in recognized) await readOurs(place, value, recognized.kind, result);
  else if ('problems' in recognized) report(place, recognized.problems, result);
  else readOther(place, value, result);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: Record<string, unknown>): value is { items: unknown[] } {
  return typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items);
}

async function readOurs(place: Place, object: Record<string, unknown>, kind: Kind, result: Manifests): Promise<void> {
  const { checkObject } = await import('./check.js');
  const problems = checkObject(object, kind);
  if (problems.length > 0) report(place, problems, result);
  else result.documents.push(manifest(place, object));
}

/** Helm values and the like have no kind: fine in a directory, a mistake when named on the command line. */
function readOther(place: Place, object: Record<string, unknown>, result: Manifests): void {
  const missing = ['apiVersion', 'kind'].filter((field) => typeof object[field] !== 'string');
  if (missing.length === 0) result.others.push(manifest(place, object));
  else if (place.source.explicit)
    report(
      place,
      missing.map((field) => ({ path: [field], message: 'is required' })),
      result,
    );
}

function manifest({ source, document, path }: Place, object: unknown): Manifest {
  const locate = (inner: readonly (string | number)[]) => document.locate([...path, ...inner]);
  return { file: source.file, line: locate([]).line, object, locate };
}

function report({ source, document, path }: Place, problems: ObjectProblem[], result: Manifests): void {
  for (const { path: inner, message, part } of problems) {
    const position = document.locate([...path, ...inner], part satisfies Part | undefined);
    const field = inner.length === 0 ? {} : { field: formatField(inner) };
    result.problems.push({ file: source.file, ...position, ...field, message });
  }
}

function formatField(path: readonly (string | number)[]): string {
  return path
    .map((step) => (typeof step === 'number' || !/^[\w$-]+$/.test(step) ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '');
}

/** Two objects with one name would overwrite each other. */
function rejectTwins(result: Manifests): void {
  const first = new Map<string, Manifest>();
  result.documents = result.documents.filter((document) => {
    const { kind, metadata } = document.object;
    const identity = JSON.stringify([kind, metadata.namespace ?? null, metadata.name ?? null]);
    const twin = metadata.name === undefined ? undefined : first.get(identity);
    if (!twin) {
      first.set(identity, document);
      return true;
    }
    const position = document.locate(['metadata', 'name']);
    const message = `${kind} ${JSON.stringify(metadata.name)} is already defined at ${twin.file}:${twin.line}`;
    result.problems.push({ file: document.file, ...position, field: 'metadata.name', message });
    return false;
  });
}
