import { createHash } from 'node:crypto';
import type { Injection, Target } from '../../api/injection.js';
import type { Outcome, Preparation, Undone } from '../../domain/injection-observed.js';
import type { ApiStep } from '../../faults/step.js';
import type { Inspection, Surroundings, Undo } from './handler.js';
import { handlerOf } from './index.js';

/** What came of the steps of a target, one after the other; `changed`: from that step on they have to be prepared anew. */
export type StepsAttempt = Outcome | { result: 'changed'; from: number };

/** A look at all steps of a target. */
export interface StepsInspection extends Omit<Inspection, 'unfinished'> {
  /** Which of them have more to do. */
  unfinished: readonly number[];
}

/** All that one fault does to one target through the API server: steps in their order, taken back in reverse. */
export class TargetSteps {
  readonly #undos: readonly Undo[];

  constructor(
    readonly steps: readonly ApiStep[],
    readonly where: Omit<Surroundings, 'mark'>,
  ) {
    this.#undos = recordedUndos(where.injection, where.target);
  }

  /** Reads what is there before the effect, for the steps from `from` on; what is recorded of those before it stays true. */
  async prepare(from = 0): Promise<Preparation> {
    const undos = this.#undos.slice(0, from);
    for (const [index, step] of this.steps.entries()) {
      if (index < from) continue;
      const prepared = await handlerOf(step).prepare(step, this.#around(index));
      if (!('result' in prepared)) undos.push(prepared.undo);
      else return prepared.result === 'refused' && this.#undos.length > 0 ? { ...prepared, partly: true } : prepared;
    }
    return { result: 'ready', undo: JSON.stringify(undos) };
  }

  async apply(only?: readonly number[]): Promise<StepsAttempt> {
    for (const [index, step] of this.steps.entries()) {
      if (only && !only.includes(index)) continue;
      const attempt = await handlerOf(step).apply(step, this.#undo(index), this.#around(index));
      if (attempt.result === 'changed') return { ...attempt, from: index };
      if (attempt.result === 'refused' && index > 0) return { ...attempt, partly: true };
      if (attempt.result !== 'done') return attempt;
    }
    return { result: 'done' };
  }

  async inspect(): Promise<StepsInspection> {
    const looks: Inspection[] = [];
    for (const [index, step] of this.steps.entries())
      looks.push(await handlerOf(step).inspect(step, this.#undo(index), this.#around(index)));
    const lost = looks.find(({ on }) => !on);
    const progress = looks.find((look) => look.progress)?.progress;
    const afters = looks.flatMap(({ after }) => (after === undefined ? [] : [after]));
    return {
      on: !lost,
      effective: looks.every(({ effective }) => effective),
      unfinished: [...looks.entries()].flatMap(([index, look]) => (look.unfinished ? [index] : [])),
      ...(looks.some(({ gone }) => gone) && { gone: true }),
      ...(lost?.instead !== undefined && { instead: lost.instead }),
      ...(progress && { progress }),
      ...(afters.length > 0 && { after: Math.min(...afters) }),
    };
  }

  /** Also when one of them can't be taken back the others are. */
  async revert(): Promise<Undone> {
    const outcomes: Undone[] = [];
    for (const [index, step] of [...this.steps.entries()].reverse())
      outcomes.push(await handlerOf(step).revert(step, this.#undo(index), this.#around(index)));
    const refused = outcomes.find(({ result }) => result === 'refused');
    if (refused) return refused;
    const conflicts = outcomes.flatMap(({ conflict }) => (conflict ? [conflict] : []));
    const result = outcomes.some((outcome) => outcome.result === 'done') ? 'done' : 'gone';
    const progress = outcomes.find((outcome) => outcome.progress)?.progress;
    return {
      result,
      ...(progress && { progress }),
      ...(outcomes.length > 0 && outcomes.every(({ effective }) => effective) && { effective: true }),
      ...(conflicts.length > 0 && { conflict: conflicts.join('; ') }),
    };
  }

  /** `null` where nothing was recorded, as of faults that are over once they happened. */
  #undo(index: number): Undo {
    return this.#undos[index] ?? null;
  }

  #around(index: number): Surroundings {
    const { injection, target } = this.where;
    const text = `${injection.metadata.uid}/${target.uid}/${index}`;
    return { ...this.where, mark: createHash('sha256').update(text).digest('hex').slice(0, 8) };
  }
}

function recordedUndos({ status }: Injection, { uid }: Target): Undo[] {
  const text = status?.targets?.find((target) => target.uid === uid)?.undo;
  return text === undefined ? [] : JSON.parse(text);
}
