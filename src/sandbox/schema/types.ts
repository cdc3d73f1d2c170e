// biome-ignore lint/suspicious/noExplicitAny: custom resources are JSON of a shape known only at run time
export type Json = any;

/** Where a value is in an object: property names and list indexes, from the root. */
export type Path = readonly (string | number)[];

/** The causes a real API server puts into `Status.details.causes[].reason`. */
export type FieldReason =
  | 'FieldValueInvalid'
  | 'FieldValueRequired'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid';

/** One refused field, worded as kube-apiserver words it. */
export interface FieldError {
  /** The path as text, such as `spec.method[0].targets.percent`; `<nil>` when no field is meant. */
  field: string;
  path: Path;
  reason: FieldReason;
  /** What follows `field: ` in the API server's answer, such as `Required value`. */
  message: string;
  /** The message without the parts that repeat reason, value and field: `should be less than or equal to 100`. */
  detail: string;
  /** The value that was refused, where the message shows one. */
  value?: Json;
}

/** One entry of `x-kubernetes-validations` (KEP-2876). */
export interface ValidationRule {
  rule: string;
  message?: string;
  messageExpression?: string;
  fieldPath?: string;
  reason?: string;
  optionalOldSelf?: boolean;
}

/** The part of OpenAPI v3 that a structural schema (KEP-2335) may hold. Other keywords are refused or ignored. */
export interface JsonSchema {
  type?: string;
  format?: string;
  title?: string;
  description?: string;
  default?: Json;
  example?: Json;
  nullable?: boolean;
  enum?: readonly Json[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  required?: string[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  allOf?: JsonSchema[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  not?: JsonSchema;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-embedded-resource'?: boolean;
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: 'granular' | 'atomic';
  'x-kubernetes-validations'?: ValidationRule[];
  [keyword: string]: Json;
}

/** Whether a JSON value is an object, and neither a list nor null. */
export function isObject(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A copy of a JSON value that shares nothing with it. A key named `__proto__` stays a plain key. */
export function copyJson<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copyJson) as T;
  if (!isObject(value)) return value;
  const copy: Record<string, Json> = {};
  for (const key of Object.keys(value)) setKey(copy, key, copyJson(value[key]));
  return copy as T;
}

/** Sets a property also when it is called `__proto__`, which plain assignment would take as the prototype. */
export function setKey(object: Record<string, Json>, key: string, value: Json): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}

/** Whether two JSON values are equal; the order of properties does not matter. */
export function equalJson(left: Json, right: Json): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) && left.length === right.length && left.every((item, index) => equalJson(item, right[index]))
    );
  }
  if (!isObject(left) || !isObject(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && equalJson(left[key], right[key]))
  );
}
