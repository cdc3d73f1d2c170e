import type { JsonPatchOperation } from '../../kubernetes/client.js';
import type { Json } from '../../kubernetes/resource.js';

/** A place in an object, key by key from its root. */
export type Place = readonly string[];

/** A value that is to stand at a place; `undefined`: nothing is to stand there. */
export type Edit = readonly [Place, Json];

/** What is there; undefined: nothing. */
export function valueAt(object: Json, place: Place): Json {
  return place.reduce((value: Json, key) => value?.[key], object);
}

/**
 * The JSON patch (RFC 6902) that carries out edits one after the other; each is told from what the ones before it have
 * made. Maps that are missing on the way are made, and annotations that would be left empty are removed, as the API server
 * leaves empty maps out. Only valid on the very version of the object that it was made from.
 */
export function patchOf(object: Json, edits: readonly ((draft: Json) => readonly Edit[])[]): JsonPatchOperation[] {
  const draft = structuredClone(object);
  return edits.flatMap((edit) =>
    edit(draft).flatMap(([place, value]) =>
      value === undefined ? removal(draft, place) : addition(draft, place, value),
    ),
  );
}

function addition(draft: Json, place: Place, value: Json): JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  for (let depth = 1; depth < place.length; depth += 1) {
    const parent = place.slice(0, depth);
    if (valueAt(draft, parent) === undefined) operations.push(set(draft, parent, {}));
  }
  return [...operations, set(draft, place, value)];
}

function set(draft: Json, place: Place, value: Json): JsonPatchOperation {
  valueAt(draft, place.slice(0, -1))[place.at(-1) ?? ''] = structuredClone(value);
  return { op: 'add', path: pointer(place), value };
}

function removal(draft: Json, place: Place): JsonPatchOperation[] {
  if (valueAt(draft, place) === undefined) return [];
  const parent = place.slice(0, -1);
  const isLast = parent.at(-1) === 'annotations' && Object.keys(valueAt(draft, parent)).length === 1;
  const gone = isLast ? parent : place;
  delete valueAt(draft, gone.slice(0, -1))[gone.at(-1) ?? ''];
  return [{ op: 'remove', path: pointer(gone) }];
}

/** A JSON pointer (RFC 6901). */
function pointer(place: Place): string {
  return place.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
