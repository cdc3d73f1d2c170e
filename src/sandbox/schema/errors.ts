import type { FieldError, FieldReason, Json, Path } from './types.js';

/** A path as kube-apiserver prints it: `spec.method[0].labels[app.kubernetes.io/name]`; the root is `<nil>`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w$-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${step}]`;
  }
  return text === '' ? '<nil>' : text;
}

/** Go's `%v` and `%q` for the values that appear in messages; long values are cut so that an answer stays readable. */
export function formatValue(value: Json): string {
  const text = JSON.stringify(value) ?? 'null';
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** A place inside a schema is already text; it has no path in an object. */
type Place = Path | string;

function fieldError(place: Place, reason: FieldReason, message: string): FieldError {
  if (typeof place === 'string') return { field: place, path: [], reason, message };
  return { field: formatPath(place), path: [...place], reason, message };
}

/** `Invalid value: 101: spec.percent in body should be …` */
export function invalid(path: Place, value: Json, detail: string): FieldError {
  return fieldError(path, 'FieldValueInvalid', `Invalid value: ${formatValue(value)}: ${detail}`);
}

/** `Invalid value: "string": spec.count in body must be of type integer: "string"` */
export function typeInvalid(path: Path, expected: string, found: string): FieldError {
  const detail = `${formatPath(path)} in body must be of type ${expected}: ${formatValue(found)}`;
  return fieldError(path, 'FieldValueTypeInvalid', `Invalid value: ${formatValue(found)}: ${detail}`);
}

/** `Required value`, with a detail after a colon when there is one. */
export function required(path: Place, detail = ''): FieldError {
  return fieldError(path, 'FieldValueRequired', detail === '' ? 'Required value' : `Required value: ${detail}`);
}

/** `Unsupported value: "x": supported values: "a", "b"` */
export function notSupported(path: Place, value: Json, supported: readonly Json[]): FieldError {
  // The API server quotes every allowed value, also numbers.
  const names = supported.map((allowed) =>
    JSON.stringify(typeof allowed === 'string' ? allowed : JSON.stringify(allowed)),
  );
  const message = `Unsupported value: ${formatValue(value)}: supported values: ${names.join(', ')}`;
  return fieldError(path, 'FieldValueNotSupported', message);
}

/** `Too long: may not be more than 10 bytes`: the API server says bytes and counts characters. */
export function tooLong(path: Path, maximum: number): FieldError {
  return fieldError(path, 'FieldValueTooLong', `Too long: may not be more than ${maximum} bytes`);
}

/** `Too many: 5: must have at most 3 items` */
export function tooMany(path: Path, actual: number, maximum: number): FieldError {
  const items = maximum === 1 ? 'item' : 'items';
  return fieldError(path, 'FieldValueTooMany', `Too many: ${actual}: must have at most ${maximum} ${items}`);
}

/** `Duplicate value: "x"` */
export function duplicate(path: Place, value: Json): FieldError {
  return fieldError(path, 'FieldValueDuplicate', `Duplicate value: ${formatValue(value)}`);
}

/** `Forbidden: …` */
export function forbidden(path: Place, detail: string): FieldError {
  return fieldError(path, 'FieldValueForbidden', `Forbidden: ${detail}`);
}

/** Thrown when a CRD's schema would be refused; `problems` lists everything that is wrong with it. */
export class SchemaError extends Error {
  constructor(readonly problems: FieldError[]) {
    super(problems.map(({ field, message }) => `${field}: ${message}`).join('\n'));
    this.name = 'SchemaError';
  }
}
