import { type ApiError, badRequest, invalid, type StatusCause } from '../api-error.js';
import { isRecord, shownJson } from '../json.js';
import { validateEphemeralContainers } from '../resources/ephemeral-validation.js';
import { validateMetadata } from '../resources/metadata-validation.js';
import { Problems } from '../resources/problems.js';
import { apiVersionOf, qualifiedKind, type ResourceType } from '../resources/resource-type.js';
import { checkShape, dropUnknown } from '../resources/shape.js';
import { validateBuiltIn } from '../resources/validation.js';
import type { Json, KubeObject } from '../store/types.js';
import type { ResourceCall } from './context.js';
import { fieldValidationOf } from './query.js';

/** An object that can be decoded, and what its schema has against it. */
interface Admitted {
  object: KubeObject;
  causes: StatusCause[];
}

/**
 * Checks that a body is of the kind, in the namespace and of the name that the path says, and fills in what it leaves
 * out. Throws 400.
 * @param name the name in the path; undefined for a creation
 */
export function checkIdentity({ type, target }: ResourceCall, body: Record<string, Json>, name: string | undefined) {
  const apiVersion = apiVersionOf(type);
  body.apiVersion ??= apiVersion;
  body.kind ??= type.kind;
  if (body.apiVersion !== apiVersion || body.kind !== type.kind) {
    throw badRequest(
      `the object provided is unrecognized (must be of type ${type.kind}): the API version in the data (${shownJson(body.apiVersion)}, kind ${shownJson(body.kind)}) does not match the expected API version (${apiVersion})`,
    );
  }
  body.metadata ??= {};
  const { metadata } = body;
  if (!isRecord(metadata)) {
    throw badRequest('metadata must be an object');
  }
  checkNamespace(type, metadata, target.namespace);
  if (name !== undefined) {
    metadata.name ??= name;
    if (metadata.name !== name) {
      throw badRequest(
        `the name of the object (${shownJson(metadata.name)}) does not match the name on the URL (${name})`,
      );
    }
  }
}

function checkNamespace(type: ResourceType, metadata: Record<string, Json>, namespace: string | undefined): void {
  if (!type.namespaced) {
    delete metadata.namespace;
    return;
  }
  metadata.namespace ||= namespace;
  if (metadata.namespace !== namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request (${shownJson(metadata.namespace)}, ${namespace})`,
    );
  }
}

/**
 * Decodes an object: types must fit (400), unknown fields are dropped with a warning or refused, custom kinds get the
 * defaults of their schema. What validation has against it is returned, to be joined with the rest of the causes.
 */
export function admit(
  call: ResourceCall,
  object: KubeObject,
  previous: KubeObject | undefined,
  warnings: string[],
): Admitted {
  const { type, query } = call;
  const validation = fieldValidationOf(query);
  const { unknown, ...admitted } =
    type.admit === undefined ? admitBuiltIn(type, object) : admitCustom(type, object, previous);
  if (unknown.length > 0 && validation === 'Strict') {
    throw strictError(call, object, unknown);
  }
  if (validation === 'Warn') {
    warnings.push(...unknown.map((path) => `unknown field ${JSON.stringify(path)}`));
  }
  return admitted;
}

/** An object that was sent breaks the form of the request; one that a patch makes is invalid. */
function strictError({ type, request }: ResourceCall, object: KubeObject, unknown: readonly string[]): ApiError {
  const list = unknown.map((path) => `unknown field ${JSON.stringify(path)}`).join(', ');
  const why = `strict decoding error: ${list}`;
  if (request.method === 'PATCH') {
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(object))}: ${why}`;
    const cause = { reason: 'FieldValueInvalid', message, field: 'patch' };
    return invalid(qualifiedKind(type), object.metadata.name, [cause]);
  }
  return badRequest(`${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: ${why}`);
}

function admitBuiltIn(type: ResourceType, object: KubeObject): Admitted & { unknown: string[] } {
  const shape = shapeOf(type);
  dropNulls(object);
  const unknown = checkDecodes(type, shape, object, '');
  if (unknown.length > 0) {
    dropUnknown(shape, object);
  }
  return { object, causes: [], unknown };
}

function admitCustom(type: ResourceType, object: KubeObject, previous: KubeObject | undefined) {
  dropNulls(object.metadata);
  const unknown = checkDecodes(type, 'ObjectMeta', object.metadata, 'metadata.');
  if (unknown.length > 0) {
    dropUnknown('ObjectMeta', object.metadata);
  }
  const admission = type.admit!(object, previous);
  return { ...admission, unknown: [...unknown.map((path) => `metadata.${path}`), ...admission.unknown] };
}

/** To a decoder of typed objects, null and absent are the same. */
function dropNulls(value: Json): void {
  for (const [key, member] of Object.entries(value)) {
    if (member === null && !Array.isArray(value)) {
      delete value[key];
    } else if (typeof member === 'object' && member !== null) {
      dropNulls(member);
    }
  }
}

/** Throws 400 when a field has the wrong type; returns the unknown ones. */
function checkDecodes(type: ResourceType, shape: string, value: unknown, prefix: string): string[] {
  const { errors, unknown } = checkShape(shape, value);
  if (errors.length > 0) {
    const list = errors.map((error) => prefix + error).join(', ');
    throw badRequest(`${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: ${list}`);
  }
  return unknown;
}

function shapeOf(type: ResourceType): string {
  return type.toStored === undefined ? type.kind : `${type.kind}.${type.group}`;
}

/** Throws 422 with everything that is wrong with an object about to be stored. */
export function refuseInvalid(
  type: ResourceType,
  next: KubeObject,
  previous: KubeObject | undefined,
  causes: StatusCause[],
  subresource?: string,
): void {
  const all = [...validateMetadata(type, next, previous), ...causes];
  if (type.admit === undefined && subresource === undefined) {
    all.push(...validateBuiltIn(type.resource, next, previous));
  }
  if (subresource === 'ephemeralcontainers' && previous !== undefined) {
    const problems = new Problems();
    validateEphemeralContainers(problems, next, previous);
    all.push(...problems.causes);
  }
  if (all.length > 0) {
    throw invalid(qualifiedKind(type), next.metadata.name, all);
  }
}
