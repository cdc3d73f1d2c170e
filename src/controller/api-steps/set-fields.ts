import type { Attempt } from '../../domain/injection-observed.js';
import type { ObjectRef, SetFields } from '../../faults/step.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { effectOf } from './effects.js';
import { fieldWords, heldField, holdingOf, type LastingChange } from './fields.js';
import type { Inspection, StepHandler, Surroundings } from './handler.js';
import { giveWay, release, take } from './held-part.js';
import { autoscalerOf, readObject } from './objects.js';
import { inspectRestart, restart } from './restart.js';
import { type FieldsUndo, type HeldPart, heldByOther, heldByUs } from './undo-record.js';

/** How soon an effect that takes its time is looked for again, and how often what is on is looked at. */
const SOON_MILLISECONDS = 500;
const HELD_MILLISECONDS = 10_000;

/**
 * Sets fields while a fault is on. The change of an object and an annotation that tells of it are one write, which is made
 * only on the version that was read: so the annotation is there exactly when the change was made.
 *
 * An autoscaler is paused before its workload is scaled, and released after that was scaled back: it would undo either.
 */
export const setFields: StepHandler<SetFields> = {
  async prepare({ object: ref, changes }, where) {
    const object = await readObject(where.client, ref);
    if (!object) return { result: 'gone' };
    const lasting = changes.filter(isLasting);
    const isPausing = lasting.some(({ field }) => field === 'autoscalerBounds');
    const autoscaler = isPausing ? await autoscalerOf(where.client, ref) : undefined;
    const scaled: number = object.spec?.replicas ?? 1;
    const parts: HeldPart[] = [];
    for (const [kind, each] of [['HorizontalPodAutoscaler', autoscaler] as const, [ref.kind, object] as const]) {
      const own = lasting.filter(({ field }) => (field === 'autoscalerBounds') === (each === autoscaler));
      if (!each || own.length === 0) continue;
      const fields = own.map((change) => heldField(change, each, scaled));
      const held = heldByOther(each, where.mark, fields);
      if (held) return { result: 'refused', message: held };
      // Where somebody has emptied the injection's status, or a part is on already: what is there now is ours.
      parts.push({ object: refOf(each, kind), fields: heldByUs(each, where.mark, fields) ?? fields });
    }
    return { undo: { by: holderName(where), parts } satisfies FieldsUndo };
  },

  async apply(step, undo, where) {
    if (!step.changes.some(isLasting)) return restart(step, where);
    const { by, parts } = undo as FieldsUndo;
    for (const [index, part] of parts.entries()) {
      // An autoscaler that is paused has its part in what became of the count; nobody else owns that.
      const attempt = whereGone(step, part, await take(part, by, index > 0, where));
      if (attempt.result !== 'done') return index > 0 && 'message' in attempt ? { ...attempt, partly: true } : attempt;
    }
    return { result: 'done' };
  },

  async inspect(step, undo, where) {
    if (!step.changes.some(isLasting)) return inspectRestart(step, where);
    let inspection: Inspection = { on: true, effective: true, after: HELD_MILLISECONDS };
    for (const { object: ref, fields } of (undo as FieldsUndo).parts) {
      const object = await readObject(where.client, ref);
      const instead = `${ref.kind} ${ref.name} is gone`;
      if (!object) return { gone: ref.kind === step.object.kind, on: false, instead, effective: false };
      const lost = fields.find((field) => holdingOf(field, object) !== 'ours');
      if (lost) return { on: false, instead: fieldWords(lost, object), effective: false, after: HELD_MILLISECONDS };
      const effective = await effectOf(where.client, object, fields);
      if (!effective) inspection = { on: true, effective, after: SOON_MILLISECONDS };
    }
    return inspection;
  },

  async revert(_step, undo, where) {
    const { parts } = (undo ?? { parts: [] }) as FieldsUndo;
    const found = { conflicts: new Set<string>(), effective: parts.length > 0 };
    for (const part of parts.slice(0, -1)) await giveWay(part, where);
    const outcomes: Attempt[] = [];
    for (const part of [...parts].reverse()) outcomes.push(await release(part, where, found));
    const refused = outcomes.find((outcome) => outcome.result === 'refused');
    if (refused?.result === 'refused') return refused;
    const isGone = outcomes.length > 0 && outcomes.every(({ result }) => result === 'gone');
    return {
      result: isGone ? 'gone' : 'done',
      ...(found.effective && !isGone && { effective: true }),
      ...(found.conflicts.size > 0 && { conflict: [...found.conflicts].join('; ') }),
    };
  },
};

function isLasting<C extends { field: string }>(change: C): change is C & LastingChange {
  return change.field !== 'restartedAt';
}

/** Without its autoscaler a workload can be scaled all the same. */
function whereGone({ object }: SetFields, part: HeldPart, attempt: Attempt): Attempt {
  return attempt.result === 'gone' && part.object.kind !== object.kind ? { result: 'changed' } : attempt;
}

function refOf({ metadata }: KubeObject, kind: ObjectRef['kind']): HeldPart['object'] {
  return { kind, namespace: metadata.namespace ?? '', name: metadata.name ?? '', uid: metadata.uid ?? '' };
}

function holderName({ injection: { spec } }: Surroundings): string {
  return `step '${spec.step}' of run ${spec.run.namespace}/${spec.run.name}`;
}
