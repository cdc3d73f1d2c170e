import { GROUP } from '../api/labels.js';
import type { Fault, Need } from '../faults/fault.js';
import { code } from './markdown.js';

/** The right to have agents carry out a fault. */
export function injectRight({ name }: Pick<Fault, 'name'>): string {
  return `${code('inject')} on ${code(`faults.${GROUP}`)} named ${code(name)}`;
}

/** A right in words: `` `delete` on `pods` ``. */
export function needText({ verbs, resource, group, when }: Need): string {
  const what = `${verbs.map(code).join(', ')} on ${code(group ? `${resource}.${group}` : resource)}`;
  return when ? `${what}, if its fields ask for that` : what;
}
