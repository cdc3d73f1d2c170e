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

function fieldError(place: Place, reason: FieldReason, message: string, detail: string, value?: Json): FieldError {
  const rest = { reason, message, detail, ...(value !== undefined && { value }) };
  if (typeof place === 'string') return { field: place, path: [], ...rest };
  return { field: formatPath(place), path: [...place], ...rest };
}

/** A rule that failed: scalars are shown, objects and lists are not. */
export function ruleFailed(path: Path, value: Json, detail: string): FieldError {
  if (typeof value !== 'object') return invalid(path, value, detail);
  return fieldError(path, 'FieldValueInvalid', `Invalid value: ${detail}`, detail);
}

/** `Invalid value: "object": exactly one of … must be given` */
export function invalid(place: Place, value: Json, detail: string): FieldError {
  return fieldError(place, 'FieldValueInvalid', `Invalid value: ${formatValue(value)}: ${detail}`, detail, value);
}

/** `Invalid value: 101: spec.percent in body should be …` */
export function invalidInBody(path: Path, value: Json, detail: string): FieldError {
  const message = `Invalid value: ${formatValue(value)}: ${formatPath(path)} in body ${detail}`;
  return fieldError(path, 'FieldValueInvalid', message, detail, value);
}

/** `Invalid value: "string": spec.count in body must be of type integer: "string"` */
export function typeInvalid(path: Path, expected: string, found: string): FieldError {
  const detail = `must be of type ${expected}`;
  const text = `${formatPath(path)} in body ${detail}: ${formatValue(found)}`;
  return fieldError(path, 'FieldValueTypeInvalid', `Invalid value: ${formatValue(found)}: ${text}`, detail, found);
}

/** `Required value`, with a detail after a colon when there is one. */
export function required(place: Place, detail = ''): FieldError {
  const message = detail === '' ? 'Required value' : `Required value: ${detail}`;
  return fieldError(place, 'FieldValueRequired', message, detail);
}

/** `Unsupported value: "x": supported values: "a", "b"` */
export function notSupported(place: Place, value: Json, supported: readonly Json[]): FieldError {
  // The API server quotes every allowed value, also numbers.
  const names = supported.map((allowed) =>
    JSON.stringify(typeof allowed === 'string' ? allowed : JSON.stringify(allowed)),
  );
  const detail = `supported values: ${names.join(', ')}`;
  return fieldError(
    place,
    'FieldValueNotSupported',
    `Unsupported value: ${formatValue(value)}: ${detail}`,
    detail,
    value,
  );
}

/** `Too long: may not be more than 10 bytes`: the API server says bytes and counts characters. */
export function tooLong(place: Place, maximum: number): FieldError {
  const detail = `may not be more than ${maximum} bytes`;
  return fieldError(place, 'FieldValueTooLong', `Too long: ${detail}`, detail);
}

/** `Too many: 5: must have at most 3 items` */
export function tooMany(place: Place, actual: number, maximum: number): FieldError {
  const detail = `must have at most ${maximum} ${maximum === 1 ? 'item' : 'items'}`;
  return fieldError(place, 'FieldValueTooMany', `Too many: ${actual}: ${detail}`, detail, actual);
}

/** `Duplicate value: "x"` */
export function duplicate(place: Place, value: Json, detail = 'must be unique'): FieldError {
  return fieldError(place, 'FieldValueDuplicate', `Duplicate value: ${formatValue(value)}`, detail, value);
}

/** The same for a rule that says so of an object or a list, which is not shown. */
export function ruleFoundDuplicate(path: Path, value: Json, detail: string): FieldError {
  if (typeof value !== 'object') return duplicate(path, value, detail);
  return fieldError(path, 'FieldValueDuplicate', 'Duplicate value', detail);
}

/** `Forbidden: …` */
export function forbidden(place: Place, detail: string): FieldError {
  return fieldError(place, 'FieldValueForbidden', `Forbidden: ${detail}`, detail);
}

/**
 * Without a field, as the API server answers where it lost track of it: logical combinations and integer formats. The
 * path is kept.
 */
export function withoutField(path: Path, detail: string): FieldError {
  return { ...invalid(path, '', detail), field: '<nil>' };
}

/** Thrown when a CRD's schema would be refused; `problems` lists everything that is wrong with it. */
export class SchemaError extends Error {
  constructor(readonly problems: FieldError[]) {
    super(problems.map(({ field, message }) => `${field}: ${message}`).join('\n'));
    this.name = 'SchemaError';
  }
}
