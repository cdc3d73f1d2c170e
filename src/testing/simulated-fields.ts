import type { Attempt, Preparation, Undone } from '../domain/injection-observed.js';

/** What a fault that sets a field sets it to. */
export const FROZEN = 'frozen';

/** One field of an object: what it is, and what it would be if Squall had never touched it. */
interface Field {
  value: string | undefined;
  untouched: string | undefined;
  /** By the key of a fault, what it changed: there exactly when the change was made. */
  marks: Map<string, { before: string | undefined } | 'fenced'>;
}

/**
 * A field of every pod that one fault at a time can hold and that anybody can change, and the contract of the steps that
 * hold it: the change and its mark are one write, and only what still is ours is restored.
 */
export class SimulatedFields {
  readonly #fields = new Map<string, Field>();

  /** Somebody else sets the field; what is the same as ours can't be told from it while a fault is on. */
  meddle(uid: string, value: string | undefined): void {
    const field = this.#of(uid);
    if (value === FROZEN && field.marks.size > 0) return;
    field.value = value;
    field.untouched = value;
  }

  prepare(uid: string): Preparation {
    const { value, marks } = this.#of(uid);
    if (marks.size > 0) return { result: 'refused', message: 'another fault holds it' };
    return { result: 'ready', undo: JSON.stringify(value ?? null) };
  }

  apply(uid: string, key: string, undo: string | undefined): Attempt {
    const field = this.#of(uid);
    if (field.marks.has(key)) return { result: 'done' };
    if (field.marks.size > 0) return { result: 'refused', message: 'another fault holds it' };
    const before = recorded(undo);
    if (before !== field.value) return { result: 'changed' };
    field.marks.set(key, { before });
    field.value = FROZEN;
    return { result: 'done' };
  }

  /** Whether the change of a fault is there and nobody has changed it since. */
  isOn(uid: string, key: string): boolean {
    const { marks, value } = this.#of(uid);
    return marks.has(key) && value === FROZEN;
  }

  revert(uid: string, key: string, undo: string | undefined): Undone {
    const field = this.#of(uid);
    const isOurs = field.value === FROZEN;
    if (!field.marks.has(key)) return { result: 'done' };
    const before = recorded(undo);
    field.marks.delete(key);
    if (isOurs) field.value = before;
    else if (field.value !== before) return { result: 'done', conflict: `it is ${field.value}` };
    return { result: 'done' };
  }

  /** UIDs of the pods whose field is not what it would be without us, though nothing holds it; and of those that are held. */
  notRestored(): string[] {
    return [...this.#fields].flatMap(([uid, { value, untouched, marks }]) =>
      value !== untouched || marks.size > 0 ? [uid] : [],
    );
  }

  /** The object is gone, and everything with it. */
  forget(uid: string): void {
    this.#fields.delete(uid);
  }

  #of(uid: string): Field {
    const known = this.#fields.get(uid);
    if (known) return known;
    const fresh: Field = { value: undefined, untouched: undefined, marks: new Map() };
    this.#fields.set(uid, fresh);
    return fresh;
  }
}

function recorded(undo: string | undefined): string | undefined {
  return undo === undefined ? undefined : (JSON.parse(undo) ?? undefined);
}
