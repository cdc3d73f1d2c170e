/**
 * Combinators for structural schemas (KEP-2335): what can be written with them is what a CRD may hold, and the
 * TypeScript type is derived from the same value. Every field takes its description first, so none lacks one.
 */

/** The subset of OpenAPI v3 that a structural schema uses. */
export interface JsonSchema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  description?: string;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema;
  required?: string[];
  items?: JsonSchema;
  enum?: readonly string[];
  default?: unknown;
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-list-type'?: 'atomic' | 'map' | 'set';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-validations'?: Rule[];
}

/** A CEL rule of a CRD (KEP-2876). `fieldPath` points the error at the field to mend. */
export interface Rule {
  rule: string;
  message: string;
  fieldPath?: string;
}

/** A schema and, in its phantom type, the TypeScript type of the values it admits. */
export interface Schema<T = unknown, Present extends boolean = boolean> {
  readonly json: JsonSchema;
  /** Whether the field is there in every object read from the API server: required, or defaulted. */
  readonly present: Present;
  /** Whether the writer must give it. */
  readonly required: boolean;
  readonly type?: T;
}

/** The fields of an object schema. */
export type Fields = Record<string, Schema>;

/** The TypeScript type of a schema's values. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

type PresentKeys<F extends Fields> = { [K in keyof F]: F[K] extends Schema<unknown, true> ? K : never }[keyof F];

/** The TypeScript type of an object with these fields. */
export type ObjectOf<F extends Fields> = { [K in PresentKeys<F>]: Infer<F[K]> } & {
  [K in Exclude<keyof F, PresentKeys<F>>]?: Infer<F[K]>;
};

function make<T>(json: JsonSchema): Schema<T, true> {
  return { json, present: true, required: true };
}

/** A string; `max` bounds its length in characters, which the CEL cost budget needs. */
export function string(
  description: string,
  options: { max: number; min?: number; pattern?: string; format?: string; rules?: Rule[] },
): Schema<string, true> {
  return make({
    type: 'string',
    description,
    maxLength: options.max,
    ...(options.min !== undefined && { minLength: options.min }),
    ...(options.pattern && { pattern: options.pattern }),
    ...(options.format && { format: options.format }),
    ...(options.rules && { 'x-kubernetes-validations': options.rules }),
  });
}

/** A whole number between `min` and `max`, both included. */
export function integer(description: string, options: { min: number; max: number }): Schema<number, true> {
  const format = options.max <= 0x7fffffff ? 'int32' : 'int64';
  return make({ type: 'integer', description, format, minimum: options.min, maximum: options.max });
}

/** A number that may have a fraction, between `min` and `max`, both included, where these are given. */
export function number(description: string, bounds: { min?: number; max?: number } = {}): Schema<number, true> {
  return make({
    type: 'number',
    description,
    ...(bounds.min !== undefined && { minimum: bounds.min }),
    ...(bounds.max !== undefined && { maximum: bounds.max }),
  });
}

/** True or false. */
export function boolean(description: string): Schema<boolean, true> {
  return make({ type: 'boolean', description });
}

/** One of a closed set of words. */
export function enumeration<const T extends readonly string[]>(
  description: string,
  values: T,
): Schema<T[number], true> {
  return make({ type: 'string', description, enum: values });
}

/** A time in RFC 3339, as the API server writes it. */
export function time(description: string): Schema<string, true> {
  return make({ type: 'string', description, format: 'date-time', maxLength: 40 });
}

/** The pattern of a Go-style duration such as `250ms`, `5m` or `1h30m`. */
export const durationPattern = '^([0-9]+([.][0-9]+)?(ms|s|m|h))+$';
const wholeSecondsPattern = '^([0-9]+(s|m|h))+$';

/** A Go-style duration (`250ms`, `5m`, `1h30m`); zero is admitted only with `zero: true`. At most `max`, 7 days by default. */
export function duration(
  description: string,
  options: { zero?: boolean; wholeSeconds?: boolean; max?: string } = {},
): Schema<string, true> {
  const pattern = options.wholeSeconds ? wholeSecondsPattern : durationPattern;
  const max = options.max ?? '168h';
  // Without the guard, text that is no duration would get a second error that only says so again.
  const rules: Rule[] = [
    { rule: `!self.matches('${pattern}') || duration(self) <= duration('${max}')`, message: `must be at most ${max}` },
    ...(options.zero
      ? []
      : [
          {
            rule: `!self.matches('${pattern}') || duration(self) > duration('0s')`,
            message: 'must be longer than 0s',
          },
        ]),
  ];
  return make({
    type: 'string',
    description,
    maxLength: 20,
    pattern,
    'x-kubernetes-validations': rules,
  });
}

/** A list of at most `max` items; with `key`, items are told apart by that field, which must be unique. */
export function list<S extends Schema>(
  description: string,
  item: S,
  options: { max: number; min?: number; key?: string; rules?: Rule[]; set?: boolean },
): Schema<Infer<S>[], true> {
  return make({
    type: 'array',
    description,
    items: item.json,
    maxItems: options.max,
    ...(options.min !== undefined && { minItems: options.min }),
    'x-kubernetes-list-type': options.key ? 'map' : options.set ? 'set' : 'atomic',
    ...(options.key && { 'x-kubernetes-list-map-keys': [options.key] }),
    ...(options.rules && { 'x-kubernetes-validations': options.rules }),
  });
}

/** A map from strings to one kind of value, with at most `max` entries. */
export function map<S extends Schema>(
  description: string,
  value: S,
  options: { max: number },
): Schema<Record<string, Infer<S>>, true> {
  return make({ type: 'object', description, additionalProperties: value.json, maxProperties: options.max });
}

/** An object with exactly these fields. */
export function object<F extends Fields>(
  description: string,
  fields: F,
  rules: Rule[] = [],
): Schema<ObjectOf<F>, true> {
  const required = Object.keys(fields).filter((name) => fields[name]?.required);
  return make({
    type: 'object',
    description,
    properties: Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, schema.json])),
    ...(required.length > 0 && { required }),
    ...(rules.length > 0 && { 'x-kubernetes-validations': rules }),
  });
}

/** The same, but it may be left out. */
export function optional<T>(schema: Schema<T, true>): Schema<T, false> {
  return { json: schema.json, present: false, required: false };
}

/** The same, but the API server fills in `value` when it is left out. */
export function defaulted<T>(schema: Schema<T, true>, value: T): Schema<T, true> {
  return { json: { ...schema.json, default: value }, present: true, required: false };
}

/** A rule that exactly one of these fields is given. */
export function exactlyOne(names: readonly string[], what: string): Rule {
  const listed = names.map((name) => `\`${name}\``).join(', ');
  return {
    rule: `[${names.map((name) => `has(self.${name})`).join(', ')}].exists_one(given, given)`,
    message:
      names.length === 1 ? `${what}: ${listed} must be given` : `${what}: exactly one of ${listed} must be given`,
  };
}

/** A rule that at most one of these fields is given. */
export function atMostOne(names: readonly string[]): Rule {
  return {
    rule: `[${names.map((name) => `has(self.${name})`).join(', ')}].filter(given, given).size() <= 1`,
    message: `at most one of ${names.map((name) => `\`${name}\``).join(', ')} may be given`,
  };
}
