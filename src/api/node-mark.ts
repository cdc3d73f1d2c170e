import { createHash } from 'node:crypto';

/** A label's value and the rest of a Lease's name have 63 characters, the name of a node up to 253. */
const LONGEST = 50;

/** What stands for a node in labels and in the names of objects: its name, shortened with a hash when it is long. */
export function nodeMark(node: string): string {
  if (node.length <= LONGEST) return node;
  const hash = createHash('sha256').update(node).digest('hex').slice(0, 8);
  const start = node.slice(0, LONGEST - 9);
  // Between two dots a name begins and ends with a letter or digit, so that no hyphen may follow on a dot.
  return start.endsWith('.') ? `${start}${hash}` : `${start}-${hash}`;
}
