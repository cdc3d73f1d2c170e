import { ApiError, badRequest } from '../api-error.js';
import type { IncludeObject } from '../table/table.js';

/** How an answer is to look: objects as they are, rows of a Table, or metadata only. */
export type Representation = 'object' | 'table' | 'partial';

/**
 * Picks the first acceptable entry of an Accept header. Throws 406 when there is none.
 * Protobuf and aggregated discovery are passed over: clients that offer them offer plain JSON too.
 */
export function negotiate(accept: string | undefined): Representation {
  if (!accept) {
    return 'object';
  }
  for (const entry of accept.split(',')) {
    const representation = representationOf(entry);
    if (representation !== undefined) {
      return representation;
    }
  }
  const message = 'only the following media types are accepted: application/json';
  throw new ApiError(406, 'NotAcceptable', message);
}

function representationOf(entry: string): Representation | undefined {
  const [type, ...parameters] = entry.split(';').map((part) => part.trim());
  if (type !== 'application/json' && type !== 'application/*' && type !== '*/*') {
    return undefined;
  }
  const values = new Map(parameters.map((parameter) => parameter.split('=', 2) as [string, string]));
  const as = values.get('as');
  if (as === undefined) {
    return 'object';
  }
  if (values.get('g') !== 'meta.k8s.io' || values.get('v') !== 'v1') {
    return undefined;
  }
  if (as === 'Table') {
    return 'table';
  }
  return as.startsWith('PartialObjectMetadata') ? 'partial' : undefined;
}

/** The Content-Type of an answer. */
export function contentTypeOf(representation: Representation, list: boolean): string {
  if (representation === 'object') {
    return 'application/json';
  }
  const as = representation === 'table' ? 'Table' : `PartialObjectMetadata${list ? 'List' : ''}`;
  return `application/json;as=${as};v=v1;g=meta.k8s.io`;
}

/** What `includeObject` asks of a Table. Throws 400 for an unknown value. */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') || 'Metadata';
  if (value !== 'None' && value !== 'Metadata' && value !== 'Object') {
    throw badRequest(`includeObject must be None, Metadata or Object, not ${JSON.stringify(value)}`);
  }
  return value;
}
