import type { Attempt } from '../../domain/injection-observed.js';
import type { WriteOptions } from '../../kubernetes/client.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { effectOf } from './effects.js';
import { fieldWords, type HeldField, holdingOf, isAsBefore, restoring, taking, yielding } from './fields.js';
import type { Surroundings } from './handler.js';
import { type Edit, patchOf } from './json-path.js';
import { changeObject, resources } from './objects.js';
import { type HeldPart, heldByOther, markPlace, markText, NOTHING_HELD, ownMark } from './undo-record.js';

/**
 * Makes the change on one object, unless it is made already.
 *
 * @param by which fault it is, for people
 * @param asIs whatever the fields have become since they were recorded
 */
export async function take(part: HeldPart, by: string, asIs: boolean, where: Surroundings): Promise<Attempt> {
  return changeObject(where.client, part.object, async (object) => {
    if (ownMark(object, where.mark) !== undefined) return { result: 'done' };
    const held = heldByOther(object, where.mark, part.fields);
    if (held) return { result: 'refused', message: held };
    if (!asIs && !part.fields.every((field) => isAsBefore(field, object))) return { result: 'changed' };
    const marked = [[markPlace(where.mark), markText(by, part)]] as const;
    await write(object, [...part.fields.map(taking), () => marked], part, where, { permit: () => where.permit() });
    return { result: 'done' };
  });
}

/** What a revert has found on its way. */
export interface Found {
  /** What was left as somebody else has made it, in words. */
  conflicts: Set<string>;
  /** Whether every field was ours and showed the effect until then. */
  effective: boolean;
}

/** Takes the change on one object back where it still is ours. */
export async function release(part: HeldPart, where: Surroundings, found: Found): Promise<Attempt> {
  return changeObject(where.client, part.object, async (object) => {
    const mark = ownMark(object, where.mark);
    const unmark = [() => [[markPlace(where.mark), undefined]] as const];
    if (mark === undefined && !wasConfirmed(where)) {
      // A write whose answer was lost may still be under way; after another write it can't be made any more.
      const fence = [() => [[markPlace(where.mark), NOTHING_HELD]] as const];
      await write(await write(object, fence, part, where), unmark, part, where);
      found.effective = false;
      return { result: 'done' };
    }
    const held = mark === NOTHING_HELD ? [] : part.fields;
    const ours = held.filter((field) => holdingOf(field, object) === 'ours');
    const theirs = held.filter((field) => holdingOf(field, object) === 'else');
    // It has to be taken back even if nobody can say whether it had an effect.
    const isOn = held.length > 0 && ours.length === held.length;
    if (!isOn || !(await effectOf(where.client, object, ours).catch(() => false))) found.effective = false;
    if (mark !== undefined || ours.length > 0) await write(object, [...ours.map(restoring), ...unmark], part, where);
    for (const field of theirs) found.conflicts.add(conflictWords(field, object, part));
    return { result: 'done' };
  });
}

/** Has an object give way to what is about to be restored elsewhere, where it holds that back and the change still is ours. */
export async function giveWay(part: HeldPart, where: Surroundings): Promise<void> {
  await changeObject(where.client, part.object, async (object) => {
    const mark = ownMark(object, where.mark);
    const isHeld = mark === undefined ? wasConfirmed(where) : mark !== NOTHING_HELD;
    const ours = part.fields.filter((field) => holdingOf(field, object) === 'ours');
    if (isHeld) await write(object, ours.map(yielding), part, where);
    return { result: 'done' };
  });
}

function conflictWords(field: HeldField, object: KubeObject, { object: { kind, name } }: HeldPart): string {
  return `${fieldWords(field, object)} on ${kind} ${name}, which somebody else has changed: it was left so`;
}

/** Whether the change was made for certain, so that only somebody else can have removed the annotation. */
function wasConfirmed({ injection, target }: Surroundings): boolean {
  const known = injection.status?.targets?.find(({ uid }) => uid === target.uid);
  return known?.effective === true || known?.state === 'Confirmed' || known?.state === 'Effective';
}

/** Returns the object as it is after that. An edit that changes nothing is not sent. */
async function write(
  object: KubeObject,
  edits: readonly ((draft: KubeObject) => readonly Edit[])[],
  { object: { kind, namespace, name } }: HeldPart,
  { client }: Surroundings,
  options: WriteOptions = {},
): Promise<KubeObject> {
  const { resourceVersion } = object.metadata;
  const patch = patchOf(object, edits);
  if (patch.length === 0) return object;
  const only = { ...options, resourceVersion, repeat: false };
  return client.patch(resources[kind], namespace || undefined, name, patch, only);
}
