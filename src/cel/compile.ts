import { type ASTNode, type Environment, Optional } from '@marcbachmann/cel-js';

/** Calls to functions whose version in cel-js can hang (JavaScript patterns), differs from Go's, or takes no sets. */
const METHOD_REPLACEMENTS: Record<string, string> = {
  join: 'goJoin',
  matches: 'goMatches',
  lowerAscii: 'goLowerAscii',
  upperAscii: 'goUpperAscii',
};
const FUNCTION_REPLACEMENTS: Record<string, string> = { duration: 'goDuration' };

/** cel-js declares its syntax tree loosely; this is the part that is read and changed here. */
export interface Node {
  op: string;
  args: unknown;
  meta: { macro?: Macro };
}

interface Macro {
  args?: Node[];
  typeCheck(checker: Checker, macro: Macro, context: unknown): unknown;
  evaluate(evaluator: Evaluator, macro: Macro, context: unknown): unknown;
}

interface Checker {
  check(node: Node, context: unknown): unknown;
  getType(name: string): unknown;
}

interface Evaluator {
  run(node: Node, context: unknown): unknown;
  debugType(value: unknown): { fieldLazy(value: unknown, name: string, node: Node, evaluator: Evaluator): unknown };
}

/** An expression ready to run. */
export interface Program {
  node: Node;
  /** The type of the result by its CEL name. */
  type: string;
  /**
   * The value of the expression; `variables` maps names to CEL values.
   *
   * @throws FailedEvaluation
   */
  evaluate(variables: Record<string, unknown>): unknown;
}

/** An expression does not parse or does not type-check. The message reads like cel-go's, over several lines. */
export class CompilationError extends Error {
  constructor(
    /** What is wrong in a few words, without the place. */
    readonly problem: string,
    /** What cel-js calls it, such as `unknown_variable`. */
    readonly code: string | undefined,
    /** Where it is, counted from 1. */
    readonly place: { line: number; column: number },
    /** The text of that line. */
    text: string,
  ) {
    const { line, column } = place;
    super(
      `compilation failed: ERROR: <input>:${line}:${column}: ${goWording(problem)}\n | ${text}\n | ${'.'.repeat(column - 1)}^`,
    );
  }
}

/** An expression has no value for the variables it was given. The message has one line. */
export class FailedEvaluation extends Error {
  constructor(
    message: string,
    /** What cel-js calls it, such as `no_such_key`; undefined when one of the library's functions refused. */
    readonly code: string | undefined,
  ) {
    super(message);
  }
}

/**
 * Parses and type-checks an expression.
 *
 * @throws CompilationError
 */
export function compileExpression(environment: Environment, source: string): Program {
  const parsed = attempt(
    () => environment.parse(source),
    (error) => compilationError(source, error),
  );
  const node = parsed.ast as unknown as Node & ASTNode;
  walk(node, rewrite);
  const { valid, type, error } = parsed.check();
  if (!valid) throw compilationError(source, error);
  return {
    node,
    type: type ?? 'dyn',
    evaluate: (variables) => attempt(() => parsed(variables), failedEvaluation),
  };
}

function attempt<T>(action: () => T, translate: (error: unknown) => Error): T {
  try {
    return action();
  } catch (error) {
    throw translate(error);
  }
}

/** What cel-js throws; what a function of the library throws is an Error without the optional parts. */
interface Thrown {
  message: string;
  summary?: string;
  code?: string;
  range?: { start: number };
}

function compilationError(source: string, error: unknown): Error {
  const { summary, message, code, range } = error as Thrown;
  const before = source.slice(0, range?.start ?? 0).split('\n');
  const place = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  const text = source.split('\n')[before.length - 1] ?? '';
  return new CompilationError(writtenNames(summary ?? message), code, place, text);
}

function failedEvaluation(error: unknown): Error {
  const { summary, message, code } = error as Thrown;
  return new FailedEvaluation(writtenNames(summary ?? message), code);
}

function goWording(problem: string): string {
  return problem
    .replace(/^No such key: (.*)$/, "undefined field '$1'")
    .replace(/^Unknown variable: (.*)$/, "undeclared reference to '$1' (in container '')");
}

/** Names functions as the expression does, not as their replacements are called. */
function writtenNames(text: string): string {
  return text.replace(
    /\bgo(Join|Matches|LowerAscii|UpperAscii|Duration)\b/g,
    (_, name: string) => name.charAt(0).toLowerCase() + name.slice(1),
  );
}

function rewrite(node: Node): void {
  if (node.op !== 'call' && node.op !== 'rcall') return;
  const call = node.args as [string, ...unknown[]];
  const replacements = node.op === 'call' ? FUNCTION_REPLACEMENTS : METHOD_REPLACEMENTS;
  const replacement = Object.hasOwn(replacements, call[0]) ? replacements[call[0]] : undefined;
  if (replacement !== undefined) call[0] = replacement;
  if (node.op === 'call' && call[0] === 'has' && node.meta.macro) replaceHas(node.meta.macro);
}

/**
 * cel-js accepts `has(self.typo)`, which the API server refuses, and refuses `has(self.list[0].field)`, which the API
 * server accepts.
 */
function replaceHas(macro: Macro): void {
  const [field] = macro.args ?? [];
  if (field?.op !== '.' && field?.op !== '.?') return;
  const [target, name] = field.args as [Node, string];
  macro.typeCheck = (checker, _, context) => {
    checker.check(field, context);
    return checker.getType('bool');
  };
  macro.evaluate = (evaluator, _, context) => {
    const object = evaluator.run(target, context);
    const value = evaluator.debugType(object).fieldLazy(object, name, field, evaluator);
    return value instanceof Optional ? value.hasValue() : value !== undefined;
  };
}

/** Visits every node of a syntax tree as it was written, before macros are expanded. */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const child of children(node.args)) walk(child, visit);
}

function children(args: unknown): Node[] {
  if (Array.isArray(args)) return args.flatMap(children);
  if (typeof args === 'object' && args !== null && typeof (args as Node).op === 'string') return [args as Node];
  return [];
}
