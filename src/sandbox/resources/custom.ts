import { type CompiledSchema, compileSchema, type JsonSchema } from '../schema/index.js';
import type { Json, KubeObject } from '../store/types.js';
import { DEFAULT_COLUMNS } from '../table/columns.js';
import { ageOf } from '../table/duration.js';
import { compileJsonPath } from '../table/json-path.js';
import { arrayOf } from './pod-defaults.js';
import { type Admission, ALL_VERBS, type Column, type ResourceType } from './resource-type.js';

const WRITE_VERBS = ['get', 'patch', 'update'];
/** Metadata is the server's business, whatever a schema says of it. */
const SERVER_FIELDS = ['apiVersion', 'kind', 'metadata'] as const;

/** The kinds that a CRD's served versions make. Throws when a schema or a path in it can't be compiled. */
export function typesOf(definition: KubeObject): ResourceType[] {
  const versions = arrayOf(definition.spec.versions);
  const storage = versions.find((version) => version.storage)?.name;
  return versions.filter((version) => version.served).map((version) => typeOf(definition, version, storage));
}

function typeOf({ spec }: KubeObject, version: Json, storage: string): ResourceType {
  const { group, names, scope } = spec;
  const { status, scale } = version.subresources ?? {};
  const apiVersion = `${group}/${version.name}`;
  const reversioned = version.name !== storage;
  return {
    resource: `${names.plural}.${group}`,
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind,
    plural: names.plural,
    singular: names.singular,
    namespaced: scope === 'Namespaced',
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs: ALL_VERBS,
    question: false,
    status: status !== undefined,
    scale,
    subresources: [
      ...(status === undefined ? [] : [{ name: 'status', kind: names.kind, verbs: WRITE_VERBS }]),
      ...(scale === undefined
        ? []
        : [{ name: 'scale', kind: 'Scale', verbs: WRITE_VERBS, group: 'autoscaling', version: 'v1' }]),
    ],
    columns: columnsOf(version),
    fields: fieldsOf(version),
    toServed: reversioned ? (object) => ({ ...object, apiVersion }) : undefined,
    toStored: reversioned ? (object) => ({ ...object, apiVersion: `${group}/${storage}` }) : undefined,
    admit: admission(compileSchema(version.schema.openAPIV3Schema as JsonSchema)),
  };
}

function admission(schema: CompiledSchema): ResourceType['admit'] {
  return (object, previous): Admission => {
    const { object: applied, unknown, errors } = schema.apply(object, previous);
    for (const field of SERVER_FIELDS) {
      applied[field] = object[field];
    }
    const own = unknown.filter((path) => !/^metadata(\.|\[|$)/.test(path));
    const causes = errors.map(({ field, reason, message }) => ({ field, reason, message }));
    return { object: applied, unknown: own, causes };
  };
}

function columnsOf(version: Json): Column[] {
  const declared = arrayOf(version.additionalPrinterColumns);
  return declared.length === 0 ? [...DEFAULT_COLUMNS] : [DEFAULT_COLUMNS[0]!, ...declared.map(columnOf)];
}

function columnOf({ name, type, format, description, priority, jsonPath }: Json): Column {
  const find = compileJsonPath(jsonPath);
  return {
    name,
    type,
    format,
    description,
    priority,
    cell(object, now) {
      const values = find(object).filter((value) => value !== undefined && value !== null);
      if (values.length === 0) {
        return null;
      }
      return type === 'date' ? ageOf(values[0], now) : cellOf(type, values);
    },
  };
}

function cellOf(type: string, values: Json[]): string | number | boolean | null {
  if (type === 'string') {
    return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(' ');
  }
  const [value] = values;
  const fits = type === 'boolean' ? typeof value === 'boolean' : typeof value === 'number';
  return fits ? value : null;
}

function fieldsOf(version: Json): ResourceType['fields'] {
  const fields = arrayOf(version.selectableFields).map(({ jsonPath }): [string, (object: KubeObject) => string] => {
    const find = compileJsonPath(jsonPath);
    return [jsonPath.replace(/^\./, ''), (object) => String(find(object)[0] ?? '')];
  });
  return Object.fromEntries(fields);
}
