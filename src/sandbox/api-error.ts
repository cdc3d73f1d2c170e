import { type AccessRequest, refusalOf, type UserInfo } from './rbac/request.js';

/** One reason among several for a refusal, as in `Status.details.causes`. `field` is a path such as `spec.replicas`. */
export interface StatusCause {
  reason: string;
  message: string;
  field?: string;
}

/** Machine-readable part of a `Status`: what the refusal is about. */
export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** The kind every Kubernetes API server answers failures with (apimachinery `meta/v1.Status`). */
export interface FailureStatus {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Failure';
  message: string;
  reason: string;
  details?: StatusDetails;
  code: number;
}

/** A request refused, with the HTTP status code and the reason that a real API server gives for it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    /** HTTP status code. */
    readonly code: number,
    /** CamelCase reason such as `NotFound`. */
    readonly reason: string,
    message: string,
    readonly details?: StatusDetails,
  ) {
    super(message);
  }

  /** The error as the body of an HTTP answer or the object of a watch's ERROR event. */
  toStatus(): FailureStatus {
    const { code, reason, message, details } = this;
    const status: FailureStatus = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      code,
    };
    return details === undefined ? status : { ...status, details };
  }
}

/** Splits `deployments.apps` into the group and the plural that `Status.details` call group and kind. */
function resourceDetails(resource: string, name?: string): StatusDetails {
  const [plural, ...group] = resource.split('.');
  return { name, group: group.length > 0 ? group.join('.') : undefined, kind: plural };
}

/** 404: no object of that name. */
export function notFound(resource: string, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${resource} "${name}" not found`, resourceDetails(resource, name));
}

/** 404: the server has no such path or resource type. */
export function pathNotFound(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** 409: the name is taken. */
export function alreadyExists(resource: string, name: string): ApiError {
  const message = `${resource} "${name}" already exists`;
  return new ApiError(409, 'AlreadyExists', message, resourceDetails(resource, name));
}

/** 409: the object is not in the version, or not the very object, that the caller had in mind. */
export function conflict(resource: string, name: string, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${resource} "${name}": ${why}`;
  return new ApiError(409, 'Conflict', message, resourceDetails(resource, name));
}

/** 409 as answered to a stale `metadata.resourceVersion`. */
export function staleVersion(resource: string, name: string): ApiError {
  const why = 'the object has been modified; please apply your changes to the latest version and try again';
  return conflict(resource, name, why);
}

/** 422: the object breaks rules of its kind; one cause for each. `kind` may carry a group: `Deployment.apps`. */
export function invalid(kind: string, name: string, causes: StatusCause[]): ApiError {
  const list = causes.map((cause) => (cause.field ? `${cause.field}: ${cause.message}` : cause.message));
  const text = list.length === 1 ? list[0] : `[${list.join(', ')}]`;
  const details = { ...resourceDetails(kind, name), causes };
  return new ApiError(422, 'Invalid', `${kind} "${name}" is invalid: ${text}`, details);
}

/** 400: the request itself is wrong, before any object is looked at. */
export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

/** 403: understood and refused. */
export function forbidden(resource: string, name: string, why: string, causes?: StatusCause[]): ApiError {
  const message = `${resource} "${name}" is forbidden: ${why}`;
  return new ApiError(403, 'Forbidden', message, { ...resourceDetails(resource, name), causes });
}

/** 401: the credentials are not good. */
export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}

/** 403: the user has no right to that. `reason` is what the authorizer has to say, if anything. */
export function forbiddenRequest(user: UserInfo, request: AccessRequest, reason: string): ApiError {
  const why = refusalOf(user, request) + (reason === '' ? '' : `: ${reason}`);
  if ('path' in request) {
    return new ApiError(403, 'Forbidden', `forbidden: ${why}`, {});
  }
  const { group, resource, name } = request;
  const qualified = group === '' ? resource : `${resource}.${group}`;
  const what = name ? `${qualified} ${JSON.stringify(name)}` : qualified;
  return new ApiError(403, 'Forbidden', `${what} is forbidden: ${why}`, resourceDetails(qualified, name));
}

/** 405: the resource exists and does not have that verb. */
export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

/** 410: a watch or a continue token that starts before the history the server still holds. */
export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

/** 413: a body over the limit. */
export function tooLarge(limitBytes: number): ApiError {
  return new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limitBytes}`);
}

/** 415: a body in a format the server does not read. */
export function unsupportedMediaType(message: string): ApiError {
  return new ApiError(415, 'UnsupportedMediaType', message);
}

/** 429: not now; the caller may try again after so many seconds. */
export function tooManyRequests(message: string, retryAfterSeconds: number, causes?: StatusCause[]): ApiError {
  return new ApiError(429, 'TooManyRequests', message, { retryAfterSeconds, causes });
}

/** 501: something a real API server does and this one leaves out. */
export function notImplemented(what: string): ApiError {
  return new ApiError(501, 'NotImplemented', `${what} is not implemented by the Squall sandbox`, {});
}
