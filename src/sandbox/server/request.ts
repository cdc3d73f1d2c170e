import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { badRequest, tooLarge, unsupportedMediaType } from '../api-error.js';
import { isRecord } from '../json.js';
import type { Json } from '../store/types.js';
import { PROTOBUF, readProtobuf } from './protobuf.js';

/** As in a real API server. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** Far deeper than any real object, and far from the end of the stack. */
const MAX_DEPTH = 500;

/** What a request is about, taken from its path. */
export interface Target {
  group: string;
  version: string;
  namespace?: string;
  plural: string;
  name?: string;
  subresource?: string;
}

/** Reads `/api/v1/…` and `/apis/<group>/<version>/…`; undefined for any other path and for one without a resource. */
export function parseTarget(path: string): Target | undefined {
  const parts = path.split('/').slice(1).map(decode);
  if (parts.some((part) => part === '')) {
    return undefined;
  }
  const core = parts[0] === 'api';
  if (!core && parts[0] !== 'apis') {
    return undefined;
  }
  const [group, version] = core ? ['', parts[1]] : [parts[1], parts[2]];
  const rest = parts.slice(core ? 2 : 3);
  if (group === undefined || version === undefined || rest.length === 0) {
    return undefined;
  }
  // `/namespaces/x/pods` is about pods; `/namespaces/x` and `/namespaces/x/status` are about the namespace itself.
  const scoped = rest[0] === 'namespaces' && rest.length > 2 && !(core && ['status', 'finalize'].includes(rest[2]!));
  const [plural, name, subresource, ...more] = scoped ? rest.slice(2) : rest;
  if (more.length > 0) {
    return undefined;
  }
  return { group, version, namespace: scoped ? rest[1] : undefined, plural: plural!, name, subresource };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`${JSON.stringify(part)} is not valid in a path`);
  }
}

/** The media type of the body, without parameters; JSON when none is given, as in a real API server. */
export function mediaTypeOf(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? 'application/json').split(';')[0]!.trim().toLowerCase();
}

/** Reads a body of up to 3 MiB as text. Throws 413 for a larger one. */
export async function readBody(request: IncomingMessage): Promise<string> {
  return (await readBytes(request)).toString('utf8');
}

function readBytes(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
    return Promise.reject(tooLarge(MAX_BODY_BYTES));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    // Not `for await`: leaving that loop early cuts the connection, and the client would never see the 413.
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_BODY_BYTES) {
        chunks.length = 0;
        reject(tooLarge(MAX_BODY_BYTES));
      } else {
        chunks.push(chunk);
      }
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
  });
}

/** Reads an object in JSON or YAML, or of a small kind in protobuf. Throws 415 for others, 400 for what cannot be read. */
export async function readObject(request: IncomingMessage): Promise<Record<string, Json>> {
  const type = mediaTypeOf(request);
  const read = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  const value = await read?.(request);
  if (value === undefined) {
    throw unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml (the sandbox reads few kinds in protobuf: send a manifest with kubectl apply -f)',
    );
  }
  if (!isRecord(value)) {
    throw badRequest('the body of the request must be an object');
  }
  return value;
}

const READERS: Record<string, (request: IncomingMessage) => Promise<Json>> = {
  'application/json': async (request) => parseJson(await readBody(request)),
  'application/yaml': async (request) => parseYamlText(await readBody(request)),
  [PROTOBUF]: async (request) => readProtobuf(await readBytes(request)),
};

/** Parses JSON of a bounded depth. Throws 400. */
export function parseJson(text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body of the request is not JSON: ${(error as Error).message}`);
  }
  return checkedDepth(value);
}

function parseYamlText(text: string): Json {
  let value: Json;
  try {
    value = parseYaml(text);
  } catch (error) {
    throw badRequest(`the body of the request is not YAML: ${(error as Error).message}`);
  }
  return checkedDepth(value);
}

function checkedDepth(value: Json): Json {
  if (isDeeper(value, MAX_DEPTH)) {
    throw badRequest(`the body of the request is nested more than ${MAX_DEPTH} levels deep`);
  }
  return value;
}

function isDeeper(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1));
}
