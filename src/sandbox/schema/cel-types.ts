import type { Environment } from '@marcbachmann/cel-js';
import { equalCel, fromJson, parseDuration } from '../../cel/values.js';
import type { SchemaNode } from './node.js';
import type { Json } from './types.js';

/** A schema node as CEL sees it. */
export interface CelType {
  /** The type's name for cel-js, such as `list<Self.spec.method.items>`. */
  name: string;
  /** Makes the CEL value of a valid JSON value. */
  toCel(value: Json): unknown;
}

const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);
/** Names an object of JavaScript gives a meaning to; rules cannot reach such fields. */
const UNREACHABLE = new Set(['constructor', '__proto__']);

/**
 * The name of a property in a rule (KEP-2876): `foo-bar` becomes `foo__dash__bar`, a keyword `__if__`; undefined when
 * rules cannot name it.
 */
export function escapeProperty(name: string): string | undefined {
  if (RESERVED.has(name)) return `__${name}__`;
  if (UNREACHABLE.has(name)) return undefined;
  const escaped = name
    .replace(/__/g, '__underscores__')
    .replace(/\./g, '__dot__')
    .replace(/-/g, '__dash__')
    .replace(/\//g, '__slash__');
  return /^[a-zA-Z_]\w*$/.test(escaped) ? escaped : undefined;
}

/** Declares a type in `environment` for each object of a schema, and knows how to convert values to it. */
export class CelTypes {
  readonly #types = new Map<SchemaNode, CelType>();
  readonly #names = new Set<string>();

  constructor(readonly environment: Environment) {}

  /** The type of a schema node; `hint` becomes part of the names in error messages. */
  typeOf(node: SchemaNode, hint: string): CelType {
    let type = this.#types.get(node);
    if (!type) {
      type = this.#create(node, hint);
      this.#types.set(node, type);
    }
    return type;
  }

  /** In lists and maps a nullable value can be null, which no static type has. (A null property counts as absent.) */
  #elementType(node: SchemaNode, hint: string): CelType {
    const type = this.typeOf(node, hint);
    return node.nullable ? { name: 'dyn', toCel: (value) => (value === null ? null : type.toCel(value)) } : type;
  }

  #create(node: SchemaNode, hint: string): CelType {
    const { type, format } = node.schema;
    if (type === 'integer') return { name: 'int', toCel: (value: number) => BigInt(value) };
    if (type === 'number') return { name: 'double', toCel: identity };
    if (type === 'boolean') return { name: 'bool', toCel: identity };
    if (type === 'string') return stringType(format);
    if (type === 'array' && node.items) return this.#list(node, node.items, hint);
    if (type === 'object' && node.additional) return this.#map(node.additional, hint);
    if (type === 'object' || node.properties) return this.#object(node, hint);
    return { name: 'dyn', toCel: fromJson };
  }

  #list(list: SchemaNode, items: SchemaNode, hint: string): CelType {
    const item = this.#elementType(items, `${hint}.items`);
    // Sets are equal whatever their order, and cel-js compares JavaScript's sets so.
    const isSet = list.schema['x-kubernetes-list-type'] === 'set';
    const toCel = (values: Json[]) => values.map(item.toCel);
    return { name: `list<${item.name}>`, toCel: isSet ? (values: Json[]) => new Set(toCel(values)) : toCel };
  }

  #map(values: SchemaNode, hint: string): CelType {
    const value = this.#elementType(values, `${hint}.values`);
    const toCel = (object: Record<string, Json>) =>
      new Map(Object.entries(object).map(([key, entry]) => [key, value.toCel(entry)]));
    return { name: `map<string, ${value.name}>`, toCel };
  }

  #object(node: SchemaNode, hint: string): CelType {
    const name = this.#uniqueName(hint);
    const fields = new Map<string, { property: string; type: CelType }>();
    for (const [property, child] of node.properties ?? []) {
      const escaped = escapeProperty(property);
      if (escaped !== undefined && hasType(child))
        fields.set(escaped, { property, type: this.typeOf(child, `${hint}.${property}`) });
    }
    if (node.resource) this.#addResourceFields(node, fields, hint);
    const ctor = class {};
    const types = Object.fromEntries([...fields].map(([field, { type }]) => [field, type.name]));
    this.environment.registerType(name, { ctor, fields: types });
    this.environment.registerOperator(`${name} == ${name}`, equalCel);
    return { name, toCel: converter(ctor, fields) };
  }

  /** At the root and in embedded resources rules see apiVersion, kind, metadata.name and metadata.generateName. */
  #addResourceFields(node: SchemaNode, fields: Map<string, { property: string; type: CelType }>, hint: string): void {
    const text = stringType(undefined);
    for (const property of ['apiVersion', 'kind']) {
      if (!node.properties?.has(property)) fields.set(property, { property, type: text });
    }
    const name = this.#uniqueName(`${hint}.metadata`);
    const metadataFields = new Map(['name', 'generateName'].map((property) => [property, { property, type: text }]));
    const ctor = class {};
    this.environment.registerType(name, { ctor, fields: { name: 'string', generateName: 'string' } });
    this.environment.registerOperator(`${name} == ${name}`, equalCel);
    fields.set('metadata', { property: 'metadata', type: { name, toCel: converter(ctor, metadataFields) } });
  }

  #uniqueName(hint: string): string {
    const base = hint.replace(/[^\w.]/g, '_');
    let name = base;
    for (let count = 2; this.#names.has(name); count++) name = `${base}_${count}`;
    this.#names.add(name);
    return name;
  }
}

/** Rules cannot see a value of which the schema says nothing but that unknown fields are kept. */
function hasType({ schema }: SchemaNode): boolean {
  return schema.type !== undefined || schema['x-kubernetes-int-or-string'] === true;
}

function identity(value: Json): Json {
  return value;
}

function stringType(format: string | undefined): CelType {
  if (format === 'byte') return { name: 'bytes', toCel: (value: string) => Buffer.from(value, 'base64') };
  if (format === 'duration') return { name: 'google.protobuf.Duration', toCel: parseDuration };
  if (format === 'date' || format === 'date-time')
    return { name: 'google.protobuf.Timestamp', toCel: (value: string) => new Date(value) };
  return { name: 'string', toCel: identity };
}

function converter(ctor: new () => object, fields: Map<string, { property: string; type: CelType }>): CelType['toCel'] {
  const entries = [...fields].map(([field, { property, type }]) => ({ field, property, type }));
  return (object: Record<string, Json>) => {
    const instance = new ctor() as Record<string, unknown>;
    for (const { field, property, type } of entries) {
      if (Object.hasOwn(object, property) && object[property] !== null) instance[field] = type.toCel(object[property]);
    }
    return instance;
  };
}
