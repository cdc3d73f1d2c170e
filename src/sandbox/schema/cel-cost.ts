import type { Node } from '../../cel/compile.js';
import { elementShape, itemShape, memberShape, SCALAR, type Shape, shapeOf, UNKNOWN } from './cel-sizes.js';
import type { SchemaNode } from './node.js';

const TRAVERSAL_FACTOR = 0.1;
const REGEX_FACTOR = 0.25;

/** What one rule, or the rules of a whole schema, may cost (KEP-2876, cel/limits.go). */
export const RULE_COST_LIMIT = 10_000_000;
export const SCHEMA_COST_LIMIT = 100_000_000;

interface Estimate {
  cost: number;
  shape: Shape;
}

type Scope = ReadonlyMap<string, Shape>;

/**
 * A bound for the cost of one evaluation, after cel-go's checker: one per selection, a tenth per character walked over,
 * and comprehensions as often as their list may be long. Simplified, and never far below the API server's own figure.
 */
export function expressionCost(expression: Node, self: SchemaNode): number {
  const shape = shapeOf(self);
  return estimate(
    expression,
    new Map([
      ['self', shape],
      ['oldSelf', shape],
    ]),
  ).cost;
}

/** As kube-apiserver says that a cost is over its limit. */
export function costMessage(name: string, cost: number, limit: number): string {
  const excess = cost / limit;
  const factor = excess > 100 ? 'more than 100x' : `${excess.toFixed(excess < 1.5 ? 6 : 1)}x`;
  return `${name} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

function estimate(node: Node, scope: Scope): Estimate {
  const { op, args } = node;
  const parts = (Array.isArray(args) ? args : [args]) as Node[];
  switch (op) {
    case 'value':
      return { cost: 0, shape: { size: typeof args === 'string' ? Math.max(1, args.length) : 1 } };
    case 'id':
      return { cost: 1, shape: scope.get(args as string) ?? SCALAR };
    case '.':
    case '.?':
      return select(parts[0] as Node, String(parts[1]), scope);
    case '[]':
    case '[?]':
      return index(parts, scope);
    case '?:':
      return ternary(parts, scope);
    case '&&':
    case '||':
      return { cost: parts.reduce((sum, part) => sum + estimate(part, scope).cost, 0), shape: SCALAR };
    case 'list':
      return listLiteral(parts, scope);
    case 'map':
      return mapLiteral(args as [Node, Node][], scope);
    case 'call':
      return functionCall(args as [string, Node[]], scope);
    case 'rcall':
      return methodCall(args as [string, Node, Node[]], scope);
    default:
      return operator(op, parts, scope);
  }
}

function select(target: Node, name: string, scope: Scope): Estimate {
  const { cost, shape } = estimate(target, scope);
  // Of a map's entry the API server knows the size when it is read as `map['key']`, but not as `map.key`.
  return { cost: cost + 1, shape: shape.node?.additional ? UNKNOWN : memberShape(shape, name) };
}

function index(parts: Node[], scope: Scope): Estimate {
  const [target, key] = parts.map((part) => estimate(part, scope)) as [Estimate, Estimate];
  const name = parts[1]?.op === 'value' ? String(parts[1].args) : undefined;
  return { cost: target.cost + key.cost + 1, shape: memberShape(target.shape, name) };
}

function ternary(parts: Node[], scope: Scope): Estimate {
  const [condition, left, right] = parts.map((part) => estimate(part, scope)) as [Estimate, Estimate, Estimate];
  return { cost: condition.cost + Math.max(left.cost, right.cost), shape: larger(left.shape, right.shape) };
}

function larger(left: Shape, right: Shape): Shape {
  return left.size >= right.size ? left : right;
}

function listLiteral(parts: Node[], scope: Scope): Estimate {
  const items = parts.map((part) => estimate(part, scope));
  const shape: Shape = { size: items.length, items: items.map((item) => item.shape).reduce(larger, SCALAR) };
  return { cost: 10 + items.reduce((sum, item) => sum + item.cost, 0), shape };
}

function mapLiteral(entries: [Node, Node][], scope: Scope): Estimate {
  const cost = entries.flat().reduce((sum, part) => sum + estimate(part, scope).cost, 30);
  return { cost, shape: { size: entries.length, items: UNKNOWN } };
}

function operator(op: string, parts: Node[], scope: Scope): Estimate {
  const operands = parts.map((part) => estimate(part, scope));
  const sizes = operands.map(({ shape }) => shape.size);
  const base = operands.reduce((sum, { cost }) => sum + cost, 0);
  const [left = 1, right = 1] = sizes;
  if (op === 'in') return { cost: base + right, shape: SCALAR };
  if (op === '==' || op === '!=' || op.startsWith('<') || op.startsWith('>')) {
    return { cost: base + Math.max(1, Math.min(left, right) * TRAVERSAL_FACTOR), shape: SCALAR };
  }
  if (op === '+' && (left > 1 || right > 1)) {
    const isList = operands.some(({ shape }) => shape.items ?? shape.node?.items);
    return {
      cost: base + (isList ? 1 : (left + right) * TRAVERSAL_FACTOR),
      shape: { ...operands[0]?.shape, size: left + right },
    };
  }
  return { cost: base + 1, shape: SCALAR };
}

function functionCall([name, args]: [string, Node[]], scope: Scope): Estimate {
  const inputs = args.map((arg) => estimate(arg, scope));
  const base = inputs.reduce((sum, { cost }) => sum + cost, 0);
  const size = inputs[0]?.shape.size ?? 1;
  if (name === 'has') return { cost: base, shape: SCALAR };
  if (name === 'matches') return { cost: base + regexCost(size, inputs[1]?.shape.size ?? 1), shape: SCALAR };
  if (name === 'dyn') return { cost: base + 1, shape: inputs[0]?.shape ?? SCALAR };
  if (CONSTANT_FUNCTIONS.has(name)) return { cost: base + 1, shape: SCALAR };
  // string(), url() and the like read their text once.
  return { cost: base + 1 + size * TRAVERSAL_FACTOR, shape: { size: Math.max(size, 32) } };
}

const CONSTANT_FUNCTIONS = new Set(['size', 'goDuration', 'timestamp', 'int', 'double', 'bool', 'isURL', 'isQuantity']);

function regexCost(text: number, pattern: number): number {
  return (text + 1) * TRAVERSAL_FACTOR * Math.max(1, pattern * REGEX_FACTOR);
}

const COMPREHENSIONS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

function methodCall([name, receiver, args]: [string, Node, Node[]], scope: Scope): Estimate {
  const target = estimate(receiver, scope);
  if (COMPREHENSIONS.has(name) && args[0]?.op === 'id') return comprehension(name, target, args, scope);
  if (name === 'bind' && args.length === 3) return binding(args, scope);
  const inputs = args.map((arg) => estimate(arg, scope));
  const base = inputs.reduce((sum, { cost }) => sum + cost, target.cost);
  const sizes = inputs.map(({ shape }) => shape.size);
  const method = METHODS[name] ?? (/^(get|is)[A-Z]/.test(name) ? constant : textMethod);
  const own = method(target.shape, sizes);
  return { cost: base + own.cost, shape: own.shape };
}

/** What a method itself costs, and the shape of its result, given its receiver and the sizes of its arguments. */
type MethodCost = (target: Shape, sizes: number[]) => Estimate;

const constant: MethodCost = () => ({ cost: 1, shape: SCALAR });

const textMethod: MethodCost = ({ size }, [argument = 1]) => ({
  cost: 1 + (size + argument) * TRAVERSAL_FACTOR,
  shape: { size: size + argument, items: { size } },
});

const overItems: MethodCost = (target) => {
  const item = itemShape(target);
  return { cost: target.size * Math.max(1, item.size * TRAVERSAL_FACTOR), shape: item };
};

const regex: MethodCost = (target, [pattern = 1]) => ({
  cost: regexCost(target.size, pattern),
  shape: { size: target.size, items: target },
});

const pairwise: MethodCost = (_, [left = 1, right = 1]) => ({ cost: left * right, shape: SCALAR });

const affix: MethodCost = (_, [argument = 1]) => ({ cost: argument * TRAVERSAL_FACTOR, shape: SCALAR });

const unwrap: MethodCost = (target) => ({ cost: 1, shape: target });

const searchable =
  (byItems: MethodCost): MethodCost =>
  (target, sizes) =>
    target.items || target.node?.items ? byItems(target, sizes) : textMethod(target, sizes);

const METHODS: Record<string, MethodCost> = {
  goMatches: regex,
  find: regex,
  findAll: regex,
  contains: ({ size }, [first = 1, second]) => ({
    cost:
      second === undefined
        ? Math.max(1, size * TRAVERSAL_FACTOR * Math.max(1, first * TRAVERSAL_FACTOR))
        : first * second,
    shape: SCALAR,
  }),
  equivalent: pairwise,
  intersects: pairwise,
  split: (target, sizes) => {
    const { cost, shape } = textMethod(target, sizes);
    return { cost: 10 + cost, shape };
  },
  goJoin: (target) => {
    const size = target.size * itemShape(target).size;
    return { cost: Math.max(1, size * TRAVERSAL_FACTOR), shape: { size } };
  },
  startsWith: affix,
  endsWith: affix,
  size: constant,
  isSorted: overItems,
  sum: overItems,
  min: overItems,
  max: overItems,
  indexOf: searchable(overItems),
  lastIndexOf: searchable(overItems),
  replace: ({ size }, [, replacement = 1]) => ({
    cost: 2 * size * TRAVERSAL_FACTOR,
    shape: { size: size * Math.max(1, replacement) },
  }),
  orValue: unwrap,
  value: unwrap,
  or: unwrap,
};

function comprehension(name: string, target: Estimate, args: Node[], scope: Scope): Estimate {
  const element = elementShape(target.shape);
  const inner = new Map(scope).set(String(args[0]?.args), element);
  const steps = args.slice(1).map((part) => estimate(part, inner));
  // What cel-go adds around each step: testing the loop, and for lists building one more of them.
  const overhead = name === 'map' || name === 'filter' ? 13 : 3;
  const perItem = steps.reduce((sum, { cost }) => sum + cost, overhead);
  const cost = target.cost + 1 + target.shape.size * perItem;
  if (name === 'filter') return { cost, shape: { size: target.shape.size, items: element } };
  if (name === 'map') return { cost, shape: { size: target.shape.size, items: steps.at(-1)?.shape ?? UNKNOWN } };
  return { cost, shape: SCALAR };
}

function binding(args: Node[], scope: Scope): Estimate {
  const [name, value, body] = args as [Node, Node, Node];
  const bound = estimate(value, scope);
  const result = estimate(body, new Map(scope).set(String(name.args), bound.shape));
  return { cost: bound.cost + result.cost, shape: result.shape };
}
