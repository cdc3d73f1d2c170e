import { badRequest, invalid } from '../api-error.js';

/** How unknown fields of an object are met. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** Whether the request is a rehearsal. Throws 422 for a value other than `All`. */
export function isDryRun(query: URLSearchParams): boolean {
  const values = query.getAll('dryRun');
  if (values.some((value) => value !== 'All')) {
    throw invalidOption('dryRun', values, ['All']);
  }
  return values.length > 0;
}

/** The `fieldValidation` parameter; `Warn` when absent. Throws 422 for an unknown value. */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const value = query.get('fieldValidation') || 'Warn';
  if (value !== 'Ignore' && value !== 'Warn' && value !== 'Strict') {
    throw invalidOption('fieldValidation', value, ['Ignore', 'Warn', 'Strict']);
  }
  return value;
}

/** A parameter that is true, false or absent. Throws 400 for anything else. */
export function booleanOf(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null || value === '' || value === 'false' || value === '0') {
    return value === '' && query.has(name);
  }
  if (value !== 'true' && value !== '1') {
    throw badRequest(`${name} must be true or false, not ${JSON.stringify(value)}`);
  }
  return true;
}

/** A parameter that is a whole number of at least 0, or absent. Throws 400 for anything else. */
export function integerOf(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === '') {
    return undefined;
  }
  if (!/^\d{1,15}$/.test(value)) {
    throw badRequest(`${name} must be a whole number of at least 0, not ${JSON.stringify(value)}`);
  }
  return Number(value);
}

/** 422 for an option of a request. */
export function invalidOption(name: string, value: unknown, allowed: string[]): Error {
  const supported = allowed.map((item) => JSON.stringify(item)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported}`;
  return invalid('Options.meta.k8s.io', '', [{ reason: 'FieldValueNotSupported', field: name, message }]);
}
