import { badRequest } from '../api-error.js';
import { cloneJson, equalJson, isRecord, setMember } from '../json.js';
import { fieldsOf, type Shape } from '../resources/shape.js';
import type { Json } from '../store/types.js';

type JsonObject = Record<string, Json>;

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const ELEMENT_ORDER = '$setElementOrder/';
const DELETE_SCALARS = '$deleteFromPrimitiveList/';

/**
 * Applies a strategic merge patch to a built-in kind: lists with a merge key are merged by it, sets are united, and
 * the directives `$patch`, `$retainKeys`, `$setElementOrder` and `$deleteFromPrimitiveList` are obeyed
 * (kubernetes/community `strategic-merge-patch.md`). Throws 400 for a malformed patch.
 */
export function applyStrategicMergePatch(kind: string, target: Json, patch: Json): Json {
  if (!isRecord(patch)) {
    throw badRequest('a strategic merge patch must be an object');
  }
  return mergeObject(target, patch, { type: 'object', name: kind });
}

function mergeObject(target: Json, patch: JsonObject, shape: Shape | undefined): JsonObject {
  if (patch[DIRECTIVE] === 'replace') {
    return withoutDirectives(patch);
  }
  if (patch[DIRECTIVE] === 'delete') {
    return {};
  }
  const result: JsonObject = isRecord(target) ? { ...target } : {};
  retainKeys(result, patch[RETAIN_KEYS]);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(DELETE_SCALARS)) {
      deleteScalars(result, key.slice(DELETE_SCALARS.length), value);
    } else if (!key.startsWith('$')) {
      mergeMember(result, key, value, patch, memberShape(shape, key));
    }
  }
  reorderUntouched(result, patch, shape);
  return result;
}

function mergeMember(result: JsonObject, key: string, value: Json, patch: JsonObject, shape: Shape | undefined): void {
  if (value === null) {
    delete result[key];
    return;
  }
  const current = Object.hasOwn(result, key) ? result[key] : undefined;
  setMember(result, key, mergeValue(current, value, shape, patch[ELEMENT_ORDER + key]));
}

function mergeValue(current: Json, value: Json, shape: Shape | undefined, order: Json): Json {
  if (isRecord(value)) {
    const replaced = shape?.type === 'object' && shape.replace;
    return replaced ? withoutDirectives(value) : mergeObject(current, value, shape);
  }
  if (!Array.isArray(value) || shape?.type !== 'list') {
    return cloneJson(value);
  }
  if (shape.mergeKey !== undefined) {
    return mergeKeyed(current, value, shape.mergeKey, shape.items, order);
  }
  if (shape.mergeSet) {
    return sortByOrder([...new Set([...listOf(current), ...value])], order, equalJson);
  }
  return cloneJson(value);
}

function mergeKeyed(current: Json, patch: Json[], key: string, items: Shape, order: Json): Json[] {
  const isReplace = (item: Json) => item?.[DIRECTIVE] === 'replace';
  if (patch.some(isReplace)) {
    return patch.filter((item) => !isReplace(item)).map(cloneJson);
  }
  let result = [...listOf(current)];
  for (const item of patch) {
    if (!isRecord(item) || item[key] === undefined) {
      throw badRequest(`map: ${JSON.stringify(item)?.slice(0, 200)} does not contain declared merge key: ${key}`);
    }
    const index = result.findIndex((existing) => existing[key] === item[key]);
    if (item[DIRECTIVE] === 'delete') {
      result = result.filter((existing) => existing[key] !== item[key]);
    } else if (index < 0) {
      result.push(mergeObject(undefined, item, items));
    } else {
      result[index] = mergeObject(result[index], item, items);
    }
  }
  return sortByOrder(result, order, (item, wanted) => item[key] === wanted?.[key]);
}

/** A list that only `$setElementOrder` mentions is put in order too. */
function reorderUntouched(result: JsonObject, patch: JsonObject, shape: Shape | undefined): void {
  for (const [directive, order] of Object.entries(patch)) {
    const key = directive.slice(ELEMENT_ORDER.length);
    if (!directive.startsWith(ELEMENT_ORDER) || patch[key] !== undefined || !Array.isArray(result[key])) {
      continue;
    }
    const list = memberShape(shape, key);
    const mergeKey = list?.type === 'list' ? list.mergeKey : undefined;
    const same = (item: Json, wanted: Json) =>
      mergeKey === undefined ? equalJson(item, wanted) : item[mergeKey] === wanted?.[mergeKey];
    result[key] = sortByOrder(result[key], order, same);
  }
}

/** Puts the listed items in the order asked for; the others stay behind the item they stood behind. */
function sortByOrder(items: Json[], order: Json, same: (item: Json, wanted: Json) => boolean): Json[] {
  if (!Array.isArray(order)) {
    return items;
  }
  const rank = (item: Json) => order.findIndex((wanted) => same(item, wanted));
  let last = -1;
  const ranked = items.map((item) => {
    const own = rank(item);
    last = own < 0 ? last : own;
    return { item, place: own < 0 ? last + 0.5 : own };
  });
  return ranked.sort((left, right) => left.place - right.place).map(({ item }) => item);
}

function retainKeys(result: JsonObject, keys: Json): void {
  if (Array.isArray(keys)) {
    for (const key of Object.keys(result)) {
      if (!keys.includes(key)) {
        delete result[key];
      }
    }
  }
}

function deleteScalars(result: JsonObject, key: string, values: Json): void {
  if (Array.isArray(result[key]) && Array.isArray(values)) {
    result[key] = result[key].filter((item) => !values.includes(item));
  }
}

function withoutDirectives(value: JsonObject): JsonObject {
  return cloneJson(Object.fromEntries(Object.entries(value).filter(([key]) => !key.startsWith('$'))));
}

function memberShape(shape: Shape | undefined, key: string): Shape | undefined {
  if (shape?.type === 'map') {
    return shape.values;
  }
  if (shape?.type !== 'object') {
    return undefined;
  }
  const fields = fieldsOf(shape.name);
  return fields !== undefined && Object.hasOwn(fields, key) ? fields[key] : undefined;
}

function listOf(value: Json): Json[] {
  return Array.isArray(value) ? value : [];
}
