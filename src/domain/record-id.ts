import { createHash } from 'node:crypto';

/** The id of an injection's step on a target: the same after a restart, and 8 hexadecimal digits. */
export function recordId(injectionUid: string, targetUid: string, stepIndex: number): string {
  return createHash('sha256').update(`${injectionUid}/${targetUid}/${stepIndex}`).digest('hex').slice(0, 8);
}
