import type { StatusCause } from '../api-error.js';

/** Collects the causes of a 422, worded as apimachinery's `field.Error` words them. */
export class Problems {
  readonly causes: StatusCause[] = [];

  required(field: string, why = ''): void {
    this.add('FieldValueRequired', field, why === '' ? 'Required value' : `Required value: ${why}`);
  }

  invalid(field: string, value: unknown, why: string): void {
    this.add('FieldValueInvalid', field, `Invalid value: ${shown(value)}: ${why}`);
  }

  forbidden(field: string, why: string): void {
    this.add('FieldValueForbidden', field, `Forbidden: ${why}`);
  }

  notFound(field: string, value: unknown): void {
    this.add('FieldValueNotFound', field, `Not found: ${shown(value)}`);
  }

  duplicate(field: string, value: unknown): void {
    this.add('FieldValueDuplicate', field, `Duplicate value: ${shown(value)}`);
  }

  oneOf(field: string, value: unknown, allowed: readonly string[]): void {
    if (value === undefined || value === null || value === '') {
      this.required(field);
    } else if (!allowed.includes(String(value))) {
      this.notSupported(field, value, allowed);
    }
  }

  notSupported(field: string, value: unknown, allowed: readonly string[]): void {
    const list = allowed.map((item) => JSON.stringify(item)).join(', ');
    this.add('FieldValueNotSupported', field, `Unsupported value: ${shown(value)}: supported values: ${list}`);
  }

  notNegative(field: string, value: unknown): void {
    if (typeof value === 'number' && value < 0) {
      this.invalid(field, value, 'must be greater than or equal to 0');
    }
  }

  inRange(field: string, value: unknown, low: number, high: number): void {
    if (typeof value !== 'number') {
      this.required(field);
    } else if (value < low || value > high) {
      this.invalid(field, value, `must be between ${low} and ${high}, inclusive`);
    }
  }

  /** A value matches a pattern; `why` says what the pattern asks for. */
  matches(field: string, value: unknown, pattern: RegExp, why: string): void {
    if (value === undefined || value === null || value === '') {
      this.required(field);
    } else if (!pattern.test(String(value))) {
      this.invalid(field, value, why);
    }
  }

  private add(reason: string, field: string, message: string): void {
    this.causes.push({ reason, field, message });
  }
}

const MAX_SHOWN = 1000;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
