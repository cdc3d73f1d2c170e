import { Environment, EvaluationError, type ParseResult } from '@marcbachmann/cel-js';
import type { Outcome } from './probe.js';
import { Quantity } from './quantity.js';

/** What an expression is about: one `object`, or the list `objects`. */
export type Variables = { object: unknown } | { objects: unknown[] };

const environments = {
  object: environment().registerVariable('object', 'dyn'),
  objects: environment().registerVariable('objects', 'list<dyn>'),
};

/** CEL with optional fields (`object.?status.?replicas.orValue(0)`) and, of the API server's libraries, quantities and sums. */
function environment(): Environment {
  return new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 1_000, maxDepth: 50, maxListElements: 200, maxMapEntries: 200 },
  })
    .registerType('Quantity', Quantity)
    .registerFunction('quantity(string): Quantity', Quantity.parse)
    .registerFunction('isQuantity(string): bool', isQuantity)
    .registerFunction('Quantity.compareTo(Quantity): int', (a: Quantity, b: Quantity) => a.compareTo(b))
    .registerFunction('Quantity.isGreaterThan(Quantity): bool', (a: Quantity, b: Quantity) => a.nano > b.nano)
    .registerFunction('Quantity.isLessThan(Quantity): bool', (a: Quantity, b: Quantity) => a.nano < b.nano)
    .registerFunction('Quantity.add(Quantity): Quantity', (a: Quantity, b: Quantity) => new Quantity(a.nano + b.nano))
    .registerFunction('Quantity.sub(Quantity): Quantity', (a: Quantity, b: Quantity) => new Quantity(a.nano - b.nano))
    .registerFunction('list.sum(): dyn', sum);
}

function isQuantity(text: string): boolean {
  try {
    Quantity.parse(text);
    return true;
  } catch {
    return false;
  }
}

function sum(list: readonly unknown[]): bigint | number {
  if (list.every((item) => typeof item === 'bigint')) return list.reduce((a, b) => a + b, 0n);
  if (list.every((item) => typeof item === 'number' || typeof item === 'bigint')) {
    return list.reduce((a: number, b) => a + Number(b), 0);
  }
  throw new EvaluationError('sum() expects a list of numbers');
}

/**
 * What is wrong with an expression, or undefined: it does not compile, uses what is not there, or gives something
 * other than true or false.
 */
export function checkExpression(expression: string, variable: 'object' | 'objects'): string | undefined {
  const { valid, type, error } = environments[variable].check(expression);
  if (!valid) return `is not an expression over \`${variable}\`: ${error?.summary}`;
  return type === 'bool' || type === 'dyn' ? undefined : `must be true or false, but gives a value of type ${type}`;
}

/** Evaluates expressions, compiling each but once. There is no time limit: whoever calls it must be able to end it. */
export class Evaluator {
  readonly #compiled = new Map<string, ParseResult>();

  /** What an expression says of object(s) as they were read from JSON. */
  evaluate(expression: string, variables: Variables): Outcome {
    try {
      const result: unknown = this.#compile(expression, variables)(toCel(variables) as Record<string, unknown>);
      if (result === true) return { ok: true };
      if (result === false) return { ok: false, detail: `not true: ${expression}` };
      return { ok: false, own: true, detail: `'${expression}' must be true or false, but gave ${describe(result)}` };
    } catch (error) {
      return failedEvaluation(expression, error);
    }
  }

  #compile(expression: string, variables: Variables): ParseResult {
    const variable = 'object' in variables ? 'object' : 'objects';
    const key = `${variable} ${expression}`;
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    if (this.#compiled.size >= 200) this.#compiled.clear();
    const parsed = environments[variable].parse(expression);
    this.#compiled.set(key, parsed);
    return parsed;
  }
}

const missing = new Set(['no_such_key', 'index_out_of_bounds']);

/**
 * A field that isn't there is the object's state, and not true: the API server leaves out counts that are zero. Any
 * other error means that the expression does not fit the object, which says nothing about the system.
 */
function failedEvaluation(expression: string, error: unknown): Outcome {
  if (!(error instanceof EvaluationError)) return { ok: false, own: true, detail: `'${expression}' failed: ${error}` };
  const detail = `'${expression}': ${error.summary}`;
  return missing.has(error.code)
    ? { ok: false, detail: `${detail} (to allow for it use has() or .?field.orValue(0))` }
    : { ok: false, own: true, detail };
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return `the string "${value.slice(0, 100)}"`;
  if (typeof value === 'bigint' || typeof value === 'number') return `the number ${value}`;
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** JSON has one type of number, CEL has two that do not mix: as in the API server's CEL, a whole number is an int. */
function toCel(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toCel);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toCel(item)]));
}
