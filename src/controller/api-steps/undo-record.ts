import { ANNOTATION_UNDO_PREFIX } from '../../api/labels.js';
import type { ObjectRef } from '../../faults/step.js';
import type { Json, KubeObject } from '../../kubernetes/resource.js';
import type { HeldField } from './fields.js';

/** What a fault changes of one object, and what was there before. Plain JSON. */
export interface HeldPart {
  object: ObjectRef & { uid: string };
  fields: HeldField[];
}

/** All that a step changes, in the order in which it is changed. Plain JSON. */
export interface FieldsUndo {
  /** Which fault holds the fields, for people. */
  by: string;
  parts: HeldPart[];
}

/** Stands in the annotation while nothing is held: no write that is still under way can make the change any more. */
export const NOTHING_HELD = '{}';

/** The place of the annotation that a fault leaves on an object that it has changed. */
export function markPlace(mark: string): string[] {
  return ['metadata', 'annotations', `${ANNOTATION_UNDO_PREFIX}${mark}`];
}

/** What stands in the annotation: what is held and by whom, so that people and other faults can see it. */
export function markText(by: string, { fields }: HeldPart): string {
  return JSON.stringify({ by, fields });
}

/** Our own record on an object; undefined: the change was not made, or somebody has removed the annotation. */
export function ownMark(object: KubeObject, mark: string): string | undefined {
  return object.metadata.annotations?.[`${ANNOTATION_UNDO_PREFIX}${mark}`];
}

/** Why fields of an object can't be had, in a sentence: another fault holds one of them. */
export function heldByOther(object: KubeObject, mark: string, wanted: readonly HeldField[]): string | undefined {
  const names = new Set(wanted.map(({ field }) => field));
  for (const [key, text] of Object.entries(object.metadata.annotations ?? {})) {
    if (!key.startsWith(ANNOTATION_UNDO_PREFIX) || key === `${ANNOTATION_UNDO_PREFIX}${mark}`) continue;
    const what = `${object.kind} ${object.metadata.name}`;
    const record = parsed(text);
    if (!record) return `annotation ${key} of ${what} can not be read; remove it if no fault is on`;
    const field = record.fields?.find((each) => names.has(each.field))?.field;
    if (field !== undefined) return `${field} of ${what} is held by ${record.by ?? 'another fault'}`;
  }
  return undefined;
}

/** What our own annotation says of fields; undefined: there is none, or it says nothing of them. */
export function heldByUs(object: KubeObject, mark: string, wanted: readonly HeldField[]): HeldField[] | undefined {
  const fields = parsed(ownMark(object, mark) ?? '')?.fields ?? [];
  const isSame = fields.length === wanted.length && wanted.every(({ field }, i) => fields[i]?.field === field);
  return isSame ? fields : undefined;
}

function parsed(text: string): { by?: string; fields?: HeldField[] } | undefined {
  try {
    const record: Json = JSON.parse(text);
    const isRecord = typeof record === 'object' && record !== null && Array.isArray(record.fields ?? []);
    return isRecord ? record : undefined;
  } catch {
    return undefined;
  }
}
