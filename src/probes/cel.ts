import { CompilationError, compileExpression, FailedEvaluation, type Program } from '../cel/compile.js';
import { kubernetesEnvironment } from '../cel/environment.js';
import { fromJson } from '../cel/values.js';
import type { Outcome } from './probe.js';

/** What an expression is about: one `object`, or the list `objects`. */
export type Variables = { object: unknown } | { objects: unknown[] };

// Smaller than for the rules of a CRD: an expression is a line that someone wrote for one probe.
const limits = { maxAstNodes: 1_000, maxDepth: 50, maxListElements: 200, maxMapEntries: 200 };
const environments = {
  object: kubernetesEnvironment('dynamic').clone({ limits }).registerVariable('object', 'dyn'),
  objects: kubernetesEnvironment('dynamic').clone({ limits }).registerVariable('objects', 'list<dyn>'),
};

/**
 * What is wrong with an expression, or undefined: it does not compile, uses what is not there, or gives something
 * other than true or false.
 */
export function checkExpression(expression: string, variable: 'object' | 'objects'): string | undefined {
  try {
    const { type } = compileExpression(environments[variable], expression);
    return type === 'bool' || type === 'dyn' ? undefined : `must be true or false, but gives a value of type ${type}`;
  } catch (error) {
    return `is not an expression over \`${variable}\`: ${describeProblem(error, variable)}`;
  }
}

const known = {
  object: 'a probe with a `name` knows its one `object`',
  objects: 'a probe without a `name` knows the list `objects`',
};

function describeProblem(error: unknown, variable: 'object' | 'objects'): string {
  if (!(error instanceof CompilationError)) return String(error);
  const { line, column } = error.place;
  const hint = error.code === 'unknown_variable' ? `: ${known[variable]}` : '';
  return `${error.problem} at line ${line}, column ${column}${hint}`;
}

/** Evaluates expressions, compiling each but once. There is no time limit: whoever calls it must be able to end it. */
export class Evaluator {
  readonly #compiled = new Map<string, Program>();

  /** What an expression says of object(s) as they were read from JSON. */
  evaluate(expression: string, variables: Variables): Outcome {
    try {
      const result = this.#compile(expression, variables).evaluate(celVariables(variables));
      if (result === true) return { ok: true };
      if (result === false) return { ok: false, detail: `not true: ${expression}` };
      return { ok: false, own: true, detail: `'${expression}' must be true or false, but gave ${describe(result)}` };
    } catch (error) {
      return failedSample(expression, error);
    }
  }

  #compile(expression: string, variables: Variables): Program {
    const variable = 'object' in variables ? 'object' : 'objects';
    const key = `${variable} ${expression}`;
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    if (this.#compiled.size >= 200) this.#compiled.clear();
    const program = compileExpression(environments[variable], expression);
    this.#compiled.set(key, program);
    return program;
  }
}

function celVariables(variables: Variables): Record<string, unknown> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, fromJson(value)]));
}

const missing = new Set<string | undefined>(['no_such_key', 'index_out_of_bounds']);

/**
 * A field that isn't there is the object's state, and not true: the API server leaves out counts that are zero. Any
 * other error means that the expression does not fit the object, which says nothing about the system.
 */
function failedSample(expression: string, error: unknown): Outcome {
  const problem =
    error instanceof CompilationError ? error.problem : withoutValues((error as Error).message, expression);
  const detail = `'${expression}': ${problem}`;
  return error instanceof FailedEvaluation && missing.has(error.code)
    ? { ok: false, detail: `${detail} (to allow for it use has() or .?field.orValue(0))` }
    : { ok: false, own: true, detail };
}

const typeNames = /['"](string|int|uint|double|bool|bytes|list|map|null_type|dyn|google\.protobuf\.\w+)['"]/g;

/**
 * What is read may be seen by fewer people than the status of a run, so no value of it gets into a message: of what is
 * quoted only the names of types are left, and of keys those that the expression itself names.
 */
function withoutValues(message: string, expression: string): string {
  const [, words, key = ''] = /^(No such key: )(?!index )(.*)$/s.exec(message) ?? [];
  if (words !== undefined) return expression.includes(key) ? message : `${words}…`;
  // From the first quote to the last: what is between them may hold quotes of its own.
  return message
    .replace(typeNames, '$1')
    .replace(/: quantities must match .*$/s, '')
    .replace(/['"`](.*['"`])?/s, "'…'");
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'bigint' || typeof value === 'number') return 'a number';
  return Array.isArray(value) ? 'a list' : 'an object';
}
