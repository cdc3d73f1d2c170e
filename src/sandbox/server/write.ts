import { ApiError, badRequest, invalid, notImplemented, unsupportedMediaType } from '../api-error.js';
import { applyJsonPatch } from '../patch/json-patch.js';
import { applyMergePatch } from '../patch/merge.js';
import { applyStrategicMergePatch } from '../patch/strategic-merge.js';
import { checkEscalation } from '../rbac/escalation.js';
import { qualifiedKind } from '../resources/resource-type.js';
import { generatedName } from '../store/generated-name.js';
import type { NewObject } from '../store/store.js';
import type { Json, KubeObject } from '../store/types.js';
import { admit, checkIdentity, refuseInvalid } from './admission.js';
import { asServed, asStored, namespaceOf, type ResourceCall, sendObject } from './context.js';
import { askPolicies } from './policy-admission.js';
import { isDryRun } from './query.js';
import { mediaTypeOf, parseJson, readBody, readObject } from './request.js';
import { nextObject } from './update-strategy.js';

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';
const APPLY_PATCH = 'application/apply-patch+yaml';

/** Makes the next state of an object, as the client would have it, from the present one in the client's version. */
export type Change = (current: KubeObject) => Json;

/** POST to a collection. */
export async function handleCreate(call: ResourceCall): Promise<void> {
  const { context, user, type, target, query, request } = call;
  const body = await readObject(request);
  if (type.namespaced && target.namespace === undefined) {
    throw badRequest('an empty namespace may not be set during creation');
  }
  checkIdentity(call, body, undefined);
  const warnings: string[] = [];
  const { metadata } = body;
  if (metadata.resourceVersion) {
    throw new ApiError(500, 'InternalError', 'resourceVersion should not be set on objects to be created');
  }
  if (!metadata.name && !metadata.generateName) {
    const message = 'Required value: name or generateName is required';
    throw invalid(qualifiedKind(type), '', [{ reason: 'FieldValueRequired', message, field: 'metadata.name' }]);
  }
  metadata.name ||= generatedName(
    metadata.generateName,
    (name) => context.store.get(type.resource, target.namespace, name) !== undefined,
  );
  delete metadata.managedFields;
  // A new object has no past: whatever the client says of uid and status is not taken over.
  for (const field of ['uid', 'selfLink', 'creationTimestamp']) {
    delete metadata[field];
  }
  if (type.status) {
    delete body.status;
  }
  const admitted = admit(call, body as KubeObject, undefined, warnings);
  const created = context.store.create(type.resource, asStored(type, admitted.object) as NewObject, {
    dryRun: isDryRun(query),
    check(next) {
      refuseInvalid(type, next, undefined, admitted.causes);
      askPolicies(call, 'CREATE', next, undefined);
      checkEscalation(context, user, type.resource, next);
    },
  });
  sendObject(call, 201, created, warnings);
}

/** PUT of an object or of its status. */
export async function handleUpdate(call: ResourceCall): Promise<void> {
  const body = await readObject(call.request);
  const warnings: string[] = [];
  const updated = writeChange(call, () => body, warnings);
  sendObject(call, 200, updated, warnings);
}

/** PATCH of an object or of its status. */
export async function handlePatch(call: ResourceCall): Promise<void> {
  const change = await readPatch(call, call.type.kind);
  const warnings: string[] = [];
  const updated = writeChange(call, change, warnings);
  sendObject(call, 200, updated, warnings);
}

/**
 * Reads a patch of an object of a kind (the resource's own, or `Scale`). Throws 415 for formats that the resource does
 * not take, 501 for server-side apply.
 */
export async function readPatch({ request, type }: ResourceCall, kind: string): Promise<Change> {
  const mediaType = mediaTypeOf(request);
  if (mediaType === APPLY_PATCH) {
    throw notImplemented('server-side apply');
  }
  const custom = type.admit !== undefined;
  const accepted = [JSON_PATCH, MERGE_PATCH, ...(custom ? [] : [STRATEGIC_PATCH])];
  if (!accepted.includes(mediaType)) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
    );
  }
  const patch = parseJson(await readBody(request));
  if (mediaType === JSON_PATCH) {
    return (current) => applyJsonPatch(current, patch);
  }
  if (mediaType === MERGE_PATCH) {
    return (current) => applyMergePatch(current, patch);
  }
  const shape = type.toStored === undefined ? kind : `${kind}.${type.group}`;
  return (current) => applyStrategicMergePatch(shape, current, patch);
}

/** Changes the object the path names, through all checks, and commits it unless it is a dry run. */
export function writeChange(call: ResourceCall, change: Change, warnings: string[]): KubeObject {
  const { context, user, type, target, query } = call;
  const causes: ReturnType<typeof admit>['causes'] = [];
  return context.store.update(
    type.resource,
    namespaceOf(call),
    target.name!,
    (draft) => {
      const current = asServed(type, draft);
      const wanted = asObject(change(current));
      checkIdentity(call, wanted, target.name);
      checkVersionGiven(call, wanted as KubeObject);
      const next = nextObject(type, target.subresource, wanted as KubeObject, current);
      const admitted = admit(call, next, current, warnings);
      causes.push(...admitted.causes);
      replace(draft, asStored(type, admitted.object));
    },
    {
      dryRun: isDryRun(query),
      check(next, previous) {
        refuseInvalid(type, next, previous, causes, target.subresource);
        askPolicies(call, 'UPDATE', next, previous);
        checkEscalation(context, user, type.resource, next);
      },
    },
  );
}

/** Kinds of which an update must say what version it was made from. */
function checkVersionGiven({ type, request }: ResourceCall, wanted: KubeObject): void {
  const strict = type.admit !== undefined || type.kind === 'Lease' || type.kind === 'PodDisruptionBudget';
  if (strict && request.method === 'PUT' && !wanted.metadata.resourceVersion) {
    throw invalid(type.resource, wanted.metadata.name, [
      {
        reason: 'FieldValueInvalid',
        field: 'metadata.resourceVersion',
        message: 'Invalid value: 0x0: must be specified for an update',
      },
    ]);
  }
}

function asObject(value: Json): Record<string, Json> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError(422, 'Invalid', 'the patch leaves no object', {});
  }
  return value;
}

function replace(draft: KubeObject, next: KubeObject): void {
  for (const key of Object.keys(draft)) {
    delete draft[key];
  }
  Object.assign(draft, next);
}
