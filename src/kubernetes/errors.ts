import type { Json } from './resource.js';

/** `details` of a `Status`: which object, and what exactly was wrong with it. */
export interface StatusDetails {
  name?: string;
  kind?: string;
  group?: string;
  uid?: string;
  retryAfterSeconds?: number;
  causes?: { reason?: string; message?: string; field?: string }[];
}

/** The API server answered with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /**
   * @param status HTTP status code
   * @param reason machine-readable reason of the `Status`, such as `NotFound`, `Conflict`, `Invalid`; `''` when the answer was no `Status`
   * @param message the server's own message
   * @param details of the `Status`
   * @param retryAfterMs what a `Retry-After` header asked for
   */
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
    readonly details: StatusDetails = {},
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }

  /** The object, or the kind, is not there. */
  get isNotFound(): boolean {
    return this.status === 404;
  }

  /** A create met an object of that name. */
  get isAlreadyExists(): boolean {
    return this.status === 409 && this.reason === 'AlreadyExists';
  }

  /** A precondition (resource version or UID) did not hold. */
  get isConflict(): boolean {
    return this.status === 409 && this.reason !== 'AlreadyExists';
  }

  /** The resource version or continue token is too old: list again. */
  get isExpired(): boolean {
    return this.status === 410;
  }

  /** The object breaks its schema or a rule. */
  get isInvalid(): boolean {
    return this.status === 422 || this.reason === 'Invalid';
  }

  /** Our account may not do this. */
  get isForbidden(): boolean {
    return this.status === 403;
  }

  /** An eviction was refused because of a PodDisruptionBudget (policy/v1: 429 with that cause). */
  get isDisruptionBudget(): boolean {
    return this.status === 429 && (this.details.causes ?? []).some((cause) => cause.reason === 'DisruptionBudget');
  }
}

/** No (usable) answer came: refused, reset, silent, too slow, or too large. */
export class TransportError extends Error {
  override readonly name = 'TransportError';

  /**
   * @param code Node's error code (`ECONNREFUSED`, …), or one of ours: `TIMEOUT`, `SILENT`, `TOO_LARGE`, `MALFORMED`, `ABORTED`
   */
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The error of an answer that is not a success; tells what it can when the body is no `Status`. */
export function apiErrorOf(status: number, body: string, retryAfter?: string): ApiError {
  const retryAfterMs = retryAfterMilliseconds(retryAfter);
  const parsed = parseStatus(body);
  if (parsed) return apiErrorOfStatus({ ...parsed, code: status }, retryAfterMs);
  const text = body.trim().slice(0, 300);
  return new ApiError(
    status,
    '',
    `The API server answered ${status}${text === '' ? '' : `: ${text}`}`,
    {},
    retryAfterMs,
  );
}

/** The error that a `Status` object (of an answer, or of an `ERROR` event of a watch) stands for. */
export function apiErrorOfStatus(status: Json, retryAfterMs?: number): ApiError {
  const code = typeof status?.code === 'number' ? status.code : 500;
  const message =
    typeof status?.message === 'string' && status.message !== '' ? status.message : `The API server answered ${code}`;
  const details: StatusDetails = status?.details ?? {};
  const seconds = details.retryAfterSeconds;
  const wait = retryAfterMs ?? (typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined);
  return new ApiError(code, typeof status?.reason === 'string' ? status.reason : '', message, details, wait);
}

function parseStatus(body: string): Json | undefined {
  try {
    const parsed: Json = JSON.parse(body);
    return parsed?.kind === 'Status' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** `Retry-After` is seconds or an HTTP date (RFC 9110 10.2.3); the API server sends seconds. */
function retryAfterMilliseconds(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}
