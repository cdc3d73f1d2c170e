import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { badRequest, tooLarge, unsupportedMediaType } from '../api-error.js';
import { isRecord } from '../json.js';
import type { Json } from '../store/types.js';

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

/** Reads a body of up to 3 MiB. Throws 413 for a larger one. */
export function readBody(request: IncomingMessage): Promise<string> {
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
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.on('error', reject);
  });
}

/** Reads an object in JSON or YAML. Throws 415 for other formats, 400 for what cannot be read. */
export async function readObject(request: IncomingMessage): Promise<Record<string, Json>> {
  const type = mediaTypeOf(request);
  if (type !== 'application/json' && type !== 'application/yaml') {
    throw unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml (the sandbox does not read protobuf: send a manifest with kubectl apply -f)',
    );
  }
  const text = await readBody(request);
  const value = type === 'application/json' ? parseJson(text) : parseYamlText(text);
  if (!isRecord(value)) {
    throw badRequest('the body of the request must be an object');
  }
  return value;
}

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
