import { childNode, type SchemaNode } from './node.js';
import type { Path } from './types.js';

const STEP = /^(?:\.([a-zA-Z_][\w-]*)|\['((?:[^'\\]|\\.)+)'\])/;

/**
 * The path of a rule's `fieldPath`, such as `.spec.foo` or `.labels['a.b']`.
 * @throws when it is malformed, or names a property the schema does not have
 */
export function parseFieldPath(text: string, schema: SchemaNode): Path {
  const path: string[] = [];
  let node: SchemaNode | undefined = schema;
  let rest = text;
  while (rest !== '') {
    const match = STEP.exec(rest);
    if (!match) throw new Error(`expected .name or ['name'] at ${JSON.stringify(rest)}`);
    const name: string = match[1] ?? (match[2] ?? '').replace(/\\(.)/g, '$1');
    node = childNode(node, name);
    if (!node) throw new Error(`does not refer to a valid field: ${name}`);
    path.push(name);
    rest = rest.slice(match[0].length);
  }
  return path;
}
