import { stringify } from 'yaml';
import type { Kind } from '../api/kind.js';
import { API_VERSION } from '../api/labels.js';
import { kindExamples } from './examples.js';
import { fieldTables, type Links } from './field-tables.js';
import { code, page, table, yamlBlock } from './markdown.js';

/**
 * The reference page of a kind: an example, its spec field by field, its status with the conditions.
 * @throws Error when the kind has no example
 */
export function kindPage(kind: Kind, links: Links): string {
  const example = kindExamples[kind.kind];
  if (!example) throw new Error(`${kind.kind} has no example: add one to src/generate/examples.ts`);
  const facts = [
    `- apiVersion ${code(API_VERSION)}, kind ${code(kind.kind)}, short name ${kind.shortNames.map(code).join(', ')}`,
    kind.scope === 'Namespaced' ? '- lives in a namespace' : '- belongs to no namespace',
    `- its name has at most ${kind.maxNameLength} characters`,
  ];
  const own = new Map([...links].filter(([schema]) => schema !== kind.spec.json));
  return page(kind.kind, [
    kind.summary,
    yamlBlock(stringify(example)),
    facts.join('\n'),
    '## Spec',
    ...fieldTables(kind.spec.json, 'spec', '###', own),
    '## Status',
    ...fieldTables(kind.status.json, 'status', '###', own),
    ...conditionsOf(kind),
    ...columnsOf(kind),
  ]);
}

function conditionsOf({ conditions }: Kind): string[] {
  if (!conditions) return [];
  const rows = Object.entries(conditions).map(([type, meaning]) => [code(type), meaning]);
  return ['### Conditions', table(['type', 'meaning'], rows)];
}

function columnsOf({ plural, columns }: Kind): string[] {
  const rows = columns.map(({ name, jsonPath, description, wide }) => [
    code(name.toUpperCase()),
    code(jsonPath),
    wide ? `${description} Only with \`-o wide\`.` : description,
  ]);
  return [`## What ${code(`kubectl get ${plural}`)} shows`, table(['column', 'from', 'meaning'], rows)];
}
