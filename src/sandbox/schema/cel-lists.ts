import type { Environment } from '@marcbachmann/cel-js';
import { equalCel } from './cel-values.js';

const COMPARABLE = ['int', 'double', 'string', 'bool', 'google.protobuf.Duration', 'google.protobuf.Timestamp'];

// CEL's own values all order with < : bigint, number, string, boolean, Date and cel-js' Duration (by valueOf).
type Ordered = bigint;
/** A list of Kubernetes' list type `set` is a JavaScript set. */
type List<T> = readonly T[] | ReadonlySet<T>;

function isSorted(values: List<Ordered>): boolean {
  const list = [...values];
  return list.every((item, index) => index === 0 || (list[index - 1] as Ordered) <= item);
}

function extreme(list: List<Ordered>, name: string, better: (candidate: Ordered, best: Ordered) => boolean): Ordered {
  const [first, ...rest] = list;
  if (first === undefined) throw new Error(`${name} called on empty list`);
  return rest.reduce((best, item) => (better(item, best) ? item : best), first);
}

function indexOf(list: List<unknown>, wanted: unknown): bigint {
  return BigInt([...list].findIndex((item) => equalCel(item, wanted)));
}

function lastIndexOf(list: List<unknown>, wanted: unknown): bigint {
  return BigInt([...list].findLastIndex((item) => equalCel(item, wanted)));
}

/** Adds `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf` and the `sets` library of Kubernetes' CEL. */
export function registerLists(environment: Environment): void {
  for (const type of COMPARABLE) {
    environment
      .registerFunction(`list<${type}>.isSorted(): bool`, isSorted, { async: false })
      .registerFunction(
        `list<${type}>.min(): ${type}`,
        (list: List<Ordered>) => extreme(list, 'min', (a, b) => a < b),
        {
          async: false,
        },
      )
      .registerFunction(
        `list<${type}>.max(): ${type}`,
        (list: List<Ordered>) => extreme(list, 'max', (a, b) => a > b),
        {
          async: false,
        },
      );
  }
  environment
    .registerFunction('list<int>.sum(): int', (list: List<bigint>) => [...list].reduce((sum, item) => sum + item, 0n), {
      async: false,
    })
    .registerFunction(
      'list<double>.sum(): double',
      (list: List<number>) => [...list].reduce((sum, item) => sum + item, 0),
      {
        async: false,
      },
    )
    .registerFunction('list<A>.indexOf(A): int', indexOf, { async: false })
    .registerFunction('list<A>.lastIndexOf(A): int', lastIndexOf, { async: false });
  registerSets(environment);
}

class SetsNamespace {}

function registerSets(environment: Environment): void {
  const contains = (_: SetsNamespace, list: List<unknown>, part: List<unknown>) =>
    [...part].every((wanted) => indexOf(list, wanted) >= 0n);
  environment
    .registerType('SetsNamespace', SetsNamespace)
    .registerConstant('sets', 'SetsNamespace', new SetsNamespace())
    .registerFunction('SetsNamespace.contains(list<A>, list<A>): bool', contains, { async: false })
    .registerFunction(
      'SetsNamespace.equivalent(list<A>, list<A>): bool',
      (sets: SetsNamespace, a: List<unknown>, b: List<unknown>) => contains(sets, a, b) && contains(sets, b, a),
      { async: false },
    )
    .registerFunction(
      'SetsNamespace.intersects(list<A>, list<A>): bool',
      (_: SetsNamespace, a: List<unknown>, b: List<unknown>) => [...a].some((wanted) => indexOf(b, wanted) >= 0n),
      { async: false },
    );
}
