import { applyPatch, type Operation } from 'rfc6902';
import { ApiError, badRequest } from '../api-error.js';
import { cloneJson, isRecord } from '../json.js';
import type { Json } from '../store/types.js';

/** As in a real API server (`apiserver/pkg/endpoints/handlers/patch.go`). */
const MAX_OPERATIONS = 10_000;
const OPERATIONS = ['add', 'remove', 'replace', 'move', 'copy', 'test'];

/** Applies a JSON patch (RFC 6902) to a copy. Throws 400 for a malformed one, 422 when a `test` or a path fails. */
export function applyJsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch)) {
    throw badRequest('a JSON patch must be a list of operations');
  }
  if (patch.length > MAX_OPERATIONS) {
    const message = `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`;
    throw new ApiError(413, 'RequestEntityTooLarge', message);
  }
  const copy = { root: cloneJson(target) };
  for (const operation of patch) {
    apply(copy, operation);
  }
  return copy.root;
}

function apply(holder: { root: Json }, operation: unknown): void {
  if (!isRecord(operation) || !OPERATIONS.includes(operation.op) || typeof operation.path !== 'string') {
    throw badRequest(`${JSON.stringify(operation)?.slice(0, 200)} is not an operation of a JSON patch`);
  }
  let failure: Error | null | undefined;
  try {
    [failure] = applyPatch(holder.root, [operation as unknown as Operation]);
  } catch (error) {
    throw badRequest(`invalid JSON patch: ${(error as Error).message}`);
  }
  if (failure) {
    const message = `the server rejected our request due to an error in our request: ${failure.message}`;
    throw new ApiError(422, 'Invalid', message, {});
  }
}
