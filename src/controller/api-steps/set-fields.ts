import type { Attempt } from '../../domain/injection.js';
import type { ObjectRef, SetFields } from '../../faults/step.js';
import type { WriteOptions } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { effectOf } from './effects.js';
import {
  fieldWords,
  type HeldField,
  heldField,
  holdingOf,
  isAsBefore,
  type LastingChange,
  restoring,
  taking,
} from './fields.js';
import type { StepHandler, Surroundings } from './handler.js';
import { type Edit, patchOf } from './json-path.js';
import { autoscalerOf, readObject, resources } from './objects.js';
import { NotDoneError, outcomeOf } from './outcome.js';
import { inspectRestart, restart } from './restart.js';
import { type FieldsUndo, heldByOther, markPlace, markText, NOTHING_HELD, ownMark } from './undo-record.js';

/** Other writers, such as a kubelet that reports its node, come between a read and a write this often at most. */
const TRIES = 5;
/** How soon an effect that takes its time is looked for again, and how often what is on is looked at. */
const SOON_MILLISECONDS = 500;
const HELD_MILLISECONDS = 10_000;

/**
 * Sets fields of one object while a fault is on. The change and an annotation that tells of it are one write, which is
 * made only on the version that was read: so the annotation is there exactly when the change was made.
 */
export const setFields: StepHandler<SetFields> = {
  async prepare({ object: ref, changes }, where) {
    const lasting = changes.filter(isLasting);
    const workload = await readObject(where.client, ref);
    if (!workload) return { result: 'gone' };
    const scaled: number = workload.spec?.replicas ?? 1;
    const pauses = lasting.some(({ field }) => field === 'autoscalerBounds');
    const object = pauses ? await autoscalerOf(where.client, ref) : workload;
    const by = holderName(where);
    if (!object) return { undo: { by, fields: [] } satisfies FieldsUndo };
    const fields = lasting.map((change) => heldField(change, object, scaled));
    const held = heldByOther(object, where.mark, fields);
    if (held) return { result: 'refused', message: held };
    return { undo: { by, object: refOf(object, pauses ? 'HorizontalPodAutoscaler' : ref.kind), fields } };
  },

  async apply(step, undo, where) {
    if (!step.changes.some(isLasting)) return restart(step, where);
    const record = undo as FieldsUndo;
    const { object: ref } = record;
    if (!ref) return { result: 'done' };
    return retried(async () => {
      const object = await readObject(where.client, ref);
      if (!object) return ref.kind === step.object.kind ? { result: 'gone' } : { result: 'changed' };
      if (ownMark(object, where.mark) !== undefined) return { result: 'done' };
      return take(object, record, ref, where);
    });
  },

  async inspect(step, undo, where) {
    if (!step.changes.some(isLasting)) return inspectRestart(step, where);
    const { object: ref, fields } = undo as FieldsUndo;
    if (!ref) return { on: true, effective: true };
    const object = await readObject(where.client, ref);
    if (!object) return { gone: ref.kind === step.object.kind, on: false, instead: 'it is gone', effective: false };
    const lost = fields.find((field) => holdingOf(field, object) !== 'ours');
    if (lost) return { on: false, instead: fieldWords(lost, object), effective: false, after: HELD_MILLISECONDS };
    const effective = await effectOf(where.client, object, fields);
    return { on: true, effective, after: effective ? HELD_MILLISECONDS : SOON_MILLISECONDS };
  },

  async revert(step, undo, where) {
    const record = undo as FieldsUndo | null;
    const ref = record?.object;
    if (!step.changes.some(isLasting) || !ref) return { result: 'done' };
    const conflicts = new Set<string>();
    const outcome = await retried(async () => {
      const object = await readObject(where.client, ref);
      if (!object) return { result: 'gone' };
      conflicts.clear();
      return release(object, record, ref, where, conflicts);
    });
    if (outcome.result === 'changed') throw new NotDoneError('what was there before is not known');
    return { ...outcome, ...(conflicts.size > 0 && { conflict: [...conflicts].join('; ') }) };
  },
};

function isLasting<C extends { field: string }>(change: C): change is C & LastingChange {
  return change.field !== 'restartedAt';
}

function refOf({ metadata }: KubeObject, kind: ObjectRef['kind']): ObjectRef & { uid: string } {
  return { kind, namespace: metadata.namespace ?? '', name: metadata.name ?? '', uid: metadata.uid ?? '' };
}

function holderName({ injection: { spec } }: Surroundings): string {
  return `step '${spec.step}' of run ${spec.run.namespace}/${spec.run.name}`;
}

/** Somebody else's write between a read and a write is no answer to what was asked. */
async function retried(attempt: () => Promise<Attempt>): Promise<Attempt> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const isRace = error instanceof ApiError && error.isConflict;
      if (!isRace) return outcomeOf(error);
      if (tries === TRIES) throw new NotDoneError(error.message, { cause: error });
    }
  }
}

/** Makes the change on an object that does not have it yet. */
async function take(object: KubeObject, record: FieldsUndo, ref: ObjectRef, where: Surroundings): Promise<Attempt> {
  const held = heldByOther(object, where.mark, record.fields);
  if (held) return { result: 'refused', message: held };
  if (!record.fields.every((field) => isAsBefore(field, object))) return { result: 'changed' };
  const marked = [[markPlace(where.mark), markText(record)]] as const;
  const edits = [...record.fields.map(taking), () => marked];
  await write(object, edits, ref, where, { permit: () => where.permit() });
  return { result: 'done' };
}

/** Takes the change back where it still is ours. */
async function release(
  object: KubeObject,
  record: FieldsUndo,
  ref: ObjectRef,
  where: Surroundings,
  conflicts: Set<string>,
): Promise<Attempt> {
  const mark = ownMark(object, where.mark);
  const unmark = [() => [[markPlace(where.mark), undefined]] as const];
  if (mark === undefined && !wasConfirmed(where)) {
    // A write whose answer was lost may still be under way; after another write it can't be made any more.
    const fence = [() => [[markPlace(where.mark), NOTHING_HELD]] as const];
    await write(await write(object, fence, ref, where), unmark, ref, where);
    return { result: 'done' };
  }
  const ours = mark === NOTHING_HELD ? [] : record.fields.filter((field) => isToRestore(field, object, ref, conflicts));
  if (mark !== undefined || ours.length > 0) await write(object, [...ours.map(restoring), ...unmark], ref, where);
  return { result: 'done' };
}

function isToRestore(field: HeldField, object: KubeObject, { kind, name }: ObjectRef, conflicts: Set<string>): boolean {
  const holding = holdingOf(field, object);
  if (holding === 'else')
    conflicts.add(`${fieldWords(field, object)} on ${kind} ${name}: somebody else's change, which was left`);
  return holding === 'ours';
}

/** Whether the change was made for certain, so that only somebody else can have removed the annotation. */
function wasConfirmed({ injection, target }: Surroundings): boolean {
  const known = injection.status?.targets?.find(({ uid }) => uid === target.uid);
  return known?.effective === true || known?.state === 'Confirmed' || known?.state === 'Effective';
}

async function write(
  object: KubeObject,
  edits: readonly ((draft: KubeObject) => readonly Edit[])[],
  { kind, namespace, name }: ObjectRef,
  { client }: Surroundings,
  options: WriteOptions = {},
): Promise<KubeObject> {
  const { resourceVersion } = object.metadata;
  const patch = patchOf(object, edits);
  return client.patch(resources[kind], namespace || undefined, name, patch, {
    ...options,
    resourceVersion,
    repeat: false,
  });
}
