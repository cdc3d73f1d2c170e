import { createHash } from 'node:crypto';
import { isRecord } from '../json.js';
import type { Json } from '../store/types.js';

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Whether two pod templates ask for the same; kubectl's rollback writes a null `creationTimestamp` that means nothing. */
export function sameTemplate(left: Json, right: Json): boolean {
  return canonical(left) === canonical(right);
}

/** A short name for a pod template, the same for equal templates, in the alphabet that Kubernetes uses for such names. */
export function templateHash(template: Json): string {
  const digest = createHash('sha256').update(canonical(template)).digest();
  return [...digest.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join('');
}

function canonical(value: Json): string {
  if (Array.isArray(value)) {
    return `[${value.map(canonical).join(',')}]`;
  }
  if (!isRecord(value)) {
    return JSON.stringify(value) ?? 'null';
  }
  const members = Object.keys(value).sort();
  const kept = members.filter((key) => value[key] !== undefined && value[key] !== null);
  return `{${kept.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}
