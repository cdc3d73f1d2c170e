import { enumeration, type Infer, integer, list, object, optional, string, time } from './schema.js';

/** The standard condition of the API conventions, with every string bounded. */
export const condition = object('One aspect of the current state.', {
  type: string('type of the condition, in CamelCase.', { max: 64 }),
  status: enumeration('status of the condition.', ['True', 'False', 'Unknown']),
  reason: string('reason is one CamelCase word for the last change.', { max: 64 }),
  message: string('message says the same for people.', { max: 2048 }),
  lastTransitionTime: time('lastTransitionTime is when status last changed, in API-server time.'),
  observedGeneration: optional(
    integer('observedGeneration is the generation the condition was computed from.', {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    }),
  ),
});

/** A condition as read and written. */
export type Condition = Infer<typeof condition>;

/** The list of conditions of a status, told apart by type. */
export const conditions = list(
  'conditions are the truth about the object; other fields are derived for people.',
  condition,
  {
    max: 16,
    key: 'type',
  },
);

/** Puts a condition in the list; `lastTransitionTime` moves only when `status` flips. Returns a new list. */
export function withCondition(
  existing: readonly Condition[] | undefined,
  next: Omit<Condition, 'lastTransitionTime'>,
  now: string,
): Condition[] {
  const old = existing?.find((each) => each.type === next.type);
  const lastTransitionTime = old?.status === next.status ? old.lastTransitionTime : now;
  const others = (existing ?? []).filter((each) => each.type !== next.type);
  const place = existing?.findIndex((each) => each.type === next.type) ?? -1;
  const entry = { ...next, lastTransitionTime };
  if (place < 0) return [...others, entry];
  return [...others.slice(0, place), entry, ...others.slice(place)];
}

/** The condition of that type, if it is there. */
export function findCondition(existing: readonly Condition[] | undefined, type: string): Condition | undefined {
  return existing?.find((each) => each.type === type);
}
