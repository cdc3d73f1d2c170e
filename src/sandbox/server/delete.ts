import type { IncomingMessage } from 'node:http';
import { badRequest } from '../api-error.js';
import { isRecord } from '../json.js';
import type { DeleteOptions, Json, KubeObject } from '../store/types.js';
import { asServed, listHead, namespaceOf, type ResourceCall, sendJson, sendObject } from './context.js';
import { askPolicies } from './policy-admission.js';
import { integerOf, invalidOption, isDryRun } from './query.js';
import { selectedObjects } from './read.js';
import { parseJson, readBody } from './request.js';

const POLICIES = ['Background', 'Foreground', 'Orphan'];

/** Options of a DELETE and whether it is a rehearsal. */
export type DeleteRequest = DeleteOptions & { dryRun?: boolean };

/** DELETE of one object: answers with the object while something still holds it, with a Status once it is gone. */
export async function handleDelete(call: ResourceCall): Promise<void> {
  const { context, type, target, response } = call;
  const { store } = context;
  const options = await readDeleteOptions(call.request, call.query);
  const present = store.get(type.resource, namespaceOf(call), target.name!);
  if (present !== undefined) {
    askPolicies(call, 'DELETE', undefined, present);
  }
  const deleted = store.delete(type.resource, namespaceOf(call), target.name!, options);
  const held = store.get(type.resource, namespaceOf(call), target.name!);
  if (type.resource === 'pods' || held?.metadata.uid === deleted.metadata.uid) {
    sendObject(call, 200, deleted);
    return;
  }
  const { name, uid } = deleted.metadata;
  sendJson(response, 200, success({ name, group: type.group || undefined, kind: type.plural, uid }));
}

/** DELETE of a collection: of everything the selectors pick. */
export async function handleDeleteCollection(call: ResourceCall): Promise<void> {
  const { context, type, response } = call;
  const options = await readDeleteOptions(call.request, call.query);
  const items = selectedObjects(call).map((present) => {
    const { namespace, name } = present.metadata;
    askPolicies(call, 'DELETE', undefined, present);
    return asServed(type, context.store.delete(type.resource, namespace, name, options));
  });
  const metadata = { resourceVersion: String(context.store.version) };
  sendJson(response, 200, { ...listHead(type), metadata, items });
}

/** A Status that says yes. */
export function success(details?: Json, code = 200): Json {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details, code };
}

async function readDeleteOptions(request: IncomingMessage, query: URLSearchParams): Promise<DeleteRequest> {
  const text = await readBody(request);
  const body = text.trim() === '' ? {} : parseJson(text);
  if (!isRecord(body)) {
    throw badRequest('the body of a DELETE must be DeleteOptions');
  }
  return deleteOptionsOf(body, query);
}

/** Reads DeleteOptions from a body and from query parameters. Throws 400 for wrong types, 422 for unknown values. */
export function deleteOptionsOf(body: Record<string, Json>, query: URLSearchParams): DeleteRequest {
  const gracePeriodSeconds = body.gracePeriodSeconds ?? integerOf(query, 'gracePeriodSeconds');
  if (gracePeriodSeconds !== undefined && !Number.isSafeInteger(gracePeriodSeconds)) {
    throw badRequest('gracePeriodSeconds must be a whole number');
  }
  const orphan = body.orphanDependents === true ? 'Orphan' : undefined;
  const propagationPolicy = body.propagationPolicy ?? query.get('propagationPolicy') ?? orphan;
  if (propagationPolicy !== undefined && !POLICIES.includes(propagationPolicy)) {
    throw invalidOption('propagationPolicy', propagationPolicy, POLICIES);
  }
  for (const value of Array.isArray(body.dryRun) ? body.dryRun : []) {
    query.append('dryRun', String(value));
  }
  const { preconditions } = body;
  if (preconditions !== undefined && !isRecord(preconditions)) {
    throw badRequest('preconditions must be an object');
  }
  return { gracePeriodSeconds, propagationPolicy, preconditions, dryRun: isDryRun(query) };
}

/** Whether an object is on its way out. */
export function isTerminating(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}
