import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { parseDocument } from 'yaml';
import { API_VERSION } from '../../api/labels.js';
import { apiVersionOf, type Json, type KubeObject } from '../../kubernetes/resource.js';
import { UsageError } from '../io.js';
import { Contents, type LeftOut } from './contents.js';
import { type PlanKindName, planKinds } from './kinds.js';
import { SNAPSHOT_END, SNAPSHOT_KIND } from './snapshot-format.js';
import { viewOf } from './view.js';

/** No object that the API server stores is larger. */
const MAX_DOCUMENT = 4 * 1024 * 1024;
/** A cluster of 150,000 pods has less. */
const MAX_BYTES = 1024 * 1024 * 1024;

const kindsByName = new Map(
  (Object.keys(planKinds) as PlanKindName[]).map((name) => {
    const { resource } = planKinds[name];
    return [`${apiVersionOf(resource)} ${resource.kind}`, name] as const;
  }),
);

/** A document, and the line it begins in, from 1. */
interface Chunk {
  line: number;
  text: string;
}

/**
 * Reads what `squall snapshot` has written, one document after the other.
 *
 * @param file `-` is the standard input
 * @throws UsageError that names file and line, for what is no snapshot or not all of one
 */
export async function readSnapshot(file: string, stdin: Readable = process.stdin): Promise<Contents> {
  const name = file === '-' ? '<stdin>' : file;
  const refuse = (line: number, message: string) => new UsageError(`${name}:${line}: ${message}`);
  let contents: Contents | undefined;
  let objects = 0;
  let end: number | undefined;
  let last = 1;
  for await (const chunk of chunksOf(file === '-' ? stdin : createReadStream(file), name)) {
    const { line } = chunk;
    last = line;
    const value = parse(chunk, refuse);
    if (value === undefined) continue;
    if (!contents) {
      contents = begin(value, line, refuse);
      continue;
    }
    if (end !== undefined) throw refuse(line, 'something stands behind the end of the snapshot');
    if (value.kind === SNAPSHOT_END) {
      end = Number(value.objects);
      continue;
    }
    add(contents, value, line, refuse);
    objects += 1;
  }
  if (!contents) throw refuse(1, 'empty: expected what `squall snapshot` writes');
  if (end === undefined) throw refuse(last, `truncated: the end of the snapshot is missing after ${objects} objects`);
  if (end !== objects) throw refuse(last, `the snapshot should hold ${end} objects and holds ${objects}`);
  return contents;
}

type Refuse = (line: number, message: string) => UsageError;

async function* chunksOf(stream: Readable, name: string): AsyncGenerator<Chunk> {
  let line = 0;
  let begin = 1;
  let bytes = 0;
  let size = 0;
  let lines: string[] = [];
  try {
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      line += 1;
      bytes += text.length + 1;
      size += text.length + 1;
      if (size > MAX_DOCUMENT || bytes > MAX_BYTES)
        throw new UsageError(`${name}:${begin}: larger than any object of a cluster: this is no snapshot`);
      if (text !== '---') {
        lines.push(text);
        continue;
      }
      yield { line: begin, text: lines.join('\n') };
      [begin, size, lines] = [line + 1, 0, []];
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`${name}: ${code === 'ENOENT' ? 'no such file or directory' : message}`);
  } finally {
    stream.destroy();
  }
  yield { line: begin, text: lines.join('\n') };
}

/** Undefined for a document with nothing in it. */
function parse({ line, text }: Chunk, refuse: Refuse): Json {
  const document = parseDocument(text, { prettyErrors: false, stringKeys: true, logLevel: 'silent' });
  const [error] = document.errors;
  if (error) {
    const above = text.slice(0, error.pos[0]).split('\n').length - 1;
    throw refuse(line + above, `not valid YAML: ${error.message}`);
  }
  const value: unknown = document.toJS();
  if (value === null || value === undefined) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) throw refuse(line, 'not an object: this is no snapshot');
  return value;
}

function begin(value: Json, line: number, refuse: Refuse): Contents {
  if (value.kind !== SNAPSHOT_KIND || value.apiVersion !== API_VERSION)
    throw refuse(
      line,
      `not a snapshot: expected ${API_VERSION} ${SNAPSHOT_KIND} first, is ${words(value)}; make one with \`squall snapshot > cluster.yaml\``,
    );
  const readAt = Date.parse(value.takenAt);
  if (!Number.isFinite(readAt)) throw refuse(line, `takenAt: must be a time, is ${JSON.stringify(value.takenAt)}`);
  for (const field of ['serverVersion', 'systemNamespace'])
    if (typeof value[field] !== 'string') throw refuse(line, `${field}: must be text`);
  if (value.namespaces !== undefined && !isTexts(value.namespaces))
    throw refuse(line, 'namespaces: must be a list of names');
  const contents = new Contents(readAt, value.serverVersion, value.systemNamespace, value.namespaces);
  for (const { kind, why } of (value.leftOut ?? []) as Json[]) {
    if (!Object.hasOwn(planKinds, kind))
      throw refuse(line, `leftOut: ${JSON.stringify(kind)} is nothing of a snapshot`);
    contents.leftOut.push({ kind, why: String(why) } satisfies LeftOut);
  }
  return contents;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function add(contents: Contents, value: Json, line: number, refuse: Refuse): void {
  const name = kindsByName.get(`${value.apiVersion} ${value.kind}`);
  if (name === undefined)
    throw refuse(line, `${words(value)} is nothing that a plan is made from: this is no snapshot`);
  if (typeof value.metadata?.name !== 'string') throw refuse(line, `${words(value)} has no metadata.name`);
  const object = value as KubeObject;
  const alone = new Contents(contents.readAt, '', contents.systemNamespace, undefined);
  alone.add(name, [object]);
  try {
    viewOf(alone);
  } catch (error) {
    throw refuse(line, `${words(value)} ${object.metadata.name} has not the shape of one: ${(error as Error).message}`);
  }
  contents.add(name, [object]);
}

function words({ apiVersion, kind }: Json): string {
  return typeof apiVersion === 'string' && typeof kind === 'string' ? `${apiVersion} ${kind}` : 'something else';
}
