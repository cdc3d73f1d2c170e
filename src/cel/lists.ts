import type { Environment } from '@marcbachmann/cel-js';
import { equalCel, isDuration } from './values.js';

/** Whether the types of values are known from a schema, or only once they are there. */
export type Typing = 'static' | 'dynamic';

const COMPARABLE = ['int', 'double', 'string', 'bool', 'google.protobuf.Duration', 'google.protobuf.Timestamp'];

// CEL's own values all order with < : bigint, number, string, boolean, Date and cel-js' Duration (by valueOf).
type Ordered = bigint;
/** A list of Kubernetes' list type `set` is a JavaScript set. */
type List<T> = readonly T[] | ReadonlySet<T>;

/** The items of a list that order among each other. */
function orderedItems(list: List<Ordered>, name: string): Ordered[] {
  const items = [...list];
  const kinds = new Set(items.map(kindOf));
  if (kinds.size > 1 || kinds.has('object'))
    throw new Error(`no such overload: ${name}() of values that have no order among each other`);
  return items;
}

/** What a value orders with; `object` for what has no order. */
function kindOf(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'number') return 'number';
  if (value instanceof Date) return 'timestamp';
  return isDuration(value) ? 'duration' : typeof value;
}

function isSorted(list: List<Ordered>): boolean {
  const items = orderedItems(list, 'isSorted');
  return items.every((item, index) => index === 0 || (items[index - 1] as Ordered) <= item);
}

function extreme(list: List<Ordered>, name: string, better: (candidate: Ordered, best: Ordered) => boolean): Ordered {
  const [first, ...rest] = orderedItems(list, name);
  if (first === undefined) throw new Error(`${name} called on empty list`);
  return rest.reduce((best, item) => (better(item, best) ? item : best), first);
}

const min = (list: List<Ordered>) => extreme(list, 'min', (a, b) => a < b);
const max = (list: List<Ordered>) => extreme(list, 'max', (a, b) => a > b);

function sumOfInts(list: List<bigint>): bigint {
  return [...list].reduce((sum, item) => sum + item, 0n);
}

function sumOfDoubles(list: List<number>): number {
  return [...list].reduce((sum, item) => sum + item, 0);
}

/** Of numbers from JSON, where a double that happens to be whole is an int. */
function sumOfNumbers(list: List<unknown>): bigint | number {
  const items = [...list];
  if (items.every((item) => typeof item === 'bigint')) return sumOfInts(items);
  if (items.every((item) => typeof item === 'number' || typeof item === 'bigint'))
    return sumOfDoubles(items.map(Number));
  throw new Error('no such overload: sum() of values that are not all numbers');
}

function indexOf(list: List<unknown>, wanted: unknown): bigint {
  return BigInt([...list].findIndex((item) => equalCel(item, wanted)));
}

function lastIndexOf(list: List<unknown>, wanted: unknown): bigint {
  return BigInt([...list].findLastIndex((item) => equalCel(item, wanted)));
}

/**
 * Adds `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf` and the `sets` library of Kubernetes' CEL. cel-js takes
 * the type of a list's first item for that of all, and the first declaration that fits for the only one; so with
 * `dynamic` typing each function is declared once, for items of any type.
 */
export function registerLists(environment: Environment, typing: Typing): void {
  for (const type of typing === 'static' ? COMPARABLE : ['dyn']) {
    environment
      .registerFunction(`list<${type}>.isSorted(): bool`, isSorted, { async: false })
      .registerFunction(`list<${type}>.min(): ${type}`, min, { async: false })
      .registerFunction(`list<${type}>.max(): ${type}`, max, { async: false });
  }
  if (typing === 'dynamic') environment.registerFunction('list<dyn>.sum(): dyn', sumOfNumbers, { async: false });
  else {
    environment
      .registerFunction('list<int>.sum(): int', sumOfInts, { async: false })
      .registerFunction('list<double>.sum(): double', sumOfDoubles, { async: false });
  }
  const item = typing === 'static' ? 'A' : 'dyn';
  environment
    .registerFunction(`list<${item}>.indexOf(${item}): int`, indexOf, { async: false })
    .registerFunction(`list<${item}>.lastIndexOf(${item}): int`, lastIndexOf, { async: false });
  registerSets(environment, item);
}

class SetsNamespace {}

function registerSets(environment: Environment, item: string): void {
  const contains = (_: SetsNamespace, list: List<unknown>, part: List<unknown>) =>
    [...part].every((wanted) => indexOf(list, wanted) >= 0n);
  const equivalent = (sets: SetsNamespace, a: List<unknown>, b: List<unknown>) =>
    contains(sets, a, b) && contains(sets, b, a);
  const intersects = (_: SetsNamespace, a: List<unknown>, b: List<unknown>) =>
    [...a].some((wanted) => indexOf(b, wanted) >= 0n);
  const lists = `(list<${item}>, list<${item}>)`;
  environment
    .registerType('SetsNamespace', SetsNamespace)
    .registerConstant('sets', 'SetsNamespace', new SetsNamespace())
    .registerFunction(`SetsNamespace.contains${lists}: bool`, contains, { async: false })
    .registerFunction(`SetsNamespace.equivalent${lists}: bool`, equivalent, { async: false })
    .registerFunction(`SetsNamespace.intersects${lists}: bool`, intersects, { async: false });
}
