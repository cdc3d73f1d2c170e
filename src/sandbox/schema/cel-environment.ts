import { type ASTNode, Environment, Optional } from '@marcbachmann/cel-js';
import { registerLists } from './cel-lists.js';
import { registerQuantity } from './cel-quantity.js';
import { registerStrings } from './cel-strings.js';
import { registerUrl } from './cel-url.js';
import { type CelDuration, parseDuration } from './cel-values.js';

let shared: Environment | undefined;

/** The CEL environment of the API server's validation rules: cel-js and the Kubernetes libraries. Clone it to extend it. */
export function kubernetesEnvironment(): Environment {
  shared ??= build();
  return shared;
}

function build(): Environment {
  const environment = new Environment({ enableOptionalTypes: true, limits: { maxDepth: 100, maxAstNodes: 20_000 } });
  environment
    .registerFunction('goDuration(string): google.protobuf.Duration', parseDuration, { async: false })
    .registerFunction('string(google.protobuf.Duration): string', printDuration, { async: false })
    .registerFunction('string(google.protobuf.Timestamp): string', (time: Date) => time.toISOString(), { async: false })
    .registerFunction(
      'int(google.protobuf.Timestamp): int',
      (time: Date) => BigInt(Math.floor(time.getTime() / 1000)),
      { async: false },
    );
  registerStrings(environment);
  registerLists(environment);
  registerQuantity(environment);
  registerUrl(environment);
  return environment;
}

function printDuration({ seconds, nanos }: CelDuration): string {
  const negative = seconds < 0n || nanos < 0;
  const fraction = Math.abs(nanos).toString().padStart(9, '0').replace(/0+$/, '');
  const whole = seconds < 0n ? -seconds : seconds;
  return `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}s`;
}

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
  meta: { macro?: Macro; alternate?: Node };
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

/** An expression ready to run. `variables` maps names to CEL values. */
export interface Program {
  node: Node;
  /** The type of the result by its CEL name. */
  type: string;
  evaluate(variables: Record<string, unknown>): unknown;
}

/**
 * Parses and type-checks an expression.
 * @throws an Error whose message reads like cel-go's: `compilation failed: ERROR: <input>:1:6: undefined field 'x'`
 */
export function compileExpression(environment: Environment, source: string): Program {
  const parsed = attempt(source, () => environment.parse(source));
  const node = parsed.ast as unknown as Node & ASTNode;
  walk(node, rewrite);
  const result = parsed.check();
  if (!result.valid) throw compilationError(source, result.error);
  return { node, type: result.type ?? 'dyn', evaluate: parsed };
}

function attempt<T>(source: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw compilationError(source, error);
  }
}

function compilationError(source: string, error: unknown): Error {
  const { summary, message, range } = error as { summary?: string; message: string; range?: { start: number } };
  const before = source.slice(0, range?.start ?? 0).split('\n');
  const column = before.at(-1)?.length ?? 0;
  const line = source.split('\n')[before.length - 1] ?? '';
  const place = `<input>:${before.length}:${column + 1}`;
  return new Error(
    `compilation failed: ERROR: ${place}: ${goWording(summary ?? message)}\n | ${line}\n | ${'.'.repeat(column)}^`,
  );
}

function goWording(summary: string): string {
  return summary
    .replace(/^No such key: (.*)$/, "undefined field '$1'")
    .replace(/^Unknown variable: (.*)$/, "undeclared reference to '$1' (in container '')")
    .replace(
      /\bgo(Join|Matches|LowerAscii|UpperAscii|Duration)\b/,
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
