import { durationPattern, type JsonSchema } from '../api/schema.js';
import { anchor, code, table } from './markdown.js';

/** Schemas that are described in a place of their own, and where that is. */
export type Links = ReadonlyMap<JsonSchema, string>;

/**
 * A chapter for an object and one for each object below it, each with a table of its fields. Objects in `links` are
 * only pointed to. `heading` is how deep the headings are, such as `###`.
 */
export function fieldTables(schema: JsonSchema, path: string, heading: string, links: Links = new Map()): string[] {
  const fields = Object.entries(schema.properties ?? {});
  const rows = fields.map(([name, field]) => [
    code(name),
    typeOf(field, `${path}.${name}`, links),
    presence(schema, name, field),
    describe(field.description ?? '', name),
  ]);
  const chapters = [
    `${heading} ${code(path)}`,
    ...(schema.description ? [describe(schema.description, path)] : []),
    ...(rows.length > 0 ? [table(['field', 'type', 'default', 'description'], rows)] : []),
    ...rulesOf(schema),
  ];
  const below = fields.flatMap(([name, field]) => {
    const found = objectIn(field, `${path}.${name}`);
    return found && !links.has(found.schema) ? fieldTables(found.schema, found.path, heading, links) : [];
  });
  return [...chapters, ...below];
}

/** Descriptions begin with the name of their field, as API conventions want; here it is marked as a name. */
function describe(description: string, path: string): string {
  const name = path.replaceAll('[]', '').split('.').at(-1) ?? '';
  return description.startsWith(`${name} `) ? code(name) + description.slice(name.length) : description;
}

function presence(parent: JsonSchema, name: string, field: JsonSchema): string {
  if (parent.required?.includes(name)) return '**required**';
  return field.default === undefined ? '' : code(JSON.stringify(field.default));
}

function rulesOf({ 'x-kubernetes-validations': rules = [] }: JsonSchema): string[] {
  if (rules.length === 0) return [];
  const lines = rules.map(({ message, fieldPath }) =>
    fieldPath === undefined ? `- ${message}` : `- ${code(fieldPath.slice(1))}: ${message}`,
  );
  return [`Rules:\n\n${lines.join('\n')}`];
}

/** The object with fields of its own in a field: the field itself, or what its list or map holds. */
function objectIn(field: JsonSchema, path: string): { schema: JsonSchema; path: string } | undefined {
  if (field.properties) return { schema: field, path };
  if (field.items) return objectIn(field.items, `${path}[]`);
  return field.additionalProperties && objectIn(field.additionalProperties, `${path}.*`);
}

function typeOf(field: JsonSchema, path: string, links: Links): string {
  if (field.items) return `${bounds(field.minItems, field.maxItems)} × ${typeOf(field.items, `${path}[]`, links)}`;
  if (field.additionalProperties) {
    const values = typeOf(field.additionalProperties, `${path}.*`, links);
    return `map with ${bounds(undefined, field.maxProperties)} × ${values}`;
  }
  if (field.properties) return `[object](${links.get(field) ?? `#${anchor(path)}`})`;
  if (field.enum) return field.enum.map(code).join(' | ');
  return scalar(field);
}

function scalar(field: JsonSchema): string {
  if (field.type === 'string') return textType(field);
  if (field.type === 'boolean') return '`true` | `false`';
  const { minimum, maximum } = field;
  if (minimum === undefined) return `${field.type}`;
  return maximum === undefined || maximum >= 0x7fffffff
    ? `${field.type}, at least ${minimum}`
    : `${field.type}, ${minimum} to ${maximum}`;
}

function textType(field: JsonSchema): string {
  if (field.format === 'date-time') return 'time';
  const rules = (field['x-kubernetes-validations'] ?? []).map(({ message }) => `, ${message}`).join('');
  if (field.pattern === durationPattern) return `duration${rules}`;
  const pattern = field.pattern === undefined ? '' : ` matching ${code(field.pattern)}`;
  return `string${pattern}${rules || `, ${bounds(field.minLength, field.maxLength)} characters`}`;
}

/** How many there may be. */
function bounds(least: number | undefined, most: number | undefined): string {
  return least === undefined ? `at most ${most}` : `${least} to ${most}`;
}
